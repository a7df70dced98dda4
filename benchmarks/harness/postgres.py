"""A Postgres world for benchmarks: a database of its own for every set of samples, its counters, and its raw commit."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec
import psycopg

from benchmarks.harness.floor import COMMIT_BYTES
from torpor.worlds.postgres import embedded
from torpor.worlds.postgres.url import parse

COMMITS: Final = 40
_WARM_UP: Final = 8
_PREFIX: Final = "torpor_benchmark_"

_COUNTERS: Final = """
SELECT d.xact_commit + d.xact_rollback, pg_current_wal_lsn() - '0/0',
       (SELECT coalesce(sum(n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables),
       (SELECT coalesce(sum(n_tup_upd), 0) FROM pg_stat_user_tables),
       (SELECT coalesce(sum(n_tup_hot_upd), 0) FROM pg_stat_user_tables), pg_database_size(current_database())
FROM pg_stat_database d WHERE d.datname = current_database()
"""
_STATEMENTS: Final = (
    "SELECT sum(calls)::bigint FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
    "WHERE d.datname = current_database() AND query NOT LIKE 'FETCH%'"
)


class Counters(msgspec.Struct, frozen=True):
    """
    What a server has counted in a database up to now.

    Attributes:
        transactions: that ended; a query outside of one is one.
        wal: bytes of the write-ahead log, of the whole server.
        dead: row versions that updates and deletions have left behind.
        updates, hot: updates, and how many of them touched no index.
        size: bytes of the database.
        statements: how many, None where the server does not have ``pg_stat_statements``.
    """

    transactions: int
    wal: int
    dead: int
    updates: int
    hot: int
    size: int
    statements: int | None


@contextmanager
def scratch(world: str) -> Iterator[str]:
    """Yield the URL of an empty database on the server of a world, which ends with the block."""
    settings = parse(world)
    server = embedded.start(settings.folder) if settings.folder else settings.server
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    _execute(server, f"CREATE DATABASE {name}")
    if settings.folder:
        _execute(server, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", quietly=True)
    address = urlsplit(server)
    ours = urlsplit(world).query if settings.folder else ""
    query = "&".join(filter(None, [address.query, ours]))
    try:
        yield urlunsplit(("postgres", address.netloc, f"/{name}", query, ""))
    finally:
        _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def counters(world: str) -> Counters:
    """Return what the server has counted; of connections that are closed it has counted all."""
    with psycopg.connect(parse(world).server, autocommit=True) as db:
        [counted] = db.execute(_COUNTERS).fetchall()
        try:
            [(statements,)] = db.execute(_STATEMENTS).fetchall()
        except psycopg.Error:
            statements = None
    transactions, wal, dead, updates, hot, size = map(int, counted)
    return Counters(transactions, wal, dead, updates, hot, size, statements)


def raw_commits(world: str) -> list[float]:
    """Return samples of a durable commit of 8 KB by the same server and driver, in milliseconds."""
    costs = []
    with psycopg.connect(parse(world).server, autocommit=True) as db:
        db.execute("CREATE TABLE IF NOT EXISTS floor (data bytea STORAGE EXTERNAL)")
        data = os.urandom(COMMIT_BYTES)
        for _ in range(_WARM_UP + COMMITS):
            begun = time.perf_counter()
            db.execute("INSERT INTO floor VALUES (%b)", (data,))
            costs.append(1000 * (time.perf_counter() - begun))
        db.execute("DROP TABLE floor")
    return costs[_WARM_UP:]


def _execute(server: str, statement: str, *, quietly: bool = False) -> None:
    with psycopg.connect(server, autocommit=True) as db:
        try:
            db.execute(statement.encode())
        except psycopg.Error:
            if not quietly:
                raise
