"""Which files are opened, how they are brought up to date, and what their numbers mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import get_args

import pytest

from torpor.errors import ConfigurationError, WorldError
from torpor.lifecycle import INPUTS, TRANSITIONS, EventType, RunStatus
from torpor.model import Runtime
from torpor.worlds.sqlite import SqliteWorld, codes, schema

RECORDED = Path(__file__).parent / "schemas"
"""``NNNN.sql``: the schema of each released version, as ``sqlite_master`` had it."""


async def _open(path: Path) -> SqliteWorld:
    world = SqliteWorld(f"sqlite:///{path}")
    await world.open()
    return world


def _shape(db: sqlite3.Connection) -> list[tuple[str, ...]]:
    return db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


async def test_a_new_file_is_marked_as_ours(tmp_path: Path) -> None:
    """Its application id and schema version are set, and it uses write-ahead logging."""
    await (await _open(tmp_path / "torpor.db")).close()
    db = sqlite3.connect(tmp_path / "torpor.db")
    assert db.execute("PRAGMA application_id").fetchone() == (0x546F7270,)
    assert db.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()


@pytest.mark.parametrize(("parameter", "level"), [("", 2), ("?synchronous=full", 2), ("?synchronous=normal", 1)])
async def test_commits_wait_for_the_disk_unless_told_otherwise(tmp_path: Path, parameter: str, level: int) -> None:
    """FULL is 2 and the default, NORMAL is 1."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db{parameter}")
    await world.open()
    found = await world._writer.submit(
        lambda store: (store.db.execute("PRAGMA synchronous").fetchone(), None), "a test"
    )
    assert found == (level,)
    await world.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """The error names both versions and the way out; the file is left alone."""
    path = tmp_path / "torpor.db"
    await (await _open(path)).close()
    known = len(schema.MIGRATIONS)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {known + 3}")
    db.close()
    with pytest.raises(ConfigurationError, match=f"has schema {known + 3}, .* up to {known}; upgrade torpor"):
        await _open(path)


async def test_anothers_database_is_left_alone(tmp_path: Path) -> None:
    """A SQLite file with tables of somebody else is refused and not changed by a byte."""
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE customers (id INTEGER)")
    db.close()
    before = path.read_bytes()
    with pytest.raises(ConfigurationError, match="no torpor database; it was left as it is"):
        await _open(path)
    assert path.read_bytes() == before
    assert not path.with_name("other.db-wal").exists()


async def test_another_application_is_recognised(tmp_path: Path) -> None:
    """An empty file that carries somebody else's application id is theirs."""
    path = tmp_path / "other.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA application_id = 77")
    db.close()
    with pytest.raises(ConfigurationError, match="no torpor database"):
        await _open(path)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A text file is refused and not changed."""
    path = tmp_path / "notes.txt"
    path.write_text("Dear diary, " * 100)
    with pytest.raises(ConfigurationError, match="no torpor database"):
        await _open(path)
    assert path.read_text().startswith("Dear diary")


async def test_an_empty_file_becomes_ours(tmp_path: Path) -> None:
    """As one that was not there."""
    path = tmp_path / "torpor.db"
    path.touch()
    await (await _open(path)).close()
    assert path.stat().st_size > 0


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """It is not made silently."""
    with pytest.raises(ConfigurationError, match=r"the folder .*/no/such does not exist"):
        await _open(tmp_path / "no" / "such" / "torpor.db")


async def test_a_path_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    """A folder in the file's place is the world's failure, and a later attempt may succeed."""
    (tmp_path / "torpor.db").mkdir()
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    with pytest.raises(WorldError, match="cannot be opened"):
        await world.open()
    (tmp_path / "torpor.db").rmdir()
    await world.open()
    await world.close()


async def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the version that is there and the one that is needed."""
    monkeypatch.setattr(schema, "SQLITE_LEAST", (99, 1, 0))
    with pytest.raises(ConfigurationError, match=rf"SQLite {sqlite3.sqlite_version}; torpor needs 99\.1\.0"):
        await _open(tmp_path / "torpor.db")


