"""In which condition the places of worlds are: what is amiss is told, with what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_server import execute, server_url
from tests.servers.databases import Server, folder, pooled
from tests.worlds.descriptors import without_descriptors
from torpor.engine.liveness import worker_row
from torpor.errors import ConfigurationError, HostError, WorldError
from torpor.worlds import open_world
from torpor.worlds.condition import Condition, size_text
from torpor.worlds.conditions import conditions
from torpor.worlds.postgres import condition as postgres_condition
from torpor.worlds.sqlite.condition import file_system


async def _found(url: str) -> dict[str, Condition]:
    world = open_world(url)
    await world.open()
    try:
        return {each.name: each for each in conditions(url)}
    finally:
        await world.close()


async def test_a_file_of_its_own_is_well(tmp_path: Path) -> None:
    """It is in WAL mode, and its size and place are told."""
    found = await _found(f"sqlite:///{tmp_path}/torpor.db")
    assert [*found] == ["settings", "place", "size"]
    assert found["settings"].status == "ok"
    assert found["settings"].facts["journal_mode"] == "wal"
    assert found["place"].facts["free_bytes"] > 0
    assert (found["size"].facts["runs"], found["size"].facts["bytes"] > 0) == (0, True)


async def test_what_is_amiss_with_a_file_is_told(tmp_path: Path) -> None:
    """Another journal mode fails, a lazy one is a note, and so are many free pages."""
    path = tmp_path / "torpor.db"
    await _found(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("CREATE TABLE large (data BLOB)")
        db.execute("INSERT INTO large VALUES (zeroblob(100000000))")
        db.execute("DROP TABLE large")
        db.commit()
    settings, _, size = conditions(f"sqlite:///{path}?synchronous=normal")
    assert settings.status == "failed"
    assert "journal mode is delete" in settings.text
    assert "may undo the newest commits" in settings.text
    assert size.status == "note"
    assert "VACUUM" in size.text


def test_where_a_file_lies_is_known(tmp_path: Path) -> None:
    """The longest mount point counts; names may have spaces in them."""
    inner = tmp_path / "a b"
    inner.mkdir()
    mounts = tmp_path / "mounts"
    escaped = str(inner).replace(" ", "\\040")
    mounts.write_text(f"disk / ext4 rw 0 0\nserver:/x {escaped} nfs4 rw 0 0\nnone /proc proc rw 0 0\n")
    assert file_system(inner / "torpor.db", mounts) == "nfs4"
    assert file_system(tmp_path / "torpor.db", mounts) == "ext4"
    assert file_system(tmp_path / "torpor.db", tmp_path / "none") == ""


async def test_a_database_is_looked_at() -> None:
    """All that a worker depends on; what the servers of tests do without is told."""
    found = await _found(server_url())
    assert [*found] == ["settings", "schema", "connections", "tables", "replication", "pooler", "clock"]
    assert {name: each.status for name, each in found.items() if name != "settings"} == {
        "schema": "ok", "connections": "ok", "tables": "ok", "replication": "ok", "pooler": "ok", "clock": "ok",
    }  # fmt: skip
    assert "runs" in found["tables"].facts["tables"]
    assert abs(found["clock"].facts["offset_ms"]) < 1_000


async def test_a_role_without_rights_is_told() -> None:
    """Which rights on which tables it lacks."""
    url = server_url()
    await _found(url)
    for statement in (
        "DROP ROLE IF EXISTS lookson",
        "CREATE ROLE lookson LOGIN",
        "GRANT USAGE ON SCHEMA torpor TO lookson",
        "GRANT SELECT ON ALL TABLES IN SCHEMA torpor TO lookson",
    ):
        execute(url, statement)
    try:
        _, schema, *_ = conditions(url.replace("//postgres:@", "//lookson@").replace("//postgres@", "//lookson@"))
        assert schema.status == "failed"
        assert "DELETE/INSERT/UPDATE on runs" in schema.text
    finally:
        execute(url, "DROP OWNED BY lookson")
        execute(url, "DROP ROLE lookson")


_KNOWN: dict[str, tuple[str, str | None]] = {
    "server_version": ("15.1", None),
    "fsync": ("on", None),
    "full_page_writes": ("on", None),
    "synchronous_commit": ("on", None),
    "synchronous_standby_names": ("", None),
    "autovacuum": ("on", None),
    "statement_timeout": ("0", "ms"),
    "idle_in_transaction_session_timeout": ("0", "ms"),
    "lock_timeout": ("0", "ms"),
    "default_transaction_read_only": ("off", None),
}


@pytest.mark.parametrize(
    ("name", "value", "status", "told"),
    [
        ("fsync", "on", "ok", "Postgres 15.1"),
        ("fsync", "off", "failed", "fsync is off"),
        ("full_page_writes", "off", "failed", "full_page_writes is off"),
        ("autovacuum", "off", "failed", "grow without end"),
        ("default_transaction_read_only", "on", "failed", "read-only"),
        ("synchronous_commit", "off", "note", "may undo the newest commits"),
        ("statement_timeout", "1000", "note", "maintenance may take longer"),
    ],
)
def test_settings_are_judged(name: str, value: str, status: str, told: str) -> None:
    """What may lose runs fails; what may surprise is a note."""
    found = postgres_condition._settings(_KNOWN | {name: (value, None)})
    assert found.status == status
    assert told in found.text


class _Answers:
    """A connection that answers as a server in trouble does."""

    def __init__(self, *answers: list[tuple[Any, ...]]) -> None:
        self._answers = list(answers)

    def rows(self, *_: object) -> list[tuple[Any, ...]]:
        return self._answers.pop(0)


def test_dead_rows_and_old_transactions_are_told() -> None:
    """Much of a table dead, and ids near their end."""
    answers: Any = _Answers([(1_900_000_000, 10)], [("runs", 10_000, 90_000, 8_192, -1.0), ("steps", 5, 5, 8_192, 3.0)])
    found = postgres_condition._rows(answers)
    assert found.status == "failed"
    assert "90000 of 100000 rows of runs are dead" in found.text
    assert "steps" not in found.text.partition("VACUUM now")[2]
    assert found.facts["tables"]["steps"]["vacuumed_ms_ago"] == 3


def test_standbys_are_judged() -> None:
    """A synchronous one that is missing stops commits; one that lags, or a slot that keeps everything, is a note."""
    known = _KNOWN | {"synchronous_standby_names": ("*", None)}
    alone: Any = _Answers([(False,)], [], [])
    assert "commits wait for a synchronous standby" in postgres_condition._replication(alone, known).text
    lags: Any = _Answers([(False,)], [("s1", "streaming", "sync", 10**9, 5.0)], [("old", False, 2 * 10**9)])
    found = postgres_condition._replication(lags, known)
    assert found.status == "note"
    assert "s1 is 953 MiB behind" in found.text or "s1 is 954 MiB behind" in found.text
    assert "slot old keeps 1.9 GiB" in found.text
    hidden: Any = _Answers([(False,)], [("s1", None, None, 0, 0.0)], [])
    assert "pg_monitor" in postgres_condition._replication(hidden, known).text
    standby: Any = _Answers([(True,)])
    assert postgres_condition._replication(standby, known).status == "failed"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Yield a server of the system's."""
    with folder() as home:
        made = Server(home)
        made.make()
        made.start(fsync="on")
        yield made
        made.stop()


