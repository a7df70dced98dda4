"""Worlds are part of transactions on connections of every kind that applications have."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.postgres_server import empty, server_url
from torpor.clock import Clock
from torpor.errors import EntityConflictError, RunNotFoundError, TransactionError
from torpor.testing import worlds
from torpor.testing.worlds.story import RUN, new_run
from torpor.testing.worlds.suite import opened
from torpor.world import World
from torpor.worlds import open_world

Block = Callable[[str], AbstractAsyncContextManager[object]]
"""Given where the database is, a block with a transaction; see :class:`torpor.testing.worlds.BeginTransaction`."""


def _in_order(block: Callable[[str], Any]) -> Block:
    """Make an asynchronous block of one that is not."""

    @asynccontextmanager
    async def opened_block(where: str) -> AsyncIterator[object]:
        with block(where) as connection:
            yield connection

    return opened_block


# SQLite


@contextmanager
def _sqlite3(path: str, **options: Any) -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(path, **options)
    try:
        with db:
            yield db
    finally:
        db.close()


@contextmanager
def _sqlite3_by_hand(path: str) -> Iterator[sqlite3.Connection]:
    """In autocommit mode, with rows and texts of its own."""
    db = sqlite3.connect(path, isolation_level=None)
    db.row_factory = lambda cursor, row: dict(zip([each[0] for each in cursor.description], row, strict=True))
    db.text_factory = bytes
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
        assert db.execute("SELECT 'x' AS it").fetchone() == {"it": b"x"}, "they are as they were"
        db.execute("COMMIT")
    finally:
        db.close()


@contextmanager
def _sqlalchemy(url: str) -> Iterator[object]:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def _session(url: str) -> Iterator[object]:
    orm = pytest.importorskip("sqlalchemy.orm")
    engine = pytest.importorskip("sqlalchemy").create_engine(url)
    try:
        with orm.Session(engine) as session, session.begin():
            yield session
    finally:
        engine.dispose()


SQLITE: dict[str, Block] = {
    "sqlite3": _in_order(_sqlite3),
    "sqlite3-by-hand": _in_order(_sqlite3_by_hand),
    "sqlalchemy": _in_order(lambda path: _sqlalchemy(f"sqlite:///{path}")),
    "session": _in_order(lambda path: _session(f"sqlite:///{path}")),
}


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Return the path of a world's file."""
    return str(tmp_path / "shop.db")


class TestSqlite(worlds.TransactionsSuite):
    """See :class:`torpor.testing.worlds.TransactionsSuite`."""

    @pytest.fixture
    def make_world(self, file: str) -> worlds.MakeWorld:
        """Make worlds in one file."""

        def make(clock: Clock | None = None) -> World:
            return open_world(f"sqlite:///{file}", clock)

        return make

    @pytest.fixture
    def begin_transaction(self, file: str) -> worlds.BeginTransaction:
        """Begin one as Python does."""
        return lambda _: SQLITE["sqlite3"](file)


# Postgres


@asynccontextmanager
async def _psycopg_async(url: str) -> AsyncIterator[object]:
    psycopg = pytest.importorskip("psycopg")
    async with await psycopg.AsyncConnection.connect(url) as db:
        yield db


@asynccontextmanager
async def _asyncpg(url: str) -> AsyncIterator[object]:
    asyncpg = pytest.importorskip("asyncpg")
    db = await asyncpg.connect(url)
    try:
        async with db.transaction():
            yield db
    finally:
        await db.close()


@asynccontextmanager
async def _sqlalchemy_async(url: str) -> AsyncIterator[object]:
    asyncio = pytest.importorskip("sqlalchemy.ext.asyncio")
    engine = asyncio.create_async_engine(url)
    try:
        async with asyncio.AsyncSession(engine) as session, session.begin():
            yield session
    finally:
        await engine.dispose()


def _psycopg(url: str, **options: Any) -> Any:
    return pytest.importorskip("psycopg").connect(url, **options)


@contextmanager
def _psycopg_rows(url: str) -> Iterator[object]:
    """With rows of its own, and no transaction that psycopg begins by itself."""
    rows = pytest.importorskip("psycopg.rows")
    with _psycopg(url, autocommit=True, row_factory=rows.dict_row) as db, db.transaction():
        yield db
        assert db.execute("SELECT 'x' AS it").fetchone() == {"it": "x"}, "they are as they were"


def _with_driver(url: str, driver: str) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme=f"postgresql+{driver}").geturl()


POSTGRES: dict[str, Block] = {
    "psycopg": _in_order(_psycopg),
    "psycopg-rows": _in_order(_psycopg_rows),
    "psycopg-async": _psycopg_async,
    "asyncpg": _asyncpg,
    "sqlalchemy": _in_order(lambda url: _sqlalchemy(_with_driver(url, "psycopg"))),
    "session": _in_order(lambda url: _session(_with_driver(url, "psycopg"))),
    "session-psycopg-async": lambda url: _sqlalchemy_async(_with_driver(url, "psycopg")),
    "session-asyncpg": lambda url: _sqlalchemy_async(_with_driver(url, "asyncpg")),
}


