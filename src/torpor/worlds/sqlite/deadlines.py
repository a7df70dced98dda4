"""Runs whose deadline has passed: who looks for work, or shows that it lives, ends them on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from torpor.errors import DamagedError, EntityConflictError
from torpor.model import Notice
from torpor.worlds import operations
from torpor.worlds.sqlite.answers import converse
from torpor.worlds.sqlite.store import Store

OVERDUE: Final = "deadline > 0 AND status < 2 AND deadline"
"""Begins a comparison of the deadlines of live runs, as the index ``runs_deadline`` has them."""

_AT_ONCE: Final = 100
_FIND: Final = f"SELECT k FROM runs WHERE {OVERDUE} <= ? ORDER BY deadline LIMIT {_AT_ONCE}"


def expire(store: Store, now: int) -> Notice | None:
    """End as many as one transaction should; who is damaged is left alone. Return whom to tell, None for nobody."""
    ended = 0
    for (k,) in store.db.execute(_FIND, (now,)).fetchall():
        with suppress(DamagedError, EntityConflictError):
            converse(store, operations.expire(store.run_at(k).id, now, store.url))
            ended += 1
    return Notice(None, work=True, ended=True) if ended else None