def test_a_migration_that_fails_changes_nothing() -> None:
    """All steps run in one transaction, version number included."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        schema.migrate(db, ["CREATE TABLE one (x);", "CREATE TABLE two (x);\nINSERT INTO three VALUES (1);"], "URL")
    assert _shape(db) == []
    assert db.execute("PRAGMA user_version").fetchone() == (0,)
    db.close()


def test_only_missing_migrations_run() -> None:
    """A file of version 1 gets the second step and not the first one again."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    one, two = "CREATE TABLE one (x);", "CREATE TABLE two (x);"
    schema.migrate(db, [one], "URL")
    schema.migrate(db, [one, two], "URL")
    assert [name for _, name, _, _ in _shape(db)] == ["one", "two"]
    db.close()


@pytest.mark.parametrize("version", range(1, len(schema.MIGRATIONS) + 1))
def test_a_migrated_schema_is_a_fresh_one(version: int) -> None:
    """A file of each released version, brought up to date, has the tables and indexes of a new file."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(fresh, schema.MIGRATIONS, "URL")
    old = sqlite3.connect(":memory:", isolation_level=None)
    old.executescript((RECORDED / f"{version:04}.sql").read_text())
    old.execute(f"PRAGMA user_version = {version}")
    schema.migrate(old, schema.MIGRATIONS, "URL")
    assert _shape(old) == _shape(fresh)
    fresh.close()
    old.close()


def test_every_type_and_state_has_a_number() -> None:
    """What the lifecycle table knows can be stored; of steps and hooks only what can be open."""
    assert set(codes.EVENT_TYPES) == set(get_args(EventType))
    assert set(codes.RUN_STATUSES) == set(get_args(RunStatus))
    assert set(codes.RUNTIMES) == set(get_args(Runtime))
    assert set(codes.STEP_STATUSES) == _states("step") - {"completed", "failed", "cancelled"}
    assert set(codes.HOOK_STATUSES) == _states("hook") | {"ended", "told"}


def test_the_ids_of_resumes_become_those_of_tokens() -> None:
    """Where a token was resumed under one id at several hooks, the live one counts."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript((RECORDED / "0005.sql").read_text())
    db.execute("PRAGMA user_version = 5")
    for run, status in ((1, 3), (2, 0), (3, 3)):
        db.execute("INSERT INTO hooks VALUES (?, 'h', 1, 'token', ?, 1, NULL, '')", (run, status))
        db.executemany("INSERT INTO resumes VALUES (?, ?, ?)", [(run, "h", "r1"), (run, "", "m1"), (run, "gone", "r2")])
    schema.migrate(db, schema.MIGRATIONS, "URL")
    assert db.execute("SELECT * FROM resumes ORDER BY run, token").fetchall() == [
        *((1, "", "m1"), (2, "", "m1"), (2, "token", "r1"), (3, "", "m1")),
    ]
    db.close()


def _states(entity: str) -> set[str]:
    return {after for kind, (_, after) in TRANSITIONS.items() if kind.startswith(entity)}


def test_numbers_are_for_ever() -> None:
    """Files that exist mean by each number what they meant when it was written."""
    assert codes.EVENT_TYPES[:16] == (
        "run_created", "run_started", "run_completed", "run_failed", "run_cancelled", "step_created", "step_started",
        "step_retrying", "step_completed", "step_failed", "wait_created", "wait_completed", "hook_created",
        "hook_conflict", "hook_received", "hook_disposed",
    )  # fmt: skip
    assert codes.RUN_STATUSES[:5] == ("pending", "running", "completed", "failed", "cancelled")
    assert codes.STEP_STATUSES[:3] == ("pending", "running", "retrying")
    assert codes.HOOK_STATUSES[:5] == ("live", "disposed", "conflict", "ended", "told")
    assert codes.RUNTIMES[:2] == ("snapshot", "replay")


def test_inputs_are_asked_for_by_number() -> None:
    """The list in queries is that of the lifecycle."""
    assert {codes.EVENT_TYPES[int(code)] for code in codes.INPUT_CODES.split(", ")} == INPUTS
