"""The writer's groups: what they share, and that one operation's trouble is not another's."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, HostError, LeaseLostError, RunNotFoundError, UsageError, WorldError
from torpor.model import Commit, Committed, Event, Notice, RunFilter
from torpor.testing.worlds.story import OTHER, RUN, WORKER, T, Turn, begin, new_run, step
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.connection import GROUP_OPS_MAX
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.writer import Writer


class Held:
    """Holds the writer inside an operation until it is let go, so that what comes meanwhile forms one group."""

    def __init__(self, world: SqliteWorld) -> None:
        self._reached = threading.Event()
        self._go = threading.Event()
        self.operation = world._writer.submit(self._hold, "holding")

    async def __aenter__(self) -> None:
        """Return when the writer is held."""
        await asyncio.to_thread(self._reached.wait)

    async def __aexit__(self, *_: object) -> None:
        """Let the writer go, after what was begun has been queued."""
        await asyncio.sleep(0)
        self._go.set()
        await self.operation

    def _hold(self, _store: Store) -> tuple[None, None]:
        self._reached.set()
        self._go.wait()
        return None, None


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """Yield an open world on a new file."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    yield world
    await world.close()


@pytest.fixture
async def statements(world: SqliteWorld) -> list[str]:
    """Return the list to which every statement of the writer is added from now on."""
    seen: list[str] = []
    await _tell(world, lambda store: store.db.set_trace_callback(seen.append))
    seen.clear()
    return seen


async def _tell(world: SqliteWorld, do: Callable[[Store], object]) -> None:
    """Do something on the writer's thread, with its connection."""

    def operation(store: Store) -> tuple[None, None]:
        do(store)
        return None, None

    await world._writer.submit(operation, "a test")


async def test_operations_that_come_together_share_a_transaction(world: SqliteWorld, statements: list[str]) -> None:
    """Twenty runs are created with one COMMIT."""
    async with Held(world):
        creations = [asyncio.ensure_future(world.create_run(new_run(f"wrun_{n}"))) for n in range(20)]
    await asyncio.gather(*creations)
    assert statements.count("BEGIN IMMEDIATE") == 2
    assert statements.count("COMMIT") == 2


async def test_a_group_is_bounded(world: SqliteWorld, statements: list[str]) -> None:
    """What is more than a transaction takes waits for the next one."""
    async with Held(world):
        reads = [asyncio.ensure_future(_tell(world, lambda _: None)) for _ in range(GROUP_OPS_MAX + 1)]
    await asyncio.gather(*reads)
    assert statements.count("COMMIT") == 3


class Other:
    """Another process's transaction, as SQLite sees it; what the writer does meanwhile waits for its end."""

    def __init__(self, world: SqliteWorld, path: Path) -> None:
        self._world = world
        self._db = sqlite3.connect(path, isolation_level=None)
        self._tried = threading.Event()
        self.commits = 0

    async def __aenter__(self) -> Self:
        """Begin it."""
        await _tell(self._world, lambda store: store.db.set_trace_callback(self._see))
        self.commits = 0  # that was one
        self._db.execute("BEGIN IMMEDIATE")
        return self

    async def tried(self) -> None:
        """Return when the writer has tried to begin one."""
        await asyncio.to_thread(self._tried.wait)

    async def __aexit__(self, *_: object) -> None:
        """End it, after what was begun has been queued."""
        await asyncio.sleep(0)
        self._db.execute("ROLLBACK")
        self._db.close()

    def _see(self, statement: str) -> None:
        self.commits += statement == "COMMIT"
        if statement == "BEGIN IMMEDIATE":
            self._tried.set()


async def test_what_comes_while_another_process_writes_shares_a_transaction(world: SqliteWorld, tmp_path: Path) -> None:
    """The group is complete when the transaction begins, not when the writer begins to wait for it."""
    async with Other(world, tmp_path / "torpor.db") as other:
        first = asyncio.ensure_future(world.create_run(new_run(RUN)))
        await other.tried()
        more = [asyncio.ensure_future(world.create_run(new_run(f"wrun_{n}"))) for n in range(3)]
    await asyncio.gather(first, *more)
    assert other.commits == 1
    assert len(await world.list_runs(RunFilter())) == 4


