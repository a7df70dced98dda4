"""Transactions that write take turns, whoever begins them: the writer, or a step."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from torpor.errors import WorldError
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.beginning import begin_writing, take_patience

PATIENCE_SECONDS = 60


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database."""
    path = tmp_path / "torpor.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return path


@pytest.fixture
def other(file: Path) -> Iterator[sqlite3.Connection]:
    """Another process's connection, within a transaction that writes."""
    db = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    db.execute("BEGIN IMMEDIATE")
    yield db
    db.close()


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)


def test_who_waits_begins_when_the_other_one_has_ended(file: Path, other: sqlite3.Connection) -> None:
    """It tries again until it may."""
    db, tried, begun = _connect(file), threading.Semaphore(0), threading.Event()
    db.set_trace_callback(lambda _: tried.release())

    def begin() -> None:
        begin_writing(db, PATIENCE_SECONDS)
        begun.set()

    waiting = threading.Thread(target=begin)
    waiting.start()
    for _ in range(3):
        assert tried.acquire(timeout=PATIENCE_SECONDS)
    assert not begun.is_set()
    other.execute("COMMIT")
    assert begun.wait(PATIENCE_SECONDS)
    waiting.join()
    assert db.in_transaction
    db.close()


@pytest.mark.usefixtures("other")
def test_patience_ends(file: Path) -> None:
    """Who waits in vain is told that the file is locked, and is in no transaction."""
    db = _connect(file)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        begin_writing(db, 0.005)
    assert not db.in_transaction
    db.close()


def test_what_no_waiting_mends_is_told_at_once(file: Path) -> None:
    """A transaction within a transaction, for instance."""
    db = _connect(file)
    begin_writing(db, PATIENCE_SECONDS)
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        begin_writing(db, PATIENCE_SECONDS)
    db.close()


def test_patience_is_taken_from_the_connection(file: Path) -> None:
    """Or SQLite would wait in its own way first, each time."""
    db = sqlite3.connect(file, timeout=0.25)
    assert take_patience(db) == 0.25
    assert db.execute("PRAGMA busy_timeout").fetchone() == (0,)
    db.close()


async def test_a_steps_transaction_waits_as_the_url_says(file: Path, other: sqlite3.Connection) -> None:
    """It is told of a file that stays locked, and statements of its own have the patience that they always had."""
    world = SqliteWorld(f"sqlite:///{file}?busy_timeout_ms=40")
    with pytest.raises(WorldError, match=r"beginning of a transaction failed .*busy_timeout_ms"):
        async with world.transaction():
            pass
    with pytest.raises(WorldError, match="busy_timeout_ms"), world.transaction_in_thread():
        pass
    other.execute("ROLLBACK")
    async with world.transaction() as connection:
        assert isinstance(connection, sqlite3.Connection)
        assert connection.execute("PRAGMA busy_timeout").fetchone() == (40,)
        connection.execute("CREATE TABLE kept (it)")
    assert other.execute("SELECT count(*) FROM kept").fetchone() == (0,)
