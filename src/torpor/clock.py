"""
The one clock: nothing else in Torpor reads the time.

A clock tells two times, because two questions are asked of it:

* **When?** ``now()``: whole milliseconds since the Unix epoch, UTC, everywhere: in events, in the database, in the
  guest. It is the wall clock, as it is set: it may jump. Within one log times never go back.
* **How long?** ``steady()``: milliseconds from an origin that means nothing, which pass at the pace of real time and
  never jump, whoever sets the clock. Leases are measured so. It stands still while the machine sleeps, so that a
  laptop's workers, which slept together, do not take one another for dead.

Which clock decides about a world's runs is the world's own to say; see :attr:`torpor.world.World.clock`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and waits for it; the tests' clock moves by hand."""

    def now(self) -> int:
        """Return the time in epoch milliseconds."""
        ...

    def steady(self) -> int:
        """Return milliseconds since some moment; equal for all processes of one boot of a machine."""
        ...

    async def wait_until(self, at: int) -> None:
        """Return once ``now() >= at``."""
        ...

    async def sleep(self, ms: int) -> None:
        """Return once so many steady milliseconds have passed."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def steady(self) -> int:
        return time.monotonic_ns() // 1_000_000

    async def wait_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:
            # Far deadlines are looked at anew each second, so that a clock that was set is noticed.
            await asyncio.sleep(min(left / 1000, 1))

    async def sleep(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)
