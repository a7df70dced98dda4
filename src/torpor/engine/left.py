"""Step tasks that a worker leaves to others, because its own steps do not fit them."""

from __future__ import annotations

from torpor.clock import Clock
from torpor.retries import Backoff

_BACKOFF = Backoff(first=0.5, most=60.0)
_LEFT_MAX = 1_000
_FORGOTTEN_MS = 120_000
"""One that was not met again for so long is another worker's by now."""


class LeftSteps:
    """
    The steps, each for a while that is longer each time: there may be no other worker, and the step may be another
    one then.

    Args:
        clock: by whose steady time they are left; one that is set back leaves no step for longer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[str, tuple[int, int]] = {}  # id → until when, and how often

    def leave(self, step_id: str) -> int:
        """
        Leave a step alone from now on.

        Returns for how many milliseconds nobody should take it: none at all, unless so many are left that a claim
        cannot name them.
        """
        now = self._clock.steady()
        _, times = self._until.pop(step_id, (0, 0))
        delay = _BACKOFF.delay_ms(times + 1)
        if len(self._until) >= _LEFT_MAX:
            self._until = {each: left for each, left in self._until.items() if left[0] > now - _FORGOTTEN_MS}
        if len(self._until) >= _LEFT_MAX:
            return delay
        self._until[step_id] = (now + delay, times + 1)
        return 0

    def ids(self) -> tuple[str, ...]:
        """Return those that are left alone now."""
        now = self._clock.steady()
        return tuple(step_id for step_id, (until, _) in self._until.items() if until > now)

    def due_in(self) -> int | None:
        """Return after how many milliseconds the first of them is to be looked at again."""
        now = self._clock.steady()
        return min((until - now for until, _ in self._until.values() if until > now), default=None)
