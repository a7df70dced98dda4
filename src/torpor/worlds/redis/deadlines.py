"""What has missed its deadline: who looks for work, or shows that it lives, ends it on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from torpor.errors import EntityConflictError, RunNotFoundError
from torpor.model import Notice
from torpor.worlds import operations
from torpor.worlds.redis.answers import carry_out, converse
from torpor.worlds.redis.keys import parted, text
from torpor.worlds.redis.store import Store
from torpor.worlds.requests import Operation

_AT_ONCE: Final = 100


def next_deadline(store: Store) -> tuple[tuple[Any, ...], ...]:
    """Return what asks when the next deadlines are, of a run and of a step."""
    keys = store.keys
    return tuple(("ZRANGE", key, 0, 0, "WITHSCORES") for key in (keys.deadlines, keys.giving_up))


def first_of(*found: list[bytes]) -> int | None:
    """Return the earliest of the deadlines that :func:`next_deadline` has found."""
    return min((int(float(each[1])) for each in found if each), default=None)


def expire(store: Store, now: int) -> Notice | None:
    """End some of it, each in a transaction of its own. Return whom to tell, None for nobody."""
    keys, some = store.keys, ("LIMIT", 0, _AT_ONCE)
    overdue, waiting = store.connection.ask(
        ("ZRANGEBYSCORE", keys.deadlines, "-inf", now, *some),
        ("ZRANGEBYSCORE", keys.giving_up, "-inf", now, "WITHSCORES", *some),
    )
    runs = sum(_ends(store, operations.expire, text(run_id), now, store.url) for run_id in overdue)
    steps = []
    for place, at in zip(waiting[::2], waiting[1::2], strict=True):
        run_id, step_id = parted(place)
        steps.append((float(at), run_id, step_id))
    numbers = {row.run.id: row.n for row in store.rows(sorted({run_id for _, run_id, _ in steps}))}
    steps.sort(key=lambda each: (each[0], numbers.get(each[1], 0), each[2]))  # as every world
    given_up = sum(_ends(store, operations.give_up, run_id, step_id, now, store.url) for _, run_id, step_id in steps)
    return Notice(None, work=True, ended=runs > 0) if runs or given_up else None


def _ends(store: Store, begin: Any, *about: Any) -> bool:
    def act(store: Store) -> Any:
        operation: Operation[Any] = begin(*about)
        return converse(store, operation)

    try:
        with suppress(EntityConflictError, RunNotFoundError):  # somebody else was quicker
            carry_out(store, act)
            return True
        return False
    finally:
        store.begin()
