"""
What a worker holds of steps: their arguments while they run, and their outcomes until these are stored.

Nobody knows what a step will return; what it returned before is the best guess. So no step whose results are large
starts before there is room for one more, and none is claimed, or begun by a turn, while there is no room at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Final

from torpor import limits
from torpor.engine.attempts import Attempt
from torpor.model import Event

_NOTHING: Final = nullcontext()


class Holding:
    """
    The bytes that a worker holds of all its steps together, up to :data:`torpor.limits.HELD_BYTES_MAX`.

    Args:
        on_room: called when there is room again after there was none.

    Attributes:
        bytes: how many are held or expected.
    """

    def __init__(self, on_room: Callable[[], None] = lambda: None) -> None:
        self._on_room = on_room
        self.bytes = 0
        self._outcomes = 0  # of these, what steps have returned or probably will
        self._returned: dict[str, int] = {}  # by names of steps whose outcomes are large
        self._less = asyncio.Event()

    @property
    def room(self) -> int | None:
        """For how many more steps there is room, whichever they are; None for any number."""
        left = limits.HELD_BYTES_MAX - self.bytes
        if left <= 0:
            return 0
        return max(1, left // max(self._returned.values())) if self._returned else None

    def attempt(self, attempt: Attempt) -> AbstractAsyncContextManager[None]:
        """Hold what an attempt needs for the time of the block, which begins once there is room for its outcome."""
        size, expected = _counted(attempt.input), self.expected(attempt)
        return _Needs(self, size, expected) if size or expected else _NOTHING

    def expected(self, attempt: Attempt) -> int:
        """Return the size that an attempt's outcome may have, 0 when it is not worth to be counted."""
        return self._returned.get(attempt.name, 0)

    def count(self, size: int) -> None:
        """Count so many bytes of arguments in, or out."""
        was_full = self.bytes >= limits.HELD_BYTES_MAX
        self.bytes += size
        if size < 0:
            self._less.set()
        if was_full and self.bytes < limits.HELD_BYTES_MAX:
            self._on_room()

    def count_outcome(self, size: int) -> None:
        """Count so many bytes of outcomes in, or out; of what steps have returned, or probably will."""
        self._outcomes += size
        self.count(size)

    def learn(self, outcome: Event) -> None:
        """Take note of how large a step's outcome is; an earlier one counts for less and less."""
        size = _size(outcome)
        if self._returned:
            size = max(size, self._returned.pop(outcome.name, 0) // 2)
        if size > limits.OFF_LOOP_BYTES:
            self._returned[outcome.name] = size

    def hold(self, outcome: Event) -> None:
        """Count an outcome in."""
        self.count_outcome(_size(outcome))

    def let_go(self, outcome: Event) -> None:
        """Count an outcome out: it is stored, or nobody wants it any more."""
        self.count_outcome(-_size(outcome))

    async def expect(self, size: int) -> None:
        """Count an outcome of so many bytes in, once there is room."""
        # Arguments do not count here: those of steps that wait for one another would keep all of them waiting.
        while self._outcomes and self._outcomes + size > limits.HELD_BYTES_MAX:
            self._less.clear()
            await self._less.wait()
        self.count_outcome(size)


class _Needs:
    """What one attempt needs."""

    __slots__ = ("_expected", "_holding", "_input")

    def __init__(self, holding: Holding, size: int, expected: int) -> None:
        self._holding, self._input, self._expected = holding, size, expected

    async def __aenter__(self) -> None:
        self._holding.count(self._input)
        if self._expected:
            try:
                await self._holding.expect(self._expected)
            except BaseException:
                self._holding.count(-self._input)
                raise

    async def __aexit__(self, *_: object) -> None:
        self._holding.count(-self._input)
        if self._expected:
            self._holding.count_outcome(-self._expected)


class Outcomes:
    """
    Outcomes that one owner holds.

    Args:
        holding: counts them.
    """

    def __init__(self, holding: Holding) -> None:
        self._holding = holding
        self._held: dict[str, Event] = {}

    def add(self, outcome: Event) -> None:
        """Count an outcome in."""
        if _size(outcome):
            self._held[outcome.id] = outcome
            self._holding.hold(outcome)

    def keep(self, outcomes: Iterable[Event]) -> None:
        """Count all others out."""
        if not self._held:
            return
        kept = {outcome.id for outcome in outcomes}
        for step_id in [step_id for step_id in self._held if step_id not in kept]:
            self._holding.let_go(self._held.pop(step_id))


def _size(outcome: Event) -> int:
    return _counted(outcome.payload or b"")


def _counted(payload: bytes) -> int:
    size = len(payload)
    return size if size >= limits.HELD_BYTES_MIN else 0
