"""What of the engine's own is tried again until it succeeds."""

from __future__ import annotations

import logging

from torpor.clock import Clock
from torpor.errors import WorldError
from torpor.retries import Backoff

_log = logging.getLogger("torpor.engine")


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
