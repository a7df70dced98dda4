"""
When time jumps: while a test waits for something that only time can bring.

A jump is due when the worker is quiet (nothing runs, nothing is ready, all is stored) and what the test waits for is
not there yet. Then the clock goes on to the next moment that somebody waits for. While the test does not wait, time
stands still, so that what a test does comes before every timer that was not due when the test went on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from torpor.engine.worker import Worker
from torpor.testing.clock import SkippingClock

T = TypeVar("T")

Check = Callable[[], Awaitable[T | None]]
"""Returns what is waited for once it is there, None before."""

_PASSES = 10
"""
How often the event loop goes round before a jump: what the world has told is heard at its next pass, and a test that
was let go on acts within some.
"""


@dataclass(eq=False, slots=True)
class _Waiter(Generic[T]):
    check: Check[T]
    found: asyncio.Future[T]


class Skipping:
    """
    Lets time pass for those who wait.

    Args:
        clock: the world's.
        worker: returns the worker that is at work now.
    """

    def __init__(self, clock: SkippingClock, worker: Callable[[], Worker | None]) -> None:
        self._clock, self._worker = clock, worker
        self._waiters: list[_Waiter[Any]] = []
        self._resting = 0
        self._changed = asyncio.Event()
        clock.on_change = self.hear

    async def wait_for(self, check: Check[T]) -> T:
        """Return what *check* returns once that is not None; time jumps until then whenever nothing else goes on."""
        waiter: _Waiter[T] = _Waiter(check, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._changed.set()
        try:
            return await waiter.found
        finally:
            self._waiters.remove(waiter)

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Say for the time of the block that a step which runs does nothing but wait for time to pass."""
        self._resting += 1
        self._changed.set()
        try:
            yield
        finally:
            self._resting -= 1
            self._changed.set()

    def hear(self) -> None:
        """Note that something has changed, so that what is waited for may be there."""
        self._changed.set()

    async def go_on(self) -> None:
        """Do all this, until cancelled."""
        while True:
            await self._something()
            if await self._let_go_on() or not await self._stays_quiet():
                continue
            due = self._clock.next_due
            if due is None or not self._waiters:
                await self._changed.wait()
            else:
                self._clock.jump_to(due)

    async def _something(self) -> None:
        """Return at once when time may have to jump, else when something has changed."""
        while not self._waiters or not self.is_quiet():
            await self._changed.wait()
            if self._waiters:
                return
            self._changed.clear()

    async def _let_go_on(self) -> bool:
        """Let those go on whose time has come; return whether there was one."""
        self._changed.clear()
        released = False
        for waiter in list(self._waiters):
            try:
                found = await waiter.check()
            except Exception as error:  # noqa: BLE001  # whoever waits gets it
                if not waiter.found.done():
                    waiter.found.set_exception(error)
                released = True
                continue
            if found is not None and not waiter.found.done():
                waiter.found.set_result(found)
                released = True
        return released

    async def _stays_quiet(self) -> bool:
        for _ in range(_PASSES):
            if not self.is_quiet() or self._changed.is_set():
                return False
            await asyncio.sleep(0)
        return self.is_quiet() and not self._changed.is_set()

    def is_quiet(self) -> bool:
        """Return whether nothing goes on but what waits for time to pass, or for the test."""
        worker = self._worker()
        due = self._clock.next_due
        if worker is None or (due is not None and due <= self._clock.now()):
            return False
        return worker.is_quiet(resting=self._resting)
