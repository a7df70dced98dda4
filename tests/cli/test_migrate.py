"""``torpor migrate``: is the schema of a world up to date?"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.cli.conftest import Torpor
from tests.postgres_server import execute, server_url
from torpor.worlds.sqlite import schema

RECORDED = Path(__file__).parent.parent / "worlds" / "files" / "0.1.0.sql"


def test_a_file_of_an_older_version(torpor: Torpor, tmp_path: Path) -> None:
    """A check says what is due and changes nothing; without it, that is done; then nothing is due."""
    file = tmp_path / "torpor.db"
    with sqlite3.connect(file) as db:
        db.executescript(RECORDED.read_text(encoding="utf-8"))
        db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        db.execute("PRAGMA user_version = 4")
    before = db.execute("PRAGMA user_version").fetchone()
    db.close()
    world = f"sqlite:///{file}"

    due = torpor("migrate", "--check", "--world", world)
    assert due.exit_code == 1
    assert "0006_what_workflows_can_do" in due.output
    with sqlite3.connect(file) as db:
        assert db.execute("PRAGMA user_version").fetchone() == before
    db.close()

    assert "done" in torpor.ok("migrate", "--world", world)
    assert torpor.json("migrate", "--check", "--world", world) == {"world": world, "pending": [], "done": []}


def test_a_file_that_is_not_there_is_not_made(torpor: Torpor, tmp_path: Path) -> None:
    """All migrations are due, and there is still no file."""
    checked = torpor("migrate", "--check", "--world", f"sqlite:///{tmp_path}/new.db")
    assert checked.exit_code == 1
    assert f"{len(schema.MIGRATIONS)} migrations due" in checked.output
    assert not list(tmp_path.iterdir())


def test_a_file_of_somebody_else(torpor: Torpor, tmp_path: Path) -> None:
    """It is told, and left alone."""
    (tmp_path / "notes.db").write_text("shopping: milk, and all that one needs besides")
    refused = torpor("migrate", "--world", f"sqlite:///{tmp_path}/notes.db")
    assert refused.exit_code == 2
    assert "no torpor database" in refused.output


def test_a_database_on_a_server(torpor: Torpor, request: pytest.FixtureRequest) -> None:
    """As a file: what is due is told, then done."""
    server = urlsplit(server_url())
    execute(server.geturl(), "CREATE DATABASE torpor_migrated")
    request.addfinalizer(lambda: execute(server.geturl(), "DROP DATABASE torpor_migrated"))
    world = server._replace(scheme="postgres", path="/torpor_migrated").geturl()
    due = torpor("migrate", "--check", "--world", world)
    assert due.exit_code == 1, due.output
    assert "0001_initial" in due.output
    assert "1 migration done" in torpor.ok("migrate", "--world", world)
    assert "up to date" in torpor.ok("migrate", "--check", "--world", world)


@pytest.mark.parametrize("world", ["memory://", "https://torpor.example.com"])
def test_a_world_without_a_schema_of_its_own(torpor: Torpor, world: str) -> None:
    """Nobody can migrate it from here."""
    refused = torpor("migrate", "--world", world)
    assert refused.exit_code == 2
    assert "no schema of its own" in refused.output
