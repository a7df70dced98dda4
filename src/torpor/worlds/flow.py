"""
Who may begin in a queue, and in which order: pure functions, as :mod:`.rules` are.

A *slot* is no thing of its own. A step has one while it is claimed; a run from its first claim to its end, or, where
its queue says so, while its turn is claimed. So a slot comes back with the claim or the end, whoever dies.

Within a queue what has a higher priority comes first; of equals the keys take turns, and of one key what was ready
first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from torpor.errors import ConfigurationError
from torpor.limits import KEY_CHARS_MAX, QUEUE_LIMIT_MAX
from torpor.model.flow import Limits, QueueState

T = TypeVar("T")

PARTS: Final = 20
"""
A rate is counted by parts of its period. What began in a part counts until a whole period after the part's end, so that
no period ever has more; a twentieth of the rate may be lost.
"""


class Waiting(msgspec.Struct, Generic[T], frozen=True):
    """
    Something that waits for a slot and is ready.

    Attributes:
        rank: what is of a lower one comes first.
        key: of whom it is.
        place: since when it is ready, and what tells it from others that are ready since then.
        weight: how much of a rate it takes.
        item: what it is.
    """

    rank: int
    key: str
    place: tuple[Any, ...]
    weight: int
    item: T


class Room:
    """
    What is left of a queue's limits, while a claim takes from it.

    Args:
        state: the queue.
        now: the time.
        held: how many hold a slot.
        here: how many of them at the worker who asks.
        held_of: how many of them are of a key.

    Attributes:
        limits: the queue's.
        retry_at: when a rate lets something begin that it has held back, None when it has held back nothing.
    """

    def __init__(self, state: QueueState, now: int, held: int, here: int, held_of: Callable[[str], int]) -> None:
        self.limits = state.limits
        self.retry_at: int | None = None
        self._state = state
        self._now = now
        self._held = held
        self._here = here
        self._held_of = held_of
        self._keys: dict[str, int] = {}
        self._taken = 0

    @property
    def is_full(self) -> bool:
        """Whether no slot is left, of whatever key; when one is, its owner tells, and no time does."""
        limits = self.limits
        full = bool(limits.concurrency) and self._held >= limits.concurrency
        return full or (bool(limits.per_worker) and self._here >= limits.per_worker)

    def admits(self, key: str, weight: int) -> bool:
        """Return whether this may begin now; if a rate is against it, :attr:`retry_at` is when to ask again."""
        if self.is_full or (self.limits.per_key and self._of(key) >= self.limits.per_key):
            return False
        return not self._is_spent(weight)

    def take(self, key: str, weight: int) -> None:
        """Let it begin."""
        self._held += 1
        self._here += 1
        self._keys[key] = self._of(key) + 1
        self._taken += weight

    def _of(self, key: str) -> int:
        if key not in self._keys:
            self._keys[key] = self._held_of(key)
        return self._keys[key]

    def _is_spent(self, weight: int) -> bool:
        rate = self.limits.rate
        if not rate:
            return False
        # What is heavier than the rate begins when nothing else has, instead of never.
        room = max(0, rate - min(weight, rate))
        lately = [*recent(self._state, self._now), (self._now // self._part_ms * self._part_ms, self._taken)]
        spent = sum(each for _, each in lately)
        if spent <= room:
            return False
        left = spent
        for begun, each in lately:
            left -= each
            if left <= room:
                at = begun + self._part_ms + self.limits.period_ms
                self.retry_at = at if self.retry_at is None else min(self.retry_at, at)
                break
        return True

    @property
    def _part_ms(self) -> int:
        return part_ms(self.limits)


def deal(waiting: Iterable[Waiting[T]], room: Room, served: str, most: int) -> list[Waiting[T]]:
    """
    Return what begins now, as the keys take turns.

    Their places in the queue are dealt anew, so that the order among keys holds beside what is in other queues.

    Args:
        waiting: what is ready.
        room: what the queue allows; what is returned has been taken from it.
        served: key of what began last.
        most: how many at the most.
    """
    chosen: list[Waiting[T]] = []
    ranks: dict[int, dict[str, list[Waiting[T]]]] = {}
    for each in sorted(waiting, key=lambda each: (each.rank, each.key, each.place)):
        ranks.setdefault(each.rank, {}).setdefault(each.key, []).append(each)
    for rank in sorted(ranks):
        keys = sorted(ranks[rank], key=lambda key: (key <= served, key))
        hands = [ranks[rank][key] for key in keys]
        dealt: list[Waiting[T]] = []
        while hands and len(chosen) + len(dealt) < most:
            left = []
            for hand in hands:
                if len(chosen) + len(dealt) == most or not room.admits(hand[0].key, hand[0].weight):
                    continue
                room.take(hand[0].key, hand[0].weight)
                dealt.append(hand[0])
                if hand[1:]:
                    left.append(hand[1:])
            hands = left
        places = sorted(each.place for each in dealt)
        chosen += [replace(each, place=place) for each, place in zip(dealt, places, strict=True)]
    return chosen


def begun(state: QueueState, now: int, claimed: Sequence[tuple[str, int]]) -> QueueState:
    """Return a queue once what was claimed has begun, given as keys and weights in their order."""
    weight = sum(weight for _, weight in claimed)
    spent = add_spent(state, now, weight) if state.limits.rate else ()
    return replace(state, spent=spent, served=claimed[-1][0])


def part_ms(limits: Limits) -> int:
    """Return how long the parts are by which a rate is counted."""
    return max(1, limits.period_ms // PARTS)


def recent(state: QueueState, now: int) -> list[tuple[int, int]]:
    """
    Return what has begun so lately that it counts.

    What began in the future of a clock that was put back since counts for a period, and no longer.
    """
    part, period = part_ms(state.limits), state.limits.period_ms
    return [(begun, each) for begun, each in state.spent if now - part - period < begun <= now + period]


def add_spent(state: QueueState, now: int, weight: int) -> tuple[tuple[int, int], ...]:
    """Return what counts against a queue's rate once *weight* more has begun; less than 0 gives something back."""
    part = part_ms(state.limits)
    begun = now // part * part
    lately = dict(recent(state, now))
    lately[begun] = max(0, lately.get(begun, 0) + weight)
    return tuple(sorted(lately.items()))


def check_limits(name: str, limits: Limits) -> None:
    """
    Check what a queue is to allow.

    Raises:
        ConfigurationError: a number is out of bounds; the message says which.
    """
    for field in ("concurrency", "per_worker", "per_key", "rate"):
        number = getattr(limits, field)
        if not 0 <= number <= QUEUE_LIMIT_MAX:
            raise ConfigurationError(f"queue {name!r}: {field}={number}; 0 (no limit) to {QUEUE_LIMIT_MAX} are allowed")
    if limits.period_ms < PARTS:
        raise ConfigurationError(f"queue {name!r}: a period of {limits.period_ms} ms is shorter than {PARTS} ms")
    check_key(name, "a name")


def check_key(key: str, what: str) -> None:
    """
    Check the name of a queue or a key in one.

    Raises:
        ConfigurationError: it is empty, or too long.
    """
    if not 0 < len(key) <= KEY_CHARS_MAX:
        raise ConfigurationError(f"{key[:50]!r} is no {what} of a queue; 1 to {KEY_CHARS_MAX} characters are allowed")


def first_retry(rooms: Sequence[Room]) -> int | None:
    """Return when a rate lets something begin that it has held back, None when none has."""
    return min((room.retry_at for room in rooms if room.retry_at is not None), default=None)
