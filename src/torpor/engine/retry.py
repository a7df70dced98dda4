"""What of the engine's own is tried again until it succeeds."""

from __future__ import annotations

from torpor.clock import Clock
from torpor.engine.observer import Observer, Retried
from torpor.retries import Backoff


class Retrying:
    """
    Something of the engine's own that must succeed some time: each failure in a row is told, and makes a longer pause.

    Args:
        clock: by whose steady time pauses are measured.
        backoff: how long they are.
        what: names it.
        observe: is told each failure.

    Attributes:
        failures: how many there were in a row.
    """

    def __init__(self, clock: Clock, backoff: Backoff, what: str, observe: Observer) -> None:
        self.failures = 0
        self._clock = clock
        self._backoff = backoff
        self._what = what
        self._observe = observe

    async def pause(self, error: Exception) -> None:
        """Tell of a failure and wait until it is time to try again."""
        self.failures += 1
        delay = self._backoff.delay_ms(self.failures)
        self._observe(Retried(self._what, error, delay))
        await self._clock.sleep(delay)

    def succeeded(self) -> None:
        """Begin to count anew."""
        self.failures = 0
