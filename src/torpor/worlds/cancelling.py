"""
What a cancellation does to a run: pure rules, as :mod:`.rules` are.

A run whose code can be told, and may clean up, is *asked*: ``run_cancelling`` is an input like any other, so that a
replay meets it at the same place. From then on the run ends as cancelled, whatever its code returns or raises, and at
``cancel_by`` at the latest: the turn sees to that. Every other run ends at once, and so does one that is forced to.
"""

from __future__ import annotations

from torpor.model import Entities, Event
from torpor.worlds.draft import Changes, Draft


def cancel(entities: Entities, reason: str, now: int, *, force: bool = False) -> Changes | None:
    """
    Ask a run to end, or end it from outside and fence its worker off; None when it is asked already.

    Raises:
        EntityConflictError: it has ended already.
    """
    run = entities.run
    if ends_at_once(entities, force=force):
        draft = Draft(entities)
        draft.append(Event("run_cancelled", now, ref=reason))
        return draft.changes(epoch=run.epoch + 1)
    if run.cancel_by:
        return None
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(Event("run_cancelling", now, due=now + run.cleanup_ms, ref=reason))
    draft.wake(now)
    return draft.changes()


def ends_at_once(entities: Entities, *, force: bool) -> bool:
    """Return whether a run ends at once: it is forced to, has not begun, or has no code that can be told."""
    run = entities.run
    return force or run.status != "running" or not run.cleanup_ms
