"""What of the engine's own is tried again until it succeeds."""

from __future__ import annotations

from torpor.clock import Clock
from torpor.engine.observer import Observer, Retried
from torpor.retries import Backoff


class Failures:
    """
    Failures in a row of something of the engine's own that must succeed some time; each makes a longer pause.

    Args:
        backoff: how long pauses are.
        what: names it.

    Attributes:
        count: how many there were in a row.
    """

    def __init__(self, backoff: Backoff, what: str) -> None:
        self.count = 0
        self._backoff = backoff
        self._what = what

    def note(self, error: Exception, draw: float | None = None) -> Retried:
        """Return what to tell of one more, the pause before the next try included; *draw* as of :class:`Backoff`."""
        self.count += 1
        return Retried(self._what, error, self._backoff.delay_ms(self.count, draw))

    def succeeded(self) -> None:
        """Begin to count anew."""
        self.count = 0


class Retrying:
    """
    The same for who waits: tells each failure and pauses.

    Args:
        clock: by whose steady time pauses are measured.
        backoff: how long they are.
        what: names it.
        observe: is told each failure.
    """

    def __init__(self, clock: Clock, backoff: Backoff, what: str, observe: Observer) -> None:
        self._failures = Failures(backoff, what)
        self._clock = clock
        self._observe = observe

    async def pause(self, error: Exception) -> None:
        """Tell of a failure and wait until it is time to try again."""
        told = self._failures.note(error)
        self._observe(told)
        await self._clock.sleep(told.delay_ms)

    def succeeded(self) -> None:
        """Begin to count anew."""
        self._failures.succeeded()