async def test_a_pooler_is_seen(server: Server) -> None:
    """By the ids of processes; whether the URL allows for it is told."""
    await _found(server.url)
    with folder() as home, pooled(server, home) as url:
        by_name = {each.name: each for each in conditions(f"{url}&listen=off")}
        assert by_name["pooler"].status == "note"
        assert "prepare=off&listen=off" in by_name["pooler"].text
        by_name = {each.name: each for each in conditions(f"{url}&prepare=off&listen=off")}
        assert by_name["pooler"].status == "ok"
        assert by_name["pooler"].facts["pooler"] is True
    assert {each.name: each.status for each in conditions(server.url)}["settings"] == "ok"


def test_a_server_that_is_not_there_is_told() -> None:
    """As by all that works on a world."""
    with pytest.raises((WorldError, ConfigurationError)):
        conditions("postgres://nobody@/none?host=/nowhere")


def test_worlds_without_a_place_have_no_condition() -> None:
    """As one in memory."""
    assert conditions("memory://") == []


async def test_a_process_without_descriptors_says_so(server: Server) -> None:
    """Where it cannot connect, or look for its own process; it may later."""
    world = open_world(server.url)
    with without_descriptors():
        with pytest.raises(WorldError):
            await world.open()
        with pytest.raises(HostError, match="Too many open files"):
            worker_row("wrkr_1", 1_000, "", "")
    await world.open()
    await world.close()


def test_sizes_are_told_in_units() -> None:
    """The largest that fits."""
    assert [size_text(size) for size in (5, 2_048, 3 << 20, 5 << 30)] == ["5 B", "2 KiB", "3 MiB", "5.0 GiB"]
