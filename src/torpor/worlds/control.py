"""
What people and clocks do to a run from outside: rules as those of :mod:`.rules`.

::

    expire           the end because its deadline has passed        pause      nothing happens in it for now
    set_attributes   what is said of it                             wake_up    timers end early
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from torpor.attributes import Attributes, check_total
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Event
from torpor.worlds import refusals
from torpor.worlds.draft import Changes, Draft


def expire(entities: Entities, now: int) -> Changes:
    """
    End a run whose deadline has passed as failed, and fence its worker off.

    Raises:
        EntityConflictError: it has ended already.
    """
    draft = Draft(entities)
    draft.append(Event("run_failed", now, name="DEADLINE_EXCEEDED", due=entities.run.deadline))
    return draft.changes(epoch=entities.run.epoch + 1)


def pause(entities: Entities, paused: bool, now: int) -> Changes | None:
    """
    Let nothing happen in a run for now, or let it go on; None if it is so already.

    Who works on it keeps the claim until its next commit, so that the steps that it runs are handed over.

    Raises:
        EntityConflictError: it has ended, or is being cancelled and to be paused.
    """
    if paused and entities.run.cancel_by:
        raise refusals.is_cancelled(entities.run.id)
    draft = Draft(entities)
    draft.append(Event("run_paused" if paused else "run_unpaused", now))
    return None if entities.run.paused == paused else draft.changes()


def wake_up(entities: Entities, wait_ids: Collection[str] | None, now: int) -> Changes:
    """
    End timers of a run before their time: all that are open, or those with these ids.

    Raises:
        EntityConflictError: it has ended.
    """
    if entities.run.status in RUN_TERMINAL:
        raise refusals.ended("wait_completed", entities.run.id, entities.run.status)
    draft = Draft(entities)
    waits = [wait for wait in entities.waits.values() if wait_ids is None or wait.id in wait_ids]
    for wait in sorted(waits, key=lambda wait: (wait.due, wait.op)):
        draft.append(Event("wait_completed", now, wait.id, op=wait.op))
    if waits:
        draft.wake(now)
    return draft.changes()


def set_attributes(entities: Entities, attributes: Attributes, now: int) -> Changes:
    """
    Change a run's attributes; nobody is woken for it.

    Raises:
        EntityConflictError: it has ended.
        LimitExceededError: it would have too many.
    """
    draft = Draft(entities)
    draft.append(Event("attr_set", now, ref=msgspec.json.encode(attributes, order="sorted").decode()))
    changes = draft.changes()
    check_total(changes.run.attributes)
    return changes
