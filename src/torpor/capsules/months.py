"""
An archive in a Postgres database: a table of capsules with a partition for each month.

A month that is over can be detached, written to a file by ``pg_dump`` and dropped, whatever is in the other ones. If a
run of such a month comes later, the month gets another partition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Final

import psycopg
from psycopg import errors, sql

from torpor.capsules.places import Kept
from torpor.worlds.postgres import embedded
from torpor.worlds.postgres.faults import failure_of
from torpor.worlds.postgres.url import parse
from torpor.worlds.urls import shown

_LOCK: Final = 0x70_72_61_72  # of who makes tables, by its own number beside that of worlds' migrations
_CONNECT_SECONDS: Final = 10
_MADE: Final = "SELECT to_regclass('torpor_archive.runs') IS NOT NULL"
_SCHEMA: Final = "CREATE SCHEMA IF NOT EXISTS torpor_archive"
_TABLE: Final = (
    'CREATE TABLE IF NOT EXISTS torpor_archive.runs (run text COLLATE "C" NOT NULL, ended_at timestamptz NOT NULL, '
    "app text NOT NULL, workflow text NOT NULL, status text NOT NULL, capsule bytea NOT NULL, "
    "PRIMARY KEY (run, ended_at)) PARTITION BY RANGE (ended_at)"
)
_STORAGE: Final = "ALTER TABLE torpor_archive.runs ALTER COLUMN capsule SET STORAGE EXTERNAL"
"""What is compressed already is not compressed again; partitions take it over."""

_COVERED: Final = (
    "SELECT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "WHERE i.inhparent = 'torpor_archive.runs'::regclass "
    "AND pg_get_expr(c.relpartbound, c.oid) LIKE 'FOR VALUES FROM (''' || %s || '%%')"
)
_FREE: Final = (
    "SELECT name FROM (SELECT %(name)s AS name, 1 AS n UNION ALL SELECT %(name)s || '_' || n, n "
    "FROM generate_series(2, 1000) n) names WHERE to_regclass('torpor_archive.' || name) IS NULL ORDER BY n LIMIT 1"
)
_PUT: Final = (
    "INSERT INTO torpor_archive.runs (run, ended_at, app, workflow, status, capsule) VALUES (%s, %s, %s, %s, %s, %s) "
    "ON CONFLICT DO NOTHING"
)
_KEPT: Final = (
    "SELECT run FROM torpor_archive.runs JOIN unnest(%s::text[], %s::timestamptz[]) asked (run, ended_at) "
    "USING (run, ended_at)"
)
_FIND: Final = "SELECT capsule FROM torpor_archive.runs WHERE run = %s ORDER BY ended_at DESC LIMIT 1"


class Months:
    """
    The table of a database.

    Args:
        url: as that of a world; of its parameters only libpq's matter here.

    Raises:
        ConfigurationError: it makes no sense.
    """

    def __init__(self, url: str) -> None:
        self._settings, self._shown = parse(url), shown(url)

    def absent(self, runs: Sequence[Kept]) -> list[Kept]:
        with self._connected("looking for archived runs") as db:
            if not _is_made(db):
                return [*runs]
            asked = ([kept.run for kept in runs], [kept.moment for kept in runs])
            there = {run for (run,) in db.execute(_KEPT, asked)}
            return [kept for kept in runs if kept.run not in there]

    def put(self, kept: Sequence[Kept]) -> None:
        """Keep runs, all or none."""
        with self._connected("archiving runs") as db:
            if not _is_made(db):
                with _locked(db):
                    for statement in (_SCHEMA, _TABLE, _STORAGE):
                        db.execute(statement)
            try:
                self._insert(db, kept)
            except errors.CheckViolation:  # there is no partition for a month
                for month in sorted({_month(each) for each in kept}):
                    with _locked(db):
                        _make(db, month)
                self._insert(db, kept)

    def find(self, run_id: str) -> bytes | None:
        with self._connected("looking for an archived run") as db:
            found = db.execute(_FIND, (run_id,)).fetchone() if _is_made(db) else None
            return bytes(found[0]) if found else None

    @staticmethod
    def _insert(db: psycopg.Connection, kept: Sequence[Kept]) -> None:
        rows = [(each.run, each.moment, each.app, each.workflow, each.status, each.capsule) for each in kept]
        with db.transaction(), db.cursor() as cursor:
            cursor.executemany(_PUT, rows)

    @contextmanager
    def _connected(self, about: str) -> Iterator[psycopg.Connection]:
        server = embedded.start(self._settings.folder) if self._settings.folder else self._settings.server
        prepare = 5 if self._settings.prepare else None
        try:
            with psycopg.connect(
                server,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                prepare_threshold=prepare,
                application_name="torpor archive",
            ) as db:
                yield db
        except psycopg.Error as error:
            raise failure_of(error, self._shown, about) from error


def _is_made(db: psycopg.Connection) -> bool:
    return bool(db.execute(_MADE).fetchall()[0][0])


@contextmanager
def _locked(db: psycopg.Connection) -> Iterator[None]:
    """Make tables in a transaction while nobody else does."""
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # Bounds are compared as they are written.
        db.execute("SET LOCAL timezone = 'UTC'")
        yield


def _make(db: psycopg.Connection, month: datetime) -> None:
    """Make a month's partition, unless somebody has made it; its name may be that of one that was detached."""
    if db.execute(_COVERED, (f"{month:%Y-%m-%d}",)).fetchall()[0][0]:
        return
    [(name,)] = db.execute(_FREE, {"name": f"runs_{month:%Y_%m}"}).fetchall()
    following = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    bounds = (sql.Literal(f"{each:%Y-%m-%d}") for each in (month, following))
    statement = "CREATE TABLE {} PARTITION OF torpor_archive.runs FOR VALUES FROM ({}) TO ({})"
    db.execute(sql.SQL(statement).format(sql.Identifier("torpor_archive", name), *bounds))


def _month(kept: Kept) -> datetime:
    return kept.moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
