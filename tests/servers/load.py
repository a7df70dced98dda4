"""Runs that two workers carry out while something happens to their database, and what has to be true afterwards."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path

from torpor import Torpor
from torpor.worlds import open_world

STEPS = 7
"""How many steps a run has."""

_loads: list[Load] = []  # in this process, of which there is one at a time


async def add(a: int, b: int) -> int:
    """Add, and note that a step was carried out."""
    for load in _loads:
        await load.has_done_one()
    return a + b


class Load:
    """
    An application with two workers, and many runs.

    Args:
        url: of the world.
        runs: how many.

    Attributes:
        done: how many steps have been carried out.
    """

    def __init__(self, url: str, runs: int) -> None:
        self._url = url
        self._runs = [f"wrun_{n:03}" for n in range(runs)]
        self.done = 0
        self._progress = asyncio.Condition()

    async def until_share(self, share: float) -> None:
        """Return once so much of all steps is done."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.done >= share * STEPS * len(self._runs))

    async def has_done_one(self) -> None:
        """Note that a step was carried out."""
        async with self._progress:
            self.done += 1
            self._progress.notify_all()

    async def carry_out(self, disturb: Callable[[Load], Coroutine[None, None, None]]) -> None:
        """
        Start all runs, let something happen meanwhile, and check what came of it.

        Each run has the right result; its log is whole, and has one outcome of each step and one end.
        """
        _loads[:] = [self]
        first, second = self._application(), self._application()
        async with first, second, first.worker(), second.worker():
            disturbing = asyncio.create_task(disturb(self))
            starts = (first.start("loaded", n, run_id=run_id) for n, run_id in enumerate(self._runs))
            runs = await asyncio.gather(*starts)
            results = await asyncio.gather(*(run.result(timeout=300) for run in runs))
            await disturbing
        assert results == [3 * (n + 3) + 6 for n in range(len(self._runs))]
        await self._check()

    async def _check(self) -> None:
        world = open_world(self._url)
        await world.open()
        for run_id in self._runs:
            events = await world.events(run_id)
            assert [event.seq for event in events] == list(range(1, len(events) + 1))
            outcomes = Counter(event.id for event in events if event.type == "step_completed")
            assert set(outcomes.values()) == {1}, f"an outcome of {run_id} is stored twice"
            assert len(outcomes) == STEPS
            assert [event.type for event in events].count("run_completed") == 1
        assert await world.damaged() == []
        await world.close()

    def _application(self) -> Torpor:
        app = Torpor(self._url, root=Path(__file__).parent)
        app.workflows("flows/*.js")
        app.step(add)
        return app
