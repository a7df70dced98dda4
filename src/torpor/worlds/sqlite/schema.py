"""
Opening a file: what it must be, and bringing its schema up to date.

Migrations are numbered SQL files that only go forward; all that are missing run in one locked transaction, so that of
several processes one migrates and the others find it done. ``user_version`` says how many have run.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

from torpor.errors import ConfigurationError
from torpor.worlds.sqlite.faults import world_error
from torpor.worlds.sqlite.file import DatabaseFile, make_private
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.url import Settings, parse

APPLICATION_ID: Final = int.from_bytes(b"Torp")
"""Tells our files from others' (https://www.sqlite.org/pragma.html#pragma_application_id)."""

SQLITE_LEAST: Final = (3, 37, 0)
"""First version with STRICT tables; RETURNING came in 3.35."""

_SWITCH_PAUSE_SECONDS: Final = 0.005
_CACHE_KIB: Final = 16 * 1024
_STATEMENTS_CACHED: Final = 256


_FILES: Final = sorted(Path(__file__).with_name("migrations").glob("*.sql"))

MIGRATIONS: Final = [file.read_text(encoding="utf-8") for file in _FILES]
"""The migrations' SQL in their order; number 1 is the first."""


def connect(settings: Settings, url: str) -> Store:
    """
    Return a connection to the file, made or migrated if need be, for use by the calling thread.

    Raises:
        ConfigurationError: the file is not ours, belongs to a newer version, or cannot be made where it should be.
        WorldError: SQLite failed.
    """
    if sqlite3.sqlite_version_info < SQLITE_LEAST:
        least = ".".join(map(str, SQLITE_LEAST))
        raise ConfigurationError(
            f"Python was built with SQLite {sqlite3.sqlite_version}; torpor needs {least} or newer"
        )
    path = Path(settings.path).absolute()
    if not path.parent.is_dir():
        raise ConfigurationError(f"world {url}: the folder {path.parent} does not exist; make it, or change the path")
    make_private(path)
    try:
        db = sqlite3.connect(
            path,
            timeout=settings.busy_timeout_ms / 1000,
            isolation_level=None,
            check_same_thread=False,  # its users take turns, see ConnectionThread
            cached_statements=_STATEMENTS_CACHED,
        )
    except sqlite3.Error as error:
        raise world_error(error, url, "opening the file") from error
    try:
        _prepare(db, settings, url)
    except sqlite3.Error as error:
        db.close()
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
            raise _not_ours(url, settings.path) from error
        raise world_error(error, url, "opening the file") from error
    except ConfigurationError:
        db.close()
        raise
    return Store(db, url, DatabaseFile(path))


def pending(url: str) -> list[str]:
    """
    Return the names of the migrations that have not run in a file, all of them when there is none; nothing is changed.

    Raises:
        ConfigurationError: the file is not ours, or belongs to a newer version.
        WorldError: SQLite failed.
    """
    path = Path(parse(url).path).absolute()
    done = 0
    if path.exists():
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
                if not _is_ours(db):
                    raise _not_ours(url, str(path))
                done = _version(db, len(MIGRATIONS), url)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_NOTADB:
                raise _not_ours(url, str(path)) from error
            raise world_error(error, url, "opening the file") from error
    return [file.stem for file in _FILES[done:]]


def migrate(db: sqlite3.Connection, steps: list[str], url: str) -> None:
    """
    Bring the schema up to date, in one transaction.

    Raises:
        ConfigurationError: the file belongs to a newer version.
        sqlite3.Error: SQLite failed; nothing was changed.
    """
    if _version(db, len(steps), url) == len(steps):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have migrated while this one waited for the lock.
        for step in steps[_version(db, len(steps), url) :]:
            for statement in statements(step):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {len(steps)}")
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def _prepare(db: sqlite3.Connection, settings: Settings, url: str) -> None:
    if not _is_ours(db):  # looked at before anything is written
        raise _not_ours(url, settings.path)
    db.execute(f"PRAGMA synchronous = {settings.synchronous}")
    db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    _use_wal(db, settings.busy_timeout_ms / 1000)
    migrate(db, MIGRATIONS, url)


def _use_wal(db: sqlite3.Connection, patience_seconds: float) -> None:
    """Switch to write-ahead logging; SQLite itself does not wait when another process is switching too."""
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_SWITCH_PAUSE_SECONDS)


def _is_ours(db: sqlite3.Connection) -> bool:
    # One statement, hence one moment: another process may be making the file ours.
    application, tables = db.execute(
        "SELECT application_id, (SELECT count(*) FROM sqlite_master) FROM pragma_application_id"
    ).fetchone()
    return bool(application == APPLICATION_ID or (application == 0 and tables == 0))


def _version(db: sqlite3.Connection, known: int, url: str) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > known:
        raise ConfigurationError(
            f"world {url} has schema {version}, this version of torpor knows up to {known}; upgrade torpor here"
        )
    return int(version)


def _not_ours(url: str, path: str) -> ConfigurationError:
    return ConfigurationError(
        f"world {url}: the file {path} is no torpor database; it was left as it is. Choose another path"
    )


def statements(script: str) -> Iterator[str]:
    """Yield a script's statements; ``executescript`` would commit the transaction that they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), "a migration ends with a whole statement"
