"""Step tasks that a worker leaves to others, because its own steps do not fit them."""

from __future__ import annotations

from torpor.retries import Backoff

_BACKOFF = Backoff(first=0.5, most=60.0)
_LEFT_MAX = 1_000
_FORGOTTEN_MS = 120_000
"""One that was not met again for so long is another worker's by now."""


class LeftSteps:
    """
    The steps, each for a while that is longer each time: there may be no other worker, and the step may be another
    one then.
    """

    def __init__(self) -> None:
        self._until: dict[str, tuple[int, int]] = {}  # id → until when, and how often

    def leave(self, step_id: str, now: int) -> int:
        """
        Leave a step alone from *now* on, which is a moment of steady time.

        Returns for how many milliseconds nobody should take it: none at all, unless so many are left that a claim
        cannot name them.
        """
        _, times = self._until.pop(step_id, (0, 0))
        delay = _BACKOFF.delay_ms(times + 1)
        if len(self._until) >= _LEFT_MAX:
            self._until = {each: left for each, left in self._until.items() if left[0] > now - _FORGOTTEN_MS}
        if len(self._until) >= _LEFT_MAX:
            return delay
        self._until[step_id] = (now + delay, times + 1)
        return 0

    def ids(self, now: int) -> tuple[str, ...]:
        """Return those that are left alone at *now*."""
        return tuple(step_id for step_id, (until, _) in self._until.items() if until > now)

    def next_at(self, now: int) -> int | None:
        """Return when the first of them is to be looked at again."""
        return min((until for until, _ in self._until.values() if until > now), default=None)