async def test_a_world_that_closes_while_another_process_writes_stores_what_it_has(tmp_path: Path) -> None:
    """The wish to close comes last, though it came while the writer waited."""
    url = f"sqlite:///{tmp_path}/torpor.db"
    world = SqliteWorld(url)
    await world.open()
    async with Other(world, tmp_path / "torpor.db") as other:
        creation = asyncio.ensure_future(world.create_run(new_run(RUN)))
        await other.tried()
        closing = asyncio.ensure_future(world.close())
    assert (await creation).id == RUN
    await closing
    await world.open()  # and the thread that comes next is not closed by it
    assert (await world.get_run(RUN)).status == "pending"
    await world.close()


def _started(turn: Turn) -> Commit:
    begun = (step("step_started", 1),)
    return Commit(RUN, WORKER, turn.task.epoch, turn.head, outputs=begun)


async def test_a_commit_at_once_uses_the_connection_where_it_is_called(world: SqliteWorld) -> None:
    """It is stored when it returns, and listeners are told."""
    turn = await begin(world, RUN, step("step_created", 1))
    assert turn.held is not None
    heard: list[Notice] = []
    unsubscribe = world.subscribe(heard.append)
    parking = replace(_started(turn), park=True)
    committed = None
    async with asyncio.timeout(10):
        while committed is None:  # the writer is about to have nothing to do
            await _tell(world, lambda _: None)
            committed = await asyncio.to_thread(world.commit_at_once, parking, turn.held)
    assert committed.parked
    await asyncio.sleep(0)
    assert [notice.run_id for notice in heard] == [RUN]
    assert (await world.get_run(RUN)).head == committed.head
    unsubscribe()


async def test_nothing_is_committed_at_once_while_the_writer_has_work(world: SqliteWorld) -> None:
    """It would wait, or keep others waiting; as one of a group it does neither."""
    turn = await begin(world, RUN, step("step_created", 1))
    assert turn.held is not None
    async with Held(world):
        assert await asyncio.to_thread(world.commit_at_once, _started(turn), turn.held) is None
    assert (await world.get_run(RUN)).head == turn.head


async def test_a_commit_at_once_is_refused_like_any(world: SqliteWorld) -> None:
    """Who has lost the claim stores nothing."""
    turn = await begin(world, RUN, step("step_created", 1))
    assert turn.held is not None
    with pytest.raises(LeaseLostError):
        world.commit_at_once(replace(_started(turn), epoch=turn.task.epoch + 1), turn.held)
    assert (await world.get_run(RUN)).head == turn.head


async def test_commits_that_are_handed_in_share_a_transaction(world: SqliteWorld, statements: list[str]) -> None:
    """Those of several turns, as those that come from the event loop do."""
    turns = [await begin(world, f"wrun_{n}", step("step_created", 1)) for n in range(3)]
    loop = asyncio.get_running_loop()
    async with Held(world):
        stored: list[asyncio.Future[Committed]] = [loop.create_future() for _ in turns]
        statements.clear()
        for turn, answer in zip(turns, stored, strict=True):
            assert turn.held is not None
            assert await asyncio.to_thread(
                world.hand_in, replace(_started(turn), run_id=turn.task.run_id), turn.held, answer
            )
    assert all(committed.stored for committed in await asyncio.gather(*stored))
    assert statements.count("COMMIT") == 2  # what held the writer up, and they


async def test_nothing_is_handed_in_to_a_closed_world(tmp_path: Path) -> None:
    """What has to be said of it, commit() says."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/closed.db")
    await world.open()
    turn = await begin(world, RUN, step("step_created", 1))
    await world.close()
    assert turn.held is not None
    assert not world.hand_in(_started(turn), turn.held, asyncio.get_running_loop().create_future())


async def test_nothing_is_committed_at_once_in_a_closed_world(tmp_path: Path) -> None:
    """The connection is gone; what has to be said of it, commit() says."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/closed.db")
    await world.open()
    turn = await begin(world, RUN, step("step_created", 1))
    await world.close()
    assert turn.held is not None
    assert world.commit_at_once(_started(turn), turn.held) is None


