"""
The one clock: nothing else in Torpor reads the time.

Times are whole milliseconds since the Unix epoch, UTC, everywhere: in events, in the database, in the guest.
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

    async def wait_until(self, at: int) -> None:
        """Return once ``now() >= at``."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    async def wait_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:
            # Far deadlines are re-examined hourly, so that a clock that was set anew is noticed.
            await asyncio.sleep(min(left / 1000, 3600))
