"""
Loops that ask again and again: ``while not task.done(): await asyncio.sleep(0)``.

Outside, such a loop burns CPU until something arrives; in a VM it would burn the limit, as nothing arrives before the
VM sleeps. So a task that has yielded very often is looked at: when round after round nothing changes that its functions
name, it waits until the world has something new. Whoever is wrong about that is only late: the loop gets a round when
anything else has run, and a nudge by a timer, each after twice the time of the one before.

When the run waits for nothing that could arrive, the loop runs on, and into the limit: it is endless.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import AbstractEventLoop, Future, Handle, Task
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType
from typing import Any

from torpor.codec.types.classes import slots_of

from .finder import OWN
from .run import run

_YIELDS = 1_000
"""Yields since the last event that are nobody's concern."""

_ROUNDS = 24
"""Rounds of one task that must be alike."""

_LOOKS = 500
"""Rounds that are looked at; who is not known by them for a poller may be `restless.py`'s concern."""

_MEMBERS_MAX = 100
"""Members and attributes that are looked at of one object."""

_FIRST_NUDGE = 1.0
_LAST_NUDGE = 60.0
"""Seconds."""

_VALUES = frozenset((bool, int, float, str, bytes, type(None)))
_COLLECTIONS = frozenset((list, tuple, set, frozenset, deque, dict))

_STEP = Handle._run.__code__  # noqa: SLF001  # a loop works inside asyncio
"""Whose frame a step of a task begins in."""


class _Rounds:
    """What a task looked like when it yielded, and how often it has looked so."""

    __slots__ = ("alike", "marks")

    def __init__(self) -> None:
        self.marks: list[object] = []
        self.alike = 0

    def add(self, marks: list[object]) -> bool:
        """Note another round and tell whether there were enough of the same."""
        self.alike = self.alike + 1 if same(self.marks, marks) else 0
        self.marks = marks
        return self.alike >= _ROUNDS


class Pollers:
    """
    The tasks of a loop that poll.

    Args:
        loop: theirs.
        run_ready: runs what is ready and returns how many handles that were.

    Attributes:
        yields: how often tasks have yielded since the last event; 0 while nobody polls and nobody has.
    """

    def __init__(self, loop: AbstractEventLoop, run_ready: Callable[[], int]) -> None:
        self._loop: Any = loop
        self._run_ready = run_ready
        self._parked: list[Future[None]] = []
        self._rounds: dict[Task[Any], _Rounds] = {}
        self.yields = 0
        self._ops = 0
        self._nudge: asyncio.TimerHandle | None = None
        self._seconds = _FIRST_NUDGE

    def pause(self) -> Future[None] | None:
        """Return what a task that yields has to wait for; None when it just lets others run."""
        self.yields += 1
        if not _YIELDS < self.yields <= _YIELDS + _LOOKS or not run.waiting:
            return None
        if run.asked_for != self._ops:  # something new is on its way
            self._ops, self.yields = run.asked_for, 0
            self._rounds.clear()
            return None
        task = asyncio.current_task()
        if task is None or not self._rounds.setdefault(task, _Rounds()).add(list(_marks(sys._getframe(1)))):  # noqa: SLF001  # there is no other way to ask
            return None
        future: Future[None] = self._loop.create_future()
        self._parked.append(future)
        return future

    def has_parked(self, future: Future[Any]) -> bool:
        """Tell whether it is a poller that waits for this future."""
        return future in self._parked

    def wake(self) -> None:
        """Give every poller a round."""
        self.yields = _YIELDS if self._parked else 0
        parked, self._parked = self._parked, []
        for future in parked:
            if not future.done():
                future.set_result(None)

    def settle(self) -> None:
        """Give pollers rounds, as long as that or anything else changes something; then let time nudge them."""
        while self._parked:
            count = len(self._parked)
            self.wake()
            if self._run_ready() == count == len(self._parked) or self._loop.restless.resting:
                break
        if self._parked and self._nudge is None:
            self._nudge = self._loop.call_later(self._seconds, self._nudged)
        elif not self._parked and (self._nudge is not None or self._rounds):
            self._forget()

    def _nudged(self) -> None:
        self._nudge = None
        self._seconds = min(self._seconds * 2, _LAST_NUDGE)

    def _forget(self) -> None:
        """Nobody polls any more."""
        if self._nudge is not None:
            self._nudge.cancel()
        self._nudge, self._seconds = None, _FIRST_NUDGE
        self._rounds.clear()


def _marks(frame: FrameType | None) -> Iterator[object]:
    """Yield all by which a change would show: where each function of a task is, and what its names mean."""
    while frame is not None and frame.f_code is not _STEP:
        code = frame.f_code
        if not code.co_filename.startswith(OWN):
            yield code
            yield frame.f_lasti
            for value in frame.f_locals.values():
                yield from looks(value)
            for name in code.co_names:
                if name in frame.f_globals:
                    yield from looks(frame.f_globals[name])
        frame = frame.f_back


def looks(value: Any) -> Iterator[object]:
    """Yield what an object looks like: itself and its attributes, or the members of a collection."""
    kind = type(value)
    if kind in _COLLECTIONS:
        yield kind
        yield len(value)
        yield from islice(value.values() if kind is dict else value, _MEMBERS_MAX)
        return
    yield value
    if kind in _VALUES or isinstance(value, type):
        return
    yield from islice(_attribute(value, "__dict__", {}).values(), _MEMBERS_MAX)
    for name in slots_of(kind):
        yield _attribute(value, name)


def _attribute(value: object, name: str, default: Any = None) -> Any:
    """Return an attribute without running anybody's code."""
    try:
        return object.__getattribute__(value, name)
    except AttributeError:
        return default


def same(before: list[object], after: list[object]) -> bool:
    """Tell whether two looks at the same things show no change."""
    return len(before) == len(after) and all(
        one is other or (type(one) is type(other) and type(one) in _VALUES and one == other)
        for one, other in zip(before, after, strict=True)
    )
