"""Clocks that a test moves, so that a night takes no time and no test waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from torpor.clock import Clock, SystemClock


class ManualClock:
    """
    A clock that stands still until it is moved. It may be read and moved on any thread.

    Args:
        now: what the wall shows at first, in epoch milliseconds.
    """

    def __init__(self, now: int = 1_700_000_000_000) -> None:
        self._now = now
        self._steady = 0
        self._waiting: set[asyncio.Future[None]] = set()

    def now(self) -> int:
        return self._now

    def steady(self) -> int:
        return self._steady

    @property
    def waiting(self) -> int:
        """How many wait for it; who is about to wait misses what passes before."""
        return len(self._waiting)

    async def wait_until(self, at: int) -> None:
        await self._wait(lambda: self._now >= at)

    async def sleep(self, ms: int) -> None:
        over = self._steady + ms
        await self._wait(lambda: self._steady >= over)

    def advance(self, ms: int) -> None:
        """Let so many milliseconds pass."""
        self._steady += ms
        self._move_wall(self._now + ms)

    def jump(self, ms: int) -> None:
        """Put the wall clock forward, or back, without any time passing."""
        self._move_wall(self._now + ms)

    def set(self, now: int) -> None:
        """Set the wall clock, without any time passing."""
        self._move_wall(now)

    def _move_wall(self, now: int) -> None:
        self._now = now
        for waiter in tuple(self._waiting):
            with suppress(RuntimeError):  # its loop is closed: nobody waits any more
                waiter.get_loop().call_soon_threadsafe(_wake, waiter)

    async def _wait(self, over: Callable[[], bool]) -> None:
        while True:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.add(waiter)
            try:
                if over():  # asked once the waiter is known: whoever moves the clock now wakes it
                    return
                await waiter
            finally:
                self._waiting.discard(waiter)


class SkippingClock:
    """
    A clock whose wall stands still until somebody makes it jump; how long things take is the machine's to say.

    Leases and pauses, which are measured by :meth:`steady`, notice nothing of a jump: nobody is taken for dead.

    Args:
        now: what the wall shows at first, in epoch milliseconds.

    Attributes:
        on_change: called when somebody has come to wait, or waits no more.
    """

    def __init__(self, now: int) -> None:
        self._now = now
        self.on_change: Callable[[], None] = lambda: None
        self._machine = SystemClock()
        self._waiting: dict[asyncio.Future[None], int] = {}

    def now(self) -> int:
        return self._now

    def steady(self) -> int:
        return self._machine.steady()

    async def sleep(self, ms: int) -> None:
        await self._machine.sleep(ms)

    async def wait_until(self, at: int) -> None:
        while self._now < at:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[waiter] = at
            self.on_change()
            try:
                await waiter
            finally:
                del self._waiting[waiter]
                self.on_change()

    @property
    def next_due(self) -> int | None:
        """The earliest moment that somebody waits for, None when nobody does; it is past for who is about to go on."""
        return min(self._waiting.values(), default=None)

    def jump_to(self, at: int) -> None:
        """Set the wall to a later moment, and let all who waited for one until then go on."""
        self._now = max(self._now, at)
        for waiter, due in self._waiting.items():
            if due <= self._now:
                _wake(waiter)


class SkewedClock:
    """
    The clock of another machine: its wall is ahead, or behind, and time passes at the same pace.

    Args:
        clock: what it differs from.
        ahead_ms: by how much; less than 0 is behind.
    """

    def __init__(self, clock: Clock, ahead_ms: int) -> None:
        self._clock = clock
        self._ahead_ms = ahead_ms

    def now(self) -> int:
        return self._clock.now() + self._ahead_ms

    def steady(self) -> int:
        return self._clock.steady()

    async def wait_until(self, at: int) -> None:
        await self._clock.wait_until(at - self._ahead_ms)

    async def sleep(self, ms: int) -> None:
        await self._clock.sleep(ms)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
