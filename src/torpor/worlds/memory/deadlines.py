"""What has missed its deadline: who looks for work, or shows that it lives, ends it on the way."""

from __future__ import annotations

from torpor.model import Notice
from torpor.worlds import operations
from torpor.worlds.memory.store import Store
from torpor.worlds.requests import converse


def expire(store: Store, now: int) -> Notice | None:
    """End the runs whose deadline has passed, and the steps that have waited too long; return whom to tell."""
    expired = [run_id for run_id, deadline in store.deadlines.items() if deadline <= now]
    for run_id in expired:
        converse(operations.expire(run_id, now, store.url), store.answer)
    overdue = sorted((at, store.runs[place[0]].n, place) for place, at in store.giving_up.items() if at <= now)
    for _, _, (run_id, step_id) in overdue:
        converse(operations.give_up(run_id, step_id, now, store.url), store.answer)
    return Notice(None, work=True, ended=bool(expired)) if expired or overdue else None
