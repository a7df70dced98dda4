"""The clocks of simulated processes: one virtual time, and for each process a wall clock that may be wrong and jump."""

from __future__ import annotations

import asyncio
from typing import Final

from torpor.testing.simulation.scheduler import Scheduler

BEGINNING: Final = 1_700_000_000_000
"""What a right clock shows when a simulation begins, in epoch milliseconds."""


class ProcessClock:
    """
    The clock of a process.

    Args:
        scheduler: gives the time.
        ahead_ms: by how much the wall clock is ahead.
    """

    def __init__(self, scheduler: Scheduler, ahead_ms: int = 0) -> None:
        self._scheduler = scheduler
        self._ahead_ms = ahead_ms
        self._waiting: dict[asyncio.Future[None], None] = {}

    def now(self) -> int:
        return BEGINNING + self._scheduler.now_us // 1000 + self._ahead_ms

    def steady(self) -> int:
        return self._scheduler.now_us // 1000

    async def wait_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:
            loop = asyncio.get_running_loop()
            waiter: asyncio.Future[None] = loop.create_future()
            alarm = loop.call_later(left / 1000, _wake, waiter)
            self._waiting[waiter] = None
            try:
                await waiter
            finally:
                alarm.cancel()
                del self._waiting[waiter]

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    def jump(self, ms: int) -> None:
        """Put the wall clock forward, or back, without any time passing."""
        self._ahead_ms += ms
        for waiter in list(self._waiting):
            _wake(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
