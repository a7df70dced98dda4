"""What has missed its deadline: who looks for work, or shows that it lives, ends it on the way."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from torpor.errors import DamagedError, EntityConflictError
from torpor.model import Notice
from torpor.worlds import operations
from torpor.worlds.requests import Operation
from torpor.worlds.sqlite.answers import converse
from torpor.worlds.sqlite.sound import NUMBER_MAX
from torpor.worlds.sqlite.store import Store

_RUNS: Final = "deadline > 0 AND status < 2 AND deadline"
_STEPS: Final = "gives_up_at > 0 AND gives_up_at"
"""Begin comparisons as the indexes ``runs_deadline`` and ``steps_giving_up`` have them."""

OVERDUE: Final = (
    f"exists (SELECT 1 FROM runs WHERE {_RUNS} <= :now) OR exists (SELECT 1 FROM steps WHERE {_STEPS} <= :now)"
)
"""Whether anything is."""

NEXT: Final = (
    f"(SELECT min(at) FROM (SELECT min(deadline) AS at FROM runs WHERE {_RUNS} > :now AND deadline <= {NUMBER_MAX} "
    f"UNION ALL SELECT min(gives_up_at) FROM steps WHERE {_STEPS} > :now AND gives_up_at <= {NUMBER_MAX}))"
)
"""When the next one will be."""

_AT_ONCE: Final = 100
_FIND: Final = f"SELECT k FROM runs WHERE {_RUNS} <= ? ORDER BY deadline LIMIT {_AT_ONCE}"
_FIND_STEPS: Final = f"SELECT run, id FROM steps WHERE {_STEPS} <= ? ORDER BY gives_up_at, run, id LIMIT {_AT_ONCE}"


def expire(store: Store, now: int) -> Notice | None:
    """End as many as one transaction should; who is damaged is left alone. Return whom to tell, None for nobody."""
    runs = sum(
        _ends(store, k, lambda run_id: operations.expire(run_id, now, store.url))
        for (k,) in store.db.execute(_FIND, (now,)).fetchall()
    )
    steps = sum(
        _ends(store, k, lambda run_id, step_id=step_id: operations.give_up(run_id, step_id, now, store.url))
        for k, step_id in store.db.execute(_FIND_STEPS, (now,)).fetchall()
    )
    return Notice(None, work=True, ended=runs > 0) if runs or steps else None


def _ends(store: Store, k: int, ending: Any) -> bool:
    with suppress(DamagedError, EntityConflictError):
        operation: Operation[Any] = ending(store.run_at(k).id)
        converse(store, operation)
        return True
    return False
