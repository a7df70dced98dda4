"""Waiting for runs to end: a notice may tell how, and looks at the world are paced by what they cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import cast

import msgspec

from torpor.engine.endings import Endings
from torpor.errors import RunNotFoundError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Ending, Event, Notice, Run
from torpor.testing.worlds.story import RUN, new_run
from torpor.world import World
from torpor.worlds.memory import MemoryWorld

LOOKS = 4


class SlowWorld:
    """A world with one run that goes on; each look at it takes a while, in which others commit."""

    def __init__(self, run: Run) -> None:
        self.looks: list[tuple[float, float]] = []
        self.enough = asyncio.Event()
        self._run = run
        self._listen: Callable[[Notice], None] = lambda _: None

    def subscribe(self, listen: Callable[[Notice], None]) -> Callable[[], None]:
        """Take the one listener."""
        self._listen = listen
        return lambda: None

    def tell(self, notice: Notice) -> None:
        """Tell the listener."""
        self._listen(notice)

    async def get_run(self, _run_id: str) -> Run:
        """Return the run, and say that others have committed."""
        asyncio.get_running_loop().call_soon(self._listen, Notice(None, ended=True))
        return self._run

    async def statuses(self, run_ids: Collection[str], *, ended: bool = False) -> dict[str, Run]:
        """Take a while, note it, and say that others have committed meanwhile."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(0.005)
        self.looks.append((began, loop.time()))
        self._listen(Notice(None, ended=True))
        if len(self.looks) == LOOKS:
            self.enough.set()
        return {} if ended and self._run.status not in RUN_TERMINAL else dict.fromkeys(run_ids, self._run)


async def test_looks_take_a_fifth_of_the_time() -> None:
    """However often others commit, who waits leaves four times as long between looks as one takes."""
    memory = MemoryWorld("memory://")
    await memory.open()
    world = SlowWorld(await memory.create_run(new_run()))
    waiting = asyncio.create_task(Endings(cast("World", world)).wait(RUN))
    async with asyncio.timeout(30):
        await world.enough.wait()
    waiting.cancel()

    for (began, ended), (next_began, _) in zip(world.looks, world.looks[1:], strict=False):
        assert next_began - ended >= 4 * (ended - began)


async def test_a_notice_that_tells_the_ending_is_enough() -> None:
    """Whose commit it was need not look."""
    memory = MemoryWorld("memory://")
    await memory.open()
    run = await memory.create_run(new_run())
    world = SlowWorld(run)
    waiting = asyncio.create_task(Endings(cast("World", world)).wait(RUN))
    async with asyncio.timeout(30):
        await world.enough.wait()
        ending = Ending(msgspec.structs.replace(run, status="completed", head=3), Event("run_completed", 1, RUN, seq=3))
        world.tell(Notice(RUN, ended=True, ending=ending))
        assert await waiting == ending


async def test_who_ask_together_look_together() -> None:
    """The world is asked once for all, and again for what it does not know, to say so."""
    memory = MemoryWorld("memory://")
    await memory.open()
    run = await memory.create_run(new_run())
    world = SlowWorld(msgspec.structs.replace(run, status="completed"))
    endings = Endings(cast("World", world))
    found = await asyncio.gather(*(endings.wait(f"wrun_{n}") for n in range(5)))
    assert [ending.run.status for ending in found] == ["completed"] * 5
    assert len(world.looks) == 1
    waits = (Endings(memory).wait(run_id) for run_id in ("wrun_gone", "wrun_gone"))
    refused = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(each) for each in refused] == [RunNotFoundError] * 2
