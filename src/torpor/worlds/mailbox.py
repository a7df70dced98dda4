"""
Messages to runs, as pure functions like :mod:`.rules`.

A message is an event of the run's log, and so an input: the VM gets it whether its code waits or not, keeps it, and
hands messages of one name out in the order of the log. Nothing else is stored of one but its id. What the code has
received is told by the commits of its turns, as a number.
"""

from __future__ import annotations

from torpor import limits
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Event
from torpor.worlds import refusals
from torpor.worlds.draft import MAILBOX, Changes, Draft


def send(entities: Entities, name: str, payload: bytes, message_id: str, now: int) -> Changes:
    """
    Give a run a message and wake it; waits that are due by now come first in the log.

    Raises:
        RunEndedError: the run has ended.
        LimitExceededError: too many messages wait in it already.
    """
    run = entities.run
    if run.status in RUN_TERMINAL:
        raise refusals.mailbox_closed(run.id, run.status)
    if (waiting := run.sent - run.received) >= limits.MESSAGES_WAITING_MAX:
        raise refusals.mailbox_full(run.id, waiting)
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(Event("message_sent", now, name=name, ref=message_id, payload=payload))
    draft.wake(now)
    return draft.changes(resumed=(MAILBOX, message_id))
