"""
What people and clocks do to a run from outside: rules as those of :mod:`.rules`.

::

    expire   the end because its deadline has passed                set_attributes   what is said of it
"""

from __future__ import annotations

import msgspec

from torpor.attributes import Attributes, check_total
from torpor.model import Entities, Event
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
