"""Steps in transactions: work in the world's own database happens exactly once, whatever becomes of attempts."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.django_database import django_connection, django_file
from tests.engine.support import TIMEOUT
from tests.engine.transactions import application
from tests.engine.transactions.application import (
    MAKE,
    app,
    by_nothing,
    by_own,
    by_own_async,
    forever,
    order,
    several,
    slowly,
    telling,
)
from tests.postgres_server import execute, server_url
from torpor import Registry, RunCancelledError, RunFailedError, Torpor, TransactionError, UsageError, current_step
from torpor.engine.settings import TurnOptions, WorkerSettings
from torpor.errors import ConfigurationError


class Database:
    """Where an application is, and its charges."""

    def __init__(self, url: str, file: Path | None) -> None:
        self.url = url
        self._file = file

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """Carry a statement out."""
        if self._file is None:
            return execute(self.url, statement)
        with sqlite3.connect(self._file) as db:
            found = db.execute(statement).fetchall()
        db.close()
        return found

    @property
    def charges(self) -> list[tuple[object, ...]]:
        """The charges that are stored, each with the attempt that has stored it."""
        return sorted(self.ask("SELECT name, attempt FROM charges"))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    """A database of each kind."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path}/shop.db", tmp_path / "shop.db")
    return Database(server_url(), None)


@pytest.fixture
async def shop(database: Database) -> AsyncIterator[Torpor]:
    """The application at work, with no charges yet."""
    async with _at_work(database) as opened:
        yield opened


@asynccontextmanager
async def _at_work(database: Database, **turn: int) -> AsyncIterator[Torpor]:
    application.fails.clear()
    application.begun.clear()
    application.goes_on.clear()
    settings = WorkerSettings(turn=TurnOptions(**turn))
    async with app.on(database.url, settings=settings) as opened, opened.worker():
        database.ask(MAKE)
        database.ask("DELETE FROM charges")
        yield opened


async def test_work_is_there_once_and_so_is_its_result(shop: Torpor, database: Database) -> None:
    """In a thread and on the event loop; attempts that fail behind their work leave nothing of it."""
    application.fails.update({"kettle": 1, "kettle async": 2})
    run = await shop.start(order, "kettle")
    assert await run.result(timeout=TIMEOUT) == ["kettle is charged", "kettle async is charged"]
    assert database.charges == [("kettle", 2), ("kettle async", 3)]
    outcomes = [event.type for event in await run.events() if event.type.startswith("step_")]
    assert outcomes.count("step_completed") == 2


async def test_the_run_stays_awake_for_its_steps(database: Database) -> None:
    """One after the other or at the same time: each happens once, and the run is claimed once."""
    async with _at_work(database, inline_ms=60_000) as opened:
        run = await opened.start(several, "kettle", 6)
        assert await run.result(timeout=TIMEOUT) == 12
        assert len(database.charges) == len(set(database.charges)) == 12
        assert (await opened.world.get_run(run.id)).epoch == 1


async def test_a_run_that_sleeps_is_woken_by_its_steps(database: Database) -> None:
    """A turn that does not wait for them parks, and their outcomes wake the run."""
    async with _at_work(database, inline_ms=0) as opened:
        run = await opened.start(several, "kettle", 4)
        assert await run.result(timeout=TIMEOUT) == 8
        assert len(database.charges) == len(set(database.charges)) == 8


async def test_a_step_that_fails_for_good_leaves_nothing(shop: Torpor, database: Database) -> None:
    """Its error is the workflow's to catch."""
    application.fails["kettle"] = 9
    run = await shop.start(order, "kettle")
    with pytest.raises(RunFailedError, match="kettle is not charged"):
        await run.result(timeout=TIMEOUT)
    assert database.charges == []


async def test_who_has_lost_the_claim_rolls_back(shop: Torpor, database: Database) -> None:
    """While its body ran, others took its worker for dead: another attempt does the work, and its own is undone."""
    application.fails["kettle"] = 0
    run = await shop.start(slowly, "kettle")
    await asyncio.to_thread(application.begun.wait)
    if database.url.startswith("sqlite"):  # whose file is taken while the step has its transaction
        application.goes_on.set()
        assert await run.result(timeout=TIMEOUT) == "kettle is charged"
        assert database.charges == [("kettle", 1)]
        return
    workers = await shop.world.workers()
    assert await shop.world.release([worker.id for worker in workers])
    application.goes_on.set()
    assert await run.result(timeout=TIMEOUT) == "kettle is charged"
    assert database.charges == [("kettle", 2)]


