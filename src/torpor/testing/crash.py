"""
Crash points: end the process with SIGKILL at a named point of the engine.

Points, in the order in which a turn passes them: ``after claim``, ``before deliver``, ``after deliver``,
``before commit`` or ``while parking``, ``after commit``, ``after ending`` when that commit ended the run; and
``before step outcome`` for steps that are tasks.
"""

from __future__ import annotations

import os
import signal
from typing import Final

POINTS: Final = (
    "after claim",
    "before deliver",
    "after deliver",
    "before commit",
    "after commit",
    "after ending",
    "while parking",
    "before step outcome",
)


class CrashAt:
    """
    Pass it as ``reached`` to a worker: the process dies when *point* is passed for the *nth* time.

    Args:
        point: one of :data:`POINTS`, or a name that the caller passes itself.
        nth: 1 for the first time.
    """

    def __init__(self, point: str, nth: int = 1) -> None:
        self._point = point
        self._left = nth

    def __call__(self, point: str) -> None:
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
