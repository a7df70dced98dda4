"""
The schema ``torpor`` of a database: made, and brought up to date.

Migrations are numbered SQL files that only go forward. They run in one transaction under an advisory lock, so that of
several processes one migrates and the others find it done. A role that may make a schema in the database suffices;
where the schema is there, one that may use what is in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import psycopg
from msgspec.structs import replace

from torpor.errors import ConfigurationError
from torpor.worlds.postgres import embedded
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.faults import failure_of
from torpor.worlds.postgres.url import parse
from torpor.worlds.urls import shown

POSTGRES_LEAST: Final = 140_000
"""First version with pipelines that are one transaction, and ``pg_xact_status`` for xid8, in all its minor versions."""

_LOCK: Final = int.from_bytes(b"torpor", "big")
_VERSIONS: Final = "SELECT to_regclass('torpor.migrations') IS NOT NULL, current_setting('server_version_num')::int"
_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM torpor.migrations"
_MADE: Final = (
    "CREATE SCHEMA IF NOT EXISTS torpor",
    "CREATE TABLE torpor.migrations (number integer PRIMARY KEY, name text NOT NULL, at timestamptz DEFAULT now())",
)


def _read_migrations() -> list[tuple[str, str]]:
    folder = Path(__file__).with_name("migrations")
    return [(file.stem, file.read_text(encoding="utf-8")) for file in sorted(folder.glob("*.sql"))]


MIGRATIONS: Final = _read_migrations()
"""Name and SQL of the migrations in their order; number 1 is the first."""


def version(connection: Connection, url: str) -> int:
    """
    Return how many migrations have run, 0 where there is no schema yet.

    Raises:
        ConfigurationError: the server is too old, or the schema belongs to a newer version.
    """
    [(is_there, server)] = connection.rows(_VERSIONS)
    if server < POSTGRES_LEAST:
        least = POSTGRES_LEAST // 10_000
        raise ConfigurationError(
            f"world {url}: its server is Postgres {server // 10_000}; torpor needs {least} or newer"
        )
    number = connection.rows(_NEWEST)[0][0] if is_there else 0
    if number > len(MIGRATIONS):
        raise ConfigurationError(
            f"world {url} has schema {number}, this version of torpor knows up to {len(MIGRATIONS)}; upgrade torpor"
        )
    return int(number)


def pending(url: str) -> list[str]:
    """
    Return the names of the migrations that have not run in a database; nothing is changed.

    Raises:
        ConfigurationError: as :func:`version`, or the server lets nobody in by this URL.
        WorldError: the server cannot be reached.
    """
    settings = parse(url)
    if settings.folder:
        if not Path(settings.folder).is_dir():  # nor would a look make it
            return [name for name, _ in MIGRATIONS]
        settings = replace(settings, server=embedded.start(settings.folder))
    connection = Connection(settings)
    try:
        connection.try_to_connect()
        done = version(connection, shown(url))
    except psycopg.Error as error:
        raise failure_of(error, shown(url), "looking at the schema") from error
    finally:
        connection.drop()
    return [name for name, _ in MIGRATIONS[done:]]


def migrate(connection: Connection, url: str) -> int:
    """
    Bring the schema up to date, in one transaction; return how many migrations ran.

    Raises:
        ConfigurationError: as :func:`version`.
        psycopg.Error: the server refused; nothing was changed.
    """
    if version(connection, url) == len(MIGRATIONS):
        return 0
    with connection.transaction():
        connection.rows("SELECT pg_advisory_xact_lock(%s)", _LOCK)
        # Another process may have migrated while this one waited for the lock.
        done = version(connection, url)
        for statement in _MADE if not done else ():
            connection.db.execute(statement)
        for number, (name, script) in enumerate(MIGRATIONS[done:], start=done + 1):
            connection.db.execute(script.encode())  # as it is: without values a script may have many statements
            connection.rows("INSERT INTO torpor.migrations (number, name) VALUES (%s, %s)", number, name)
    return len(MIGRATIONS) - done
