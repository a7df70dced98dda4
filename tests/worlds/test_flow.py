"""Who may begin in a queue: the rules, against a model that remembers all that ever began."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from torpor.errors import ConfigurationError
from torpor.limits import QUEUE_LIMIT_MAX
from torpor.model.flow import Limits, QueueState
from torpor.worlds import flow
from torpor.worlds.flow import Room, Waiting

T = 1_700_000_000_000
KEYS = st.sampled_from(["", "anna", "bert", "cleo", "dora"])
ITEMS = st.lists(st.tuples(st.integers(-1, 1), KEYS, st.integers(0, 5), st.integers(1, 4)), max_size=20)


def waiting(items: list[tuple[int, str, int, int]]) -> list[Waiting[int]]:
    """Return what waits, numbered in the order in which it was put in."""
    return [Waiting(rank, key, (at, n), weight, n) for n, (rank, key, at, weight) in enumerate(items)]


def room(limits: Limits, held: dict[str, int] | None = None, here: int = 0, now: int = T) -> Room:
    """Return a room in which so many of each key have a slot."""
    held = held or {}
    return Room(QueueState("", "mail", limits), now, sum(held.values()), here, lambda key: held.get(key, 0))


limits = st.builds(
    Limits,
    concurrency=st.integers(0, 8),
    per_worker=st.integers(0, 5),
    per_key=st.integers(0, 3),
    rate=st.integers(0, 12),
)


@given(ITEMS, limits, st.dictionaries(KEYS, st.integers(0, 3)), st.integers(0, 3), st.integers(0, 12))
@settings(deadline=None)
def test_no_limit_is_ever_passed(
    items: list[tuple[int, str, int, int]], limits: Limits, held: dict[str, int], here: int, most: int
) -> None:
    """And what may begin does: whatever was left out would have passed one."""
    here = min(here, sum(held.values()))
    mine = room(limits, held, here)
    dealt = flow.deal(waiting(items), mine, "", most)
    keys = Counter(each.key for each in dealt) + Counter(held)
    begun = {each.item for each in dealt}
    assert len(begun) == len(dealt) <= most
    if dealt:
        assert not limits.concurrency or sum(held.values()) + len(dealt) <= max(limits.concurrency, sum(held.values()))
        assert not limits.per_worker or here + len(dealt) <= limits.per_worker
        assert all(not limits.per_key or keys[each.key] <= limits.per_key for each in dealt)
        weight = sum(each.weight for each in dealt)
        assert not limits.rate or weight <= limits.rate or len(dealt) == 1
    if len(dealt) < most:
        left = [each for each in waiting(items) if each.item not in begun]
        left.sort(key=lambda each: (each.rank, each.place))
        first = {(each.rank, each.key): each for each in reversed(left)}
        assert not any(mine.admits(each.key, each.weight) for each in first.values())


@given(ITEMS, st.integers(0, 20), KEYS)
@settings(deadline=None)
def test_keys_take_turns(items: list[tuple[int, str, int, int]], most: int, served: str) -> None:
    """Of one priority none gets two more than another that waits still; of one key what was ready first comes first."""
    dealt = flow.deal(waiting(items), room(Limits()), served, most)
    assert [each.rank for each in dealt] == sorted(each.rank for each in dealt)
    for rank in {each.rank for each in waiting(items)}:
        here = [each for each in waiting(items) if each.rank == rank]
        got = [each for each in dealt if each.rank == rank]
        counts = Counter(each.key for each in got)
        for key in {each.key for each in here}:
            mine = sorted((each for each in here if each.key == key), key=lambda each: each.place)
            assert [each.item for each in got if each.key == key] == [each.item for each in mine[: counts[key]]]
            if counts[key] < len(mine):
                assert max(counts.values(), default=0) <= counts[key] + 1
    assert [(each.rank, each.place) for each in dealt] == sorted((each.rank, each.place) for each in dealt)


def test_the_next_claim_begins_behind_the_key_that_was_served_last() -> None:
    """So that claims of one take turns as well."""
    items = waiting([(0, key, 0, 1) for key in ("anna", "bert", "cleo")] * 3)
    served, order = "", []
    for _ in range(9):
        [one] = flow.deal(items, room(Limits()), served, 1)
        items = [each for each in items if each.item != one.item]
        served = one.key
        order.append(one.key)
    assert order == ["anna", "bert", "cleo"] * 3


@given(
    st.integers(1, 10),
    st.integers(20, 5_000),
    st.lists(st.tuples(st.integers(0, 1_500), st.integers(1, 12)), min_size=1, max_size=40),
)
@settings(deadline=None)
def test_no_period_has_more_than_its_rate(rate: int, period_ms: int, asked: list[tuple[int, int]]) -> None:
    """Wherever a period begins, unless one thing alone is heavier; what is held back is told when to try again."""
    state = QueueState("", "mail", Limits(rate=rate, period_ms=period_ms))
    begun: list[tuple[int, int]] = []
    now = T
    for pause, weight in asked:
        now += pause
        mine = Room(state, now, 0, 0, lambda _: 0)
        if mine.admits("", weight):
            begun.append((now, weight))
            state = flow.begun(state, now, [("", weight)])
            continue
        assert mine.retry_at is not None
        assert now < mine.retry_at <= now + 2 * period_ms
        while not (mine := Room(state, now, 0, 0, lambda _: 0)).admits("", weight):
            assert mine.retry_at is not None
            now = mine.retry_at
        begun.append((now, weight))
        state = flow.begun(state, now, [("", weight)])
    for first, _ in begun:
        within = [weight for at, weight in begun if first <= at < first + period_ms]
        assert sum(within) <= rate or len(within) == 1
    assert len(state.spent) <= flow.PARTS + 2


def test_what_was_told_to_be_less_gives_room_back() -> None:
    """And what was more takes it, for as long as anything that begins now."""
    state = QueueState("", "mail", Limits(rate=10))
    state = flow.begun(state, T, [("", 8)])
    assert not Room(state, T, 0, 0, lambda _: 0).admits("", 5)
    less = replace(state, spent=flow.add_spent(state, T + 1, -4))
    assert Room(less, T + 1, 0, 0, lambda _: 0).admits("", 5)
    more = replace(less, spent=flow.add_spent(less, T + 2, 100))
    assert not Room(more, T + 900, 0, 0, lambda _: 0).admits("", 1)
    assert Room(more, T + 1_060, 0, 0, lambda _: 0).admits("", 1)


@pytest.mark.parametrize(
    ("name", "limits", "words"),
    [
        ("mail", Limits(concurrency=-1), "concurrency=-1"),
        ("mail", Limits(per_key=QUEUE_LIMIT_MAX + 1), f"per_key={QUEUE_LIMIT_MAX + 1}"),
        ("mail", Limits(period_ms=19), "shorter than 20 ms"),
        ("", Limits(), "no name of a queue"),
        ("m" * 257, Limits(), "no name of a queue"),
    ],
)
def test_limits_have_limits(name: str, limits: Limits, words: str) -> None:
    """The message names the one that is passed."""
    with pytest.raises(ConfigurationError, match="a name" if "name" in words else words):
        flow.check_limits(name, limits)
