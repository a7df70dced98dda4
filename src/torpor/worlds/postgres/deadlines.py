"""What has missed its deadline: who looks for work, or shows that it lives, ends it on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from torpor.errors import EntityConflictError, RunNotFoundError
from torpor.model import Notice
from torpor.worlds import operations
from torpor.worlds.postgres.answers import converse
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import Operation
from torpor.worlds.server_times import Times

_RUNS: Final = "FROM torpor.runs r WHERE r.deadline > 0 AND r.ended_at = 0 AND r.deadline"
_STEPS: Final = "FROM torpor.steps s WHERE s.gives_up_at > 0 AND s.gives_up_at"
OVERDUE: Final = f"EXISTS (SELECT 1 {_RUNS} <= {{now}}) OR EXISTS (SELECT 1 {_STEPS} <= {{now}})"
NEXT_DEADLINE: Final = (
    f"least((SELECT min(r.deadline) {_RUNS} > {{now}}), (SELECT min(s.gives_up_at) {_STEPS} > {{now}}))"
)
_AT_ONCE: Final = 100
_FIND: Final = f"SELECT r.id {_RUNS} <= %s ORDER BY r.deadline, r.n LIMIT {_AT_ONCE}"
_FIND_STEPS: Final = f"SELECT s.run, s.id {_STEPS} <= %s ORDER BY s.gives_up_at, s.n, s.id LIMIT {_AT_ONCE}"


def expire(store: Store, times: Times) -> Notice | None:
    """End some of it, each in a transaction of its own. Return whom to tell, None for nobody."""
    now = times.clock.now()
    overdue, waiting = store.connection.ask((_FIND, (now,)), (_FIND_STEPS, (now,)))
    runs = sum(_ends(store, operations.expire(run_id, now, store.url)) for (run_id,) in overdue)
    steps = sum(_ends(store, operations.give_up(run_id, step_id, now, store.url)) for run_id, step_id in waiting)
    return Notice(None, work=True, ended=runs > 0) if runs or steps else None


def _ends(store: Store, operation: Operation[Any]) -> bool:
    with suppress(EntityConflictError, RunNotFoundError):  # somebody else was quicker
        converse(store, operation)
        return True
    return False
