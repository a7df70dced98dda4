"""When a process that has ended is started again, and when it is given up."""

from __future__ import annotations

from typing import Final

from torpor.retries import Backoff

QUICK_SECONDS: Final = 10.0
"""A process that ends before it was at work for so long has ended at once."""

QUICK_ENDS_MAX: Final = 5
"""How often in a row a process is started again that ends at once."""

BACKOFF: Final = Backoff(first=0.5, most=30.0)


class Restarts:
    """
    What became of one process after another that were to do the same work.

    Args:
        backoff: pauses before the next one, the longer the more of them have ended at once.
        quick_seconds: see :data:`QUICK_SECONDS`.
        most: see :data:`QUICK_ENDS_MAX`.
    """

    def __init__(
        self, backoff: Backoff = BACKOFF, *, quick_seconds: float = QUICK_SECONDS, most: int = QUICK_ENDS_MAX
    ) -> None:
        self._backoff = backoff
        self._quick_seconds = quick_seconds
        self._most = most
        self._quick = 0  # ends at once, in a row

    @property
    def hopeless(self) -> bool:
        """Whether so many have ended at once that the next one would, too."""
        return self._quick > self._most

    def delay_ms(self, worked_seconds: float) -> int:
        """
        Take note of an end; return how long to wait before the next process is started, in milliseconds.

        Args:
            worked_seconds: how long the one that has ended was at work; 0 if it never was.
        """
        self._quick = 1 if worked_seconds >= self._quick_seconds else self._quick + 1
        return self._backoff.delay_ms(self._quick)
