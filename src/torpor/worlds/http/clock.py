"""A server's clock as its clients know it: the machine's own, and by how much the server's is ahead."""

from __future__ import annotations

from typing import Final

from torpor.clock import SystemClock

_KEPT_MS: Final = 60_000
"""So long an exact sample is better than a newer one that is less exact: clocks drift apart slowly."""

_DRIFT_MS: Final = 100
"""So far they may drift apart meanwhile; what differs by more was set."""


class ServerClock:
    """
    Tells the server's time.

    How long things take is measured here: leases are the server's to judge.
    """

    def __init__(self) -> None:
        self._own = SystemClock()
        self._ahead_ms = 0
        self._error_ms = 0
        self._sampled_at: int | None = None

    def now(self) -> int:
        return self._own.now() + self._ahead_ms

    def steady(self) -> int:
        return self._own.steady()

    async def wait_until(self, at: int) -> None:
        # Far deadlines are looked at anew, as the machine's own clock does; what is learnt meanwhile counts.
        while (left := at - self.now()) > 0:
            await self._own.sleep(min(left, 1_000))

    async def sleep(self, ms: int) -> None:
        await self._own.sleep(ms)

    def sample(self, asked: int, told: int) -> None:
        """
        Take note of the server's time.

        Args:
            asked: own time when the question was sent.
            told: what the server's clock showed when it answered.
        """
        answered = self._own.now()
        error = abs(answered - asked) // 2
        steady = self._own.steady()
        ahead = told - (asked + answered) // 2
        is_old = self._sampled_at is None or steady - self._sampled_at > _KEPT_MS
        # Each sample is right within its error: two that exclude one another are of a clock that was set between them.
        was_set = abs(ahead - self._ahead_ms) > error + self._error_ms + _DRIFT_MS
        if is_old or was_set or error <= self._error_ms:
            self._ahead_ms, self._error_ms, self._sampled_at = ahead, error, steady

    def asking(self) -> int:
        """Return the own time, for :meth:`sample`."""
        return self._own.now()
