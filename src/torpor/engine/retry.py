"""
When what failed is tried again: exponential backoff with full jitter.

The jitter spreads the retries of steps that failed together; "full jitter" is the variant recommended by
Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import logging
import random

import msgspec

from torpor.clock import Clock
from torpor.errors import WorldError

_log = logging.getLogger("torpor.engine")


class Backoff(msgspec.Struct, frozen=True):
    """
    Delays between attempts.

    Attributes:
        first: mean scale of the first delay, in seconds.
        factor: growth per failure.
        most: longest delay, in seconds.
    """

    first: float = 0.2
    factor: float = 2.0
    most: float = 60.0

    def delay_ms(self, failures: int, draw: float | None = None) -> int:
        """
        Return how long to wait after this many failures, in milliseconds.

        Args:
            failures: failures so far, at least 1.
            draw: a number in [0, 1) in place of a random one.
        """
        ceiling = min(self.most, self.first * self.factor ** min(failures - 1, 64))
        share = random.random() if draw is None else draw  # noqa: S311  # spreads load, hides nothing
        return int(1000 * ceiling * (0.5 + share / 2))


class Retrying:
    """
    Something of the engine's own that must succeed some time: each failure in a row is told, and makes a longer pause.

    Args:
        clock: by whose steady time pauses are measured.
        backoff: how long they are.
        what: names it in the log.

    Attributes:
        failures: how many there were in a row.
    """

    def __init__(self, clock: Clock, backoff: Backoff, what: str) -> None:
        self.failures = 0
        self._clock = clock
        self._backoff = backoff
        self._what = what

    async def pause(self, error: Exception) -> None:
        """Tell of a failure and wait until it is time to try again; one that is no world's is told with its stack."""
        self.failures += 1
        delay = self._backoff.delay_ms(self.failures)
        stack = None if isinstance(error, WorldError) else error
        _log.warning("%s failed, trying again in %d ms: %s", self._what, delay, error, exc_info=stack)
        await self._clock.sleep(delay)

    def succeeded(self) -> None:
        """Begin to count anew."""
        self.failures = 0