class TestPostgres(worlds.TransactionsSuite):
    """See :class:`torpor.testing.worlds.TransactionsSuite`."""

    @pytest.fixture
    def make_world(self) -> worlds.MakeWorld:
        """Make worlds in one database."""
        server = server_url()
        empty(server)

        def make(clock: Clock | None = None) -> World:
            return open_world(server, clock)

        return make

    @pytest.fixture(params=["psycopg", "psycopg-async", "asyncpg"])
    def begin_transaction(self, request: pytest.FixtureRequest) -> worlds.BeginTransaction:
        """Begin one on a connection of each driver."""
        return lambda _: POSTGRES[request.param](server_url())


# Every kind


@pytest.mark.parametrize("kind", [f"sqlite {kind}" for kind in SQLITE] + [f"postgres {kind}" for kind in POSTGRES])
async def test_connections_of_every_kind_are_taken(kind: str, file: str) -> None:
    """What is committed is there, what is refused or rolled back is not."""
    base, _, name = kind.partition(" ")
    begin = SQLITE[name] if base == "sqlite" else POSTGRES[name]
    where = file if base == "sqlite" else server_url()
    if base == "postgres":
        empty(where)
    async with opened(open_world(f"sqlite:///{file}" if base == "sqlite" else where)) as world:
        with pytest.raises(ZeroDivisionError):  # noqa: PT012  # as an application does
            async with begin(where) as connection:
                await (await world.within(connection)).create_run(new_run())
                raise ZeroDivisionError
        with pytest.raises(RunNotFoundError):
            await world.get_run(RUN)
        async with begin(where) as connection:
            within = await world.within(connection)
            await within.create_run(new_run())
            with pytest.raises(EntityConflictError):
                await within.create_run(new_run(args=b"devl[[1]]"))
            await within.send(RUN, "orders", b"devl[7]", "m1")
        assert [event.type for event in await world.events(RUN)] == ["run_created", "message_sent"]


# What is refused


@pytest.mark.parametrize("url", ["memory://", "http://127.0.0.1:1"])
async def test_a_world_without_transactions_says_so(url: str) -> None:
    """It names what has some."""
    world = open_world(url)
    assert not world.capabilities.transactions
    with pytest.raises(TransactionError, match="cannot be part of a transaction"):
        await world.within(sqlite3.connect(":memory:"))
    with pytest.raises(TransactionError, match="cannot be part of a transaction"):
        world.transaction()
    with pytest.raises(TransactionError, match="cannot be part of a transaction"):
        world.transaction_in_thread()


async def test_a_connection_to_another_file_is_refused(file: str, tmp_path: Path) -> None:
    """Both files are named."""
    async with opened(open_world(f"sqlite:///{file}")) as world:
        with _sqlite3(str(tmp_path / "other.db")) as db, pytest.raises(TransactionError, match=r"shop\.db.*other\.db"):
            await world.within(db)


async def test_a_connection_without_a_transaction_is_refused(file: str) -> None:
    """What it stored could not be undone."""
    async with opened(open_world(f"sqlite:///{file}")) as world:
        with _sqlite3(file, isolation_level=None) as db, pytest.raises(TransactionError, match="BEGIN one first"):
            await world.within(db)
    server = server_url()
    async with opened(open_world(server)) as world:
        with _psycopg(server, autocommit=True) as db, pytest.raises(TransactionError, match="begin one first"):
            await world.within(db)


async def test_a_connection_to_another_database_is_refused() -> None:
    """Where it leads is told."""
    server = server_url()
    async with opened(open_world(server)) as world:
        other = server.replace("/postgres?", "/template1?")
        with _psycopg(other) as db, pytest.raises(TransactionError, match="template1"):
            await world.within(db)


async def test_tables_of_the_application_keep_their_rows(file: str) -> None:
    """A run that is deleted takes nothing from a table that happens to have a column of runs."""
    async with opened(open_world(f"sqlite:///{file}")) as world:
        with _sqlite3(file) as db:
            db.execute("CREATE TABLE laps (run INTEGER, seconds REAL)")
            db.executemany("INSERT INTO laps VALUES (?, 1.5)", [(1,), (2,)])
            await (await world.within(db)).create_run(new_run())
        await world.cancel_run(RUN, "", force=True)
        assert await world.delete_run(RUN)
        with _sqlite3(file) as db:
            assert db.execute("SELECT count(*) FROM laps").fetchone() == (2,)


async def test_a_failed_transaction_takes_nothing() -> None:
    """Which its owner has to roll back first."""
    server = server_url()
    async with opened(open_world(server)) as world:
        with _psycopg(server) as db:
            with pytest.raises(Exception, match="nosuch"):
                db.execute("SELECT nosuch")
            with pytest.raises(TransactionError, match="roll it back"):
                await world.within(db)
            db.rollback()