async def test_an_early_refusal_disturbs_nobody(world: SqliteWorld, statements: list[str]) -> None:
    """An operation that is refused before it wrote anything leaves its group as it is."""
    async with Held(world):
        results = asyncio.gather(
            world.create_run(new_run(RUN)),
            world.cancel_run("wrun_missing", ""),
            world.create_run(new_run(OTHER)),
            return_exceptions=True,
        )
    one, refused, other = await results
    assert isinstance(refused, RunNotFoundError)
    assert [run.id for run in await world.list_runs(RunFilter())] == [OTHER, RUN]
    assert (one, other) == (await world.get_run(RUN), await world.get_run(OTHER))
    assert "ROLLBACK" not in statements


async def test_a_late_refusal_is_rolled_back_alone(world: SqliteWorld, statements: list[str]) -> None:
    """An operation that is refused after it wrote something leaves no trace, and the others of its group are stored."""
    turn = await begin(world, RUN, step("step_created", 1))

    def write_and_refuse(store: Store) -> tuple[None, None]:
        store.db.execute("DELETE FROM steps")
        raise EntityConflictError("too late")

    async with Held(world):
        results = asyncio.gather(
            world.put_blob("first", b"1"),
            world._writer.submit(write_and_refuse, "a test"),
            world.create_run(new_run(OTHER)),
            turn.commit(step("step_created", 2)),
            return_exceptions=True,
        )
    first, refused, created, second = await results
    assert isinstance(refused, EntityConflictError)
    assert not [result for result in (first, created, second) if isinstance(result, BaseException)]
    assert "ROLLBACK" in statements
    assert await world.blob("first") == b"1"
    assert (await world.get_run(OTHER)).status == "pending"
    assert list((await world.open_entities(RUN)).steps) == ["step_01", "step_02"]


async def test_labels_of_a_rolled_back_group_are_numbered_anew(world: SqliteWorld) -> None:
    """What the writer remembers of a transaction that came to nothing is forgotten with it."""

    def label_and_fail(store: Store) -> tuple[None, None]:
        store.workflows.number("", "never stored")
        store.labels.number("never stored")
        raise RuntimeError("after a write")

    with pytest.raises(RuntimeError, match="after a write"):
        await world._writer.submit(label_and_fail, "a test")
    await world.create_run(new_run(RUN, workflow="first"))
    await world.create_run(new_run(OTHER, workflow="never stored"))
    assert (await world.get_run(RUN)).workflow == "first"
    assert (await world.get_run(OTHER)).workflow == "never stored"


async def test_nobody_is_told_of_success_before_the_commit(world: SqliteWorld) -> None:
    """
    When COMMIT fails every operation of the group fails, listeners hear nothing, and nothing is stored. One that was
    refused for what another had done fails alike: nothing of that was stored.
    """
    heard: list[Notice] = []
    world.subscribe(heard.append)

    def leave_something_unsettled(store: Store) -> None:
        store.db.execute("CREATE TABLE IF NOT EXISTS child (run REFERENCES runs DEFERRABLE INITIALLY DEFERRED)")

    await _tell(world, leave_something_unsettled)

    def break_the_commit(store: Store) -> None:
        store.db.execute("INSERT INTO child VALUES (12345)")

    await _outside_a_transaction(world, "PRAGMA foreign_keys = ON")
    async with Held(world):
        results = asyncio.gather(
            world.create_run(new_run(RUN)),
            _tell(world, break_the_commit),
            world.create_run(new_run(RUN, workflow="another")),
            return_exceptions=True,
        )
    assert [type(result) for result in await results] == [WorldError] * 3
    assert await world.list_runs(RunFilter()) == []
    assert heard == []
    await world.create_run(new_run(RUN))


async def _outside_a_transaction(world: SqliteWorld, statement: str) -> None:
    """Run a pragma that has no effect inside a transaction."""

    def operation(store: Store) -> tuple[None, None]:
        store.db.execute("COMMIT")
        store.db.execute(statement)
        store.db.execute("BEGIN IMMEDIATE")
        return None, None

    await world._writer.submit(operation, "a test")


async def test_what_others_wrote_before_the_first_look_is_told(world: SqliteWorld) -> None:
    """However late the writer comes to look, a change since the opening is not missed."""
    other = SqliteWorld(world.url)
    await other.open()
    await other.create_run(new_run())
    await other.close()
    news = asyncio.Event()
    world.subscribe(lambda _: news.set())
    await asyncio.wait_for(news.wait(), 10)


