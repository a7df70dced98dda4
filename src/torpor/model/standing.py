"""
What of a log still holds: a run that failed and was retried goes on as if some of it had not happened.

A ``run_retried`` says which event is taken back (``ref``), and from which op on what was asked for is void (``op``, 0
for none): that is what workflow code did because of the failure. All of it stays in the log, for people.
"""

from __future__ import annotations

from collections.abc import Sequence

from torpor.lifecycle import RUN_ENDINGS
from torpor.model.log import Event


def standing(events: Sequence[Event]) -> Sequence[Event]:
    """Return the events of a log, or of its end, that a replay meets and rows go by."""
    if not any(event.type == "run_retried" for event in events):
        return events
    kept: list[Event] = []
    for event in events:
        if event.type == "run_retried":
            kept = [each for each in kept if _stands(each, event)]
        kept.append(event)
    return kept


def _stands(event: Event, retried: Event) -> bool:
    since = int(retried.ref)
    if event.seq < since:
        return True
    # A timer that was left because of the failure is there again.
    void = event.seq == since or event.type in RUN_ENDINGS or event.type == "wait_disposed"
    return not void and not (retried.op and event.op >= retried.op)
