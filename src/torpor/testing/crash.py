"""Crash points: end the process with SIGKILL at a point that the engine, or the caller, passes."""

from __future__ import annotations

import os
import signal


class CrashAt:
    """
    An observer of a worker: the process dies when *point* is passed for the *nth* time.

    Args:
        point: a :class:`~torpor.engine.failpoints.Failpoint`, or a name that the caller passes itself.
        nth: 1 for the first time.
    """

    def __init__(self, point: str, nth: int = 1) -> None:
        self._point = point
        self._left = nth

    def __call__(self, point: object) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