async def test_a_cancelled_caller_changes_nothing_for_others(world: SqliteWorld) -> None:
    """Its operation is carried out, and its listeners hear of it."""
    heard = asyncio.Event()
    world.subscribe(lambda _: heard.set())
    async with Held(world):
        gone = asyncio.ensure_future(world.create_run(new_run(RUN)))
        stays = asyncio.ensure_future(world.create_run(new_run(OTHER)))
        await asyncio.sleep(0)
        gone.cancel()
    await stays
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert (await world.get_run(RUN)).id == RUN
    await asyncio.wait_for(heard.wait(), 10)


async def test_a_thread_survives_what_it_does_not_expect(world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody whose operation was under way gets the error, and the next operation is carried out."""

    def broken(*_: object) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "_work", broken)
        with pytest.raises(MemoryError):
            await world.create_run(new_run(RUN))
    assert (await world.create_run(new_run(RUN))).id == RUN


@pytest.mark.parametrize("opened", [True, False])
async def test_a_closed_world_says_so(tmp_path: Path, opened: bool) -> None:
    """Using a world before it is opened or after it is closed tells what to do."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    if opened:
        await world.open()
        await world.close()
    for asked in (world.create_run(new_run()), world.get_run(RUN)):
        with pytest.raises(UsageError, match=r"not open; await its open\(\) first"):
            await asked


async def test_a_cancelled_opening_leaves_no_thread(tmp_path: Path) -> None:
    """What it had begun is given up, and the world can be opened again."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    before = set(threading.enumerate())
    opening = asyncio.ensure_future(world.open())
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    begun = set(threading.enumerate()) - before
    for thread in begun:
        await asyncio.to_thread(thread.join, 10)
    assert not any(thread.is_alive() for thread in begun if thread.name == "Writer")
    await world.open()
    assert (await world.create_run(new_run())).id == RUN
    await world.close()


async def test_readers_cannot_write(world: SqliteWorld) -> None:
    """An operation on the wrong thread fails instead of going past the writer."""
    for thread in (world._reader, world._queries):
        with pytest.raises(WorldError, match="READONLY"):
            await thread.submit(lambda store: store.db.execute("DELETE FROM runs"), "a test")


async def test_a_long_list_keeps_no_turn_waiting(world: SqliteWorld) -> None:
    """While people's queries are under way, a run is loaded and its log is read."""
    await world.create_run(new_run())
    reached, go = threading.Event(), threading.Event()

    def hold(_store: Store) -> None:
        reached.set()
        go.wait()

    held = world._queries.submit(hold, "a test")
    await asyncio.to_thread(reached.wait)
    listing = asyncio.ensure_future(world.list_runs(RunFilter()))
    assert (await world.load(RUN)).run.id == RUN
    assert len(await world.events(RUN)) == 1
    assert not listing.done()
    go.set()
    await held
    assert len(await listing) == 1


async def test_a_read_is_from_one_moment(world: SqliteWorld) -> None:
    """What is committed while a turn is being loaded is not seen by half."""
    turn = await begin(world, RUN)
    loop = asyncio.get_running_loop()

    def read_around_a_commit(store: Store) -> tuple[int, int]:
        before = store.run(RUN)[1].head
        asyncio.run_coroutine_threadsafe(_commit(), loop).result()
        return before, store.run(RUN)[1].head

    async def _commit() -> None:
        await turn.commit(Event("step_created", T, "step_1", op=1))

    before, after = await world._reader.submit(read_around_a_commit, "a test")
    assert before == after == 2
    assert (await world.get_run(RUN)).head == 3


async def test_worlds_in_threads_with_loops_of_their_own(world: SqliteWorld) -> None:
    """A world answers on whichever event loop asked."""
    run = await asyncio.to_thread(lambda: asyncio.run(world.create_run(new_run())))
    assert run == await world.get_run(RUN)


async def test_a_host_without_threads_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do about it; once there are threads again, the world opens."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", refused)
        with pytest.raises(HostError, match="no thread can be started; raise the limit"):
            await world.open()

    await world.open()
    await world.close()
