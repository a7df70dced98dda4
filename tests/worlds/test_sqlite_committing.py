"""What waits for the disk when it is committed: all but what a failure of power may undo."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from tests.worlds.empty_sqlite import world
from torpor.errors import UsageError
from torpor.model import Notice
from torpor.testing.worlds.story import RUN, Turn, begin_task, claim, claim_step, new_run, request, step
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.store import Store

__all__ = ["world"]

FULL, NORMAL = 2, 1
"""What ``PRAGMA synchronous`` says of commits that wait for the disk, and of those that do not."""


class Disk:
    """Notes how transactions were committed, and what was waited for behind them."""

    def __init__(self, world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        self.commits: list[str] = []
        self._level = "FULL"
        self._world = world
        synchronize = os.fdatasync

        def noted(file: int) -> None:
            self.commits.append("synchronized")
            synchronize(file)

        monkeypatch.setattr(os, "fdatasync", noted)

    async def watch(self) -> None:
        """Begin."""
        await self._world._writer.submit(self._begin, "a test")
        self.commits.clear()

    def _begin(self, store: Store) -> tuple[None, None]:
        store.db.set_trace_callback(self._see)
        return None, None

    def _see(self, statement: str) -> None:
        if statement.startswith("PRAGMA synchronous = "):
            self._level = statement.removeprefix("PRAGMA synchronous = ")
        elif statement == "COMMIT":
            self.commits.append(self._level)


@pytest.fixture
async def disk(world: SqliteWorld, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Return what is noted from now on."""
    disk = Disk(world, monkeypatch)
    await disk.watch()
    return disk


def level(store: Store) -> tuple[int, None]:
    """Return how the transaction would be committed that an operation is in."""
    ((found,),) = store.db.execute("PRAGMA synchronous")
    return int(found), None


async def test_a_claim_of_a_turn_does_not_wait_for_the_disk(world: SqliteWorld, disk: Disk) -> None:
    """What was created does, and so does the turn's first commit, which takes the claim along."""
    await world.create_run(new_run())
    turn = await claim(world)
    await turn.commit(step("step_created", 1))
    assert disk.commits == ["FULL", "NORMAL", "FULL"]


async def test_a_claim_for_a_worker_behind_a_server_waits_for_the_disk(world: SqliteWorld, disk: Disk) -> None:
    """It outlives the machine of the file, and would have two turns of the run under one epoch."""
    await world.create_run(new_run())
    assert (await world.claim(request(elsewhere=True))).tasks
    assert disk.commits == ["FULL", "FULL"]


async def test_a_claim_of_a_step_is_on_the_disk_before_it_is_told(world: SqliteWorld, disk: Disk) -> None:
    """It says that an attempt has begun, of which there may be no second one."""
    turn: Turn = await begin_task(world)
    await turn.commit(park=True)
    disk.commits.clear()
    assert (await claim_step(world)).step_id == "step_01"
    assert disk.commits == ["NORMAL", "synchronized"]


async def test_what_a_claim_tells_others_is_on_the_disk(world: SqliteWorld, disk: Disk) -> None:
    """Listeners hear of nothing that a failure of power may undo."""
    heard: asyncio.Queue[Notice] = asyncio.Queue()
    unsubscribe = world.subscribe(heard.put_nowait)
    told = Notice(RUN, ended=True)
    await world._writer.submit(lambda _: (None, told), "a test", lambda _: False)
    assert await heard.get() == told
    assert disk.commits == ["NORMAL", "synchronized"]
    unsubscribe()


async def test_together_with_others_everything_waits(world: SqliteWorld) -> None:
    """One of a group that lasts makes the group last."""
    reached, go = threading.Event(), threading.Event()

    def hold(_: Store) -> tuple[None, None]:
        reached.set()
        go.wait()
        return None, None

    held = world._writer.submit(hold, "holding")
    await asyncio.to_thread(reached.wait)
    both = [world._writer.submit(level, "a test", lasts) for lasts in (lambda _: False, None)]
    go.set()
    await held
    assert await asyncio.gather(*both) == [FULL, FULL]


async def test_one_that_fails_leaves_the_connection_as_it_was(world: SqliteWorld) -> None:
    """What comes behind an operation that was refused, whatever it had written, waits for the disk."""

    def refused(store: Store) -> tuple[None, None]:
        assert level(store)[0] == NORMAL
        store.db.execute("UPDATE workers SET lease_ms = 1")
        raise UsageError("no")

    with pytest.raises(UsageError):
        await world._writer.submit(refused, "a test", lambda _: False)
    assert await world._writer.submit(level, "a test") == FULL
    rows = await world._reader.submit(
        lambda store: store.db.execute("SELECT lease_ms FROM workers").fetchall(), "a test"
    )
    assert rows != [(1,)]


async def test_a_world_that_waits_for_no_disk_does_not_begin_to(tmp_path: Path) -> None:
    """With ``synchronous=normal`` nothing is set back and forth."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db?synchronous=normal")
    await world.open()
    for lasts in (lambda _: False, None):
        assert await world._writer.submit(level, "a test", lasts) == NORMAL
    await world.close()


async def test_others_see_a_claim_at_once(world: SqliteWorld, tmp_path: Path) -> None:
    """It is in the file for every process; only power decides whether it stays."""
    await world.create_run(new_run())
    await claim(world)
    other = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await other.open()
    assert (await other.load(RUN)).run.worker
    await other.close()
