"""
Loops that are never idle: ``while task not in done: done, _ = await asyncio.wait([task], timeout=0)``.

``polling.py`` knows those that yield with ``sleep(0)``. All others, be it by timeouts of nothing, callbacks that call
themselves again, or small tasks without end, are known by their number: when very many handles have run since the last
event and the run has asked for nothing, the loop rests with what is ready, until something arrives, or time nudges it.

Who computes in such a way is only late. Where the functions of the program are where they were at the last rest, and
what their names mean is the same, the loop asks again and again: it rests sooner, and for longer each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any

from .finder import finder
from .polling import looks, same
from .run import run

_MANY = 30_000
"""Handles that run before a loop rests."""

_FEW = 1_000
"""Handles that run before a loop rests again that asked for the same."""

_FIRST_NUDGE = 1.0
_NUDGE_OF_THE_BUSY = 5.0
_LAST_NUDGE = 60.0
"""Seconds."""


class Restless:
    """
    Gives a loop rests.

    Attributes:
        budget: handles that may run until :meth:`rests` is to be asked.
        left: those that are left of it.
        resting: whether the loop stopped with something ready.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.budget = self.left = _MANY
        self.resting = False
        self._ops = 0
        self._marks: list[object] = []
        self._seconds = _FIRST_NUDGE
        self._nudge: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """An event was delivered."""
        self.resting, self.left = False, self.budget

    def rests(self) -> bool:
        """Tell whether the loop has to stop, after so many handles as the budget has."""
        if run.asked_for == self._ops and self._may_change():
            self.resting = True
            return True
        self._ops = run.asked_for
        return False

    def settle(self) -> None:
        """The loop has stopped: let time nudge it if it is only resting."""
        if not self.resting:
            if self._nudge is not None:
                self._nudge.cancel()
                self._nudge = None
            if self._marks:
                self._marks, self._seconds, self.budget = [], _FIRST_NUDGE, _MANY
            return
        marks = list(_marks())
        is_same = same(self._marks, marks)
        self._marks, self.budget = marks, _FEW if is_same else _MANY
        if self._nudge is None:
            self._nudge = self._loop.call_later(self._seconds, self._nudged)
            self._seconds = min(self._seconds * 2, _LAST_NUDGE if is_same else _NUDGE_OF_THE_BUSY)
            self._ops = run.asked_for + 1  # the wait for it

    def _nudged(self) -> None:
        self._nudge = None

    def _may_change(self) -> bool:
        """Tell whether something can arrive: an answer, a payload, the end of a wait that is not a nudge's."""
        timers: Any = self._loop
        return timers.waits_for_others() or any(
            handle is not self._nudge and not handle.cancelled() for *_, handle in timers.timers
        )


def _marks() -> Iterator[object]:
    """Yield where each function of the program is that a task runs, and what its names mean."""
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        awaited: Any = task.get_coro()
        while awaited is not None:
            frame: FrameType | None = getattr(awaited, "cr_frame", None) or getattr(awaited, "ag_frame", None)
            if frame is not None and frame.f_code.co_filename in finder.labels:
                yield frame.f_code
                for value in frame.f_locals.values():
                    yield from looks(value)
            awaited = getattr(awaited, "cr_await", None)
