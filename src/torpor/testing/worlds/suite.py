"""What all groups of the suite share: the fixtures that open a world, and worlds that act at the same moment."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final, Protocol, TypeVar

import pytest
import pytest_asyncio

from torpor.clock import Clock
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import T
from torpor.world import World

R = TypeVar("R")

PATIENCE_SECONDS: Final = 60
"""Far beyond what anything here takes, so that only what never comes fails a test."""


class MakeWorld(Protocol):
    """Returns worlds on one store."""

    def __call__(self, clock: Clock | None = None) -> World:
        """Return a world, not yet opened, whose clock is *clock*, by default its own."""
        ...


class Suite:
    """
    Base of the groups.

    The author of a world gives a fixture ``make_world``: a function that returns a world, not yet opened, on a store
    that is empty when the test begins and the same for all worlds that it returns during one test. It takes the clock
    that is to decide about time there; see :class:`MakeWorld`.
    """

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Return the clock of :meth:`world`, which stands at the time of the stories."""
        return ManualClock(T)

    @pytest_asyncio.fixture
    async def world(self, make_world: MakeWorld, clock: ManualClock) -> AsyncIterator[World]:
        """Yield an open world."""
        async with opened(make_world(clock)) as world:
            yield world


@asynccontextmanager
async def opened(world: World) -> AsyncIterator[World]:
    """Open a world, and close it in the end."""
    await world.open()
    try:
        yield world
    finally:
        await world.close()


async def at_once(make_world: Callable[[], World], acts: Sequence[Callable[[World], Awaitable[R]]]) -> list[R]:
    """
    Let each act have a world of its own, on a thread and an event loop of its own, and begin all at the same moment.

    Returns:
        What they return, in their order.
    """
    barrier = threading.Barrier(len(acts), timeout=PATIENCE_SECONDS)

    async def play(act: Callable[[World], Awaitable[R]]) -> R:
        async with opened(make_world()) as world:
            barrier.wait()
            return await act(world)

    def play_on_a_loop(act: Callable[[World], Awaitable[R]]) -> R:
        return asyncio.run(play(act))

    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(len(acts)) as threads:
        return list(await asyncio.gather(*(loop.run_in_executor(threads, play_on_a_loop, act) for act in acts)))
