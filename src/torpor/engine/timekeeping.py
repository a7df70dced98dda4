"""When a worker looks whether runs are to be started by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final, Protocol

from torpor.clock import Clock

_APART_MS: Final = 1_000
"""Between two looks that nothing but changes of the world makes necessary, of which there may be thousands a second."""

_LOOK_MS: Final = 60_000
"""A notice may be lost, and a clock be set."""


class Timekeeper(Protocol):
    """Starts runs by the clock."""

    async def begin(self) -> None:
        """Make ready, once what the worker brings is stored."""
        ...

    async def round(self) -> int | None:
        """Start what is due; return when the next is, None when that is not known."""
        ...


class Timekeeping:
    """
    One round after the other.

    Args:
        timekeeper: makes them.
        clock: the world's.
    """

    def __init__(self, timekeeper: Timekeeper, clock: Clock) -> None:
        self.begin = timekeeper.begin
        self._timekeeper = timekeeper
        self._clock = clock
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Tell that the world has changed, so that something may be due."""
        self._stirred.set()

    async def round_and_wait(self) -> None:
        """Start what is due, and wait until something is, or until changes may have made it so."""
        self._stirred.clear()
        next_at = await self._timekeeper.round()
        waits: list[Awaitable[Any]] = [self._changes(), self._clock.sleep(_LOOK_MS)]
        if next_at is not None:
            waits.append(self._clock.wait_until(next_at))
        await first_of(waits)

    async def _changes(self) -> None:
        await self._clock.sleep(_APART_MS)
        await self._stirred.wait()


async def first_of(waits: Iterable[Awaitable[Any]]) -> None:
    """Wait until one of these is over, and leave the others."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