async def test_a_cancelled_step_rolls_back(shop: Torpor, database: Database) -> None:
    """On the event loop it ends at once."""
    if database.url.startswith("sqlite"):
        pytest.skip("nothing is stored in the file, a cancellation neither, before the step ends")
    run = await shop.start(forever, "kettle")
    await asyncio.to_thread(application.begun.wait)
    await run.cancel(force=True)
    with pytest.raises(RunCancelledError):
        await run.result(timeout=TIMEOUT)
    assert database.charges == []


async def test_a_step_in_a_transaction_writes_no_streams(shop: Torpor) -> None:
    """What it wrote would not be undone with the rest."""
    run = await shop.start(telling, "kettle")
    with pytest.raises(RunFailedError, match="is in a transaction, and what a stream gets is in none"):
        await run.result(timeout=TIMEOUT)


async def test_what_begins_no_block_is_told(shop: Torpor) -> None:
    """As an error of the step that no attempt would mend."""
    run = await shop.start(by_nothing, "kettle")
    with pytest.raises(RunFailedError, match="returns a block for `with` whose value is a connection, not int"):
        await run.result(timeout=TIMEOUT)


@pytest.fixture
def own_blocks() -> Iterator[None]:
    """Let the application have no blocks of its own behind the test."""
    yield
    application.blocks.clear()


@pytest.mark.usefixtures("own_blocks")
async def test_sqlalchemy_sessions_have_steps(shop: Torpor, database: Database) -> None:
    """An engine of the application's makes the connections; an attempt that fails is undone there."""
    sqlalchemy, orm = pytest.importorskip("sqlalchemy"), pytest.importorskip("sqlalchemy.orm")
    asynchronous = pytest.importorskip("sqlalchemy.ext.asyncio")
    application.blocks["text"] = sqlalchemy.text
    url = database.url.replace("postgresql://", "postgresql+psycopg://")
    engine = sqlalchemy.create_engine(url)
    application.blocks["sync"] = orm.sessionmaker(engine).begin
    application.fails.update({"kettle": 1, "teapot": 1})
    assert await (await shop.start(by_own, "kettle")).result(timeout=TIMEOUT) == "kettle is charged"
    engine.dispose()
    if database.url.startswith("sqlite"):
        assert database.charges == [("kettle", 2)]
        return
    for driver in ("psycopg", "asyncpg"):
        async_engine = asynchronous.create_async_engine(database.url.replace("postgresql:", f"postgresql+{driver}:"))
        application.blocks["async"] = asynchronous.async_sessionmaker(async_engine).begin
        assert await (await shop.start(by_own_async, "teapot")).result(timeout=TIMEOUT) == "teapot is charged"
        await async_engine.dispose()
    assert database.charges == [("kettle", 2), ("teapot", 2), ("teapot", 2)]


@pytest.mark.usefixtures("own_blocks")
async def test_django_has_steps() -> None:
    """In a block that is atomic, on the connection of the thread in which the step runs."""
    file = django_file()
    from django.db import transaction  # noqa: PLC0415  # once it is set up

    @contextmanager
    def atomic() -> Iterator[Any]:
        with transaction.atomic():
            yield django_connection()
        django_connection().close()

    application.blocks["sync"] = atomic
    application.fails["kettle"] = 1
    async with app.on(f"sqlite:///{file}") as opened, opened.worker():
        database = Database(opened.world.url, file)
        database.ask(MAKE)
        assert await (await opened.start(by_own, "kettle")).result(timeout=TIMEOUT) == "kettle is charged"
        assert database.charges == [("kettle", 2)]


def test_what_cannot_be_in_a_transaction_is_refused() -> None:
    """When it is registered; the message says why."""
    registry = Registry()
    with pytest.raises(ConfigurationError, match="happens once anyway"):
        registry.step(transaction=True, effect="once")
    with pytest.raises(ConfigurationError, match="carried out elsewhere"):
        registry.step(transaction=True, url="https://example.com/step")
    with pytest.raises(ConfigurationError, match="returns a block"):
        registry.step(transaction="yes")  # type: ignore[call-overload]  # that is the point
    with pytest.raises(ConfigurationError, match="is a generator"):
        registry.step(transaction=True)(_numbers)
    with pytest.raises(UsageError, match="outside a step"):
        _ = current_step().connection


def _numbers() -> Iterator[int]:
    yield 1


async def test_a_world_without_transactions_has_no_worker_for_them() -> None:
    """It does not start; clients work as ever."""
    async with app.on("memory://") as opened:
        run = await opened.start(order, "kettle")
        with pytest.raises(TransactionError, match=r"charge.*memory://.*SQLite or Postgres"):
            async with opened.worker():
                pass
        assert await run.status() == "pending"
