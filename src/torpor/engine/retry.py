"""When a failed attempt is tried again: exponential backoff with full jitter.

The jitter spreads the retries of steps that failed together; "full jitter" is the variant recommended by
Marc Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import random

import msgspec


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
