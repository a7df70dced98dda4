"""
Runs that go to another world: pure rules, as :mod:`.rules` are.

A run leaves in three transactions, and nothing happens in it here from the first one on::

    leave     it is marked with where it goes (:data:`torpor.attributes.LEAVING`): nobody claims it or a step of it any
              more, and whoever does something to it is refused
              … its parcel is stored in the other world …
    left      it is marked as gone (:data:`torpor.attributes.MOVED`)
    delete    all but its name goes (:mod:`.erasing`), so that nobody starts it here again

Whoever dies in between does the same again. The mark is an attribute, because every world keeps those with the run, and
people find runs by them.
"""

from __future__ import annotations

from msgspec.structs import replace

from torpor.attributes import LEAVING, MOVED, VALUE_BYTES_MAX
from torpor.model import Entities, Run, Step
from torpor.worlds import refusals
from torpor.worlds.draft import Changes, due


def whereto(run: Run) -> str:
    """Return the world that a run has left for, ``""`` when it is here."""
    marks = run.attributes
    return (marks.get(LEAVING) or marks.get(MOVED, "")) if marks else ""


def leave(entities: Entities, where: str) -> Changes | None:
    """
    Let nothing happen in a run any more, which goes to another world; None when it is so already.

    Raises:
        RunBusyError: somebody works on it.
        RunMovedError: it goes, or has gone, somewhere else.
    """
    run = entities.run
    where = where.encode()[:VALUE_BYTES_MAX].decode(errors="ignore")
    if run.attributes.get(LEAVING) == where:
        return None
    if whereto(run):
        raise refusals.moved(run.id, whereto(run))
    if run.worker or any(step.worker for step in entities.steps.values()):
        raise refusals.busy(run.id)
    steps: dict[str, Step | None] = {
        step.id: replace(step, ready_at=None) for step in entities.steps.values() if step.ready_at is not None
    }
    gone = replace(run, attributes={**run.attributes, LEAVING: where}, ready_at=None, epoch=run.epoch + 1)
    return Changes(gone, run, steps=steps)


def stay(entities: Entities, now: int) -> Changes:
    """
    Let a run go on here that was about to leave; its turn is ready at once, which does no harm.

    Raises:
        EntityConflictError: it was not about to leave.
    """
    run = entities.run
    if LEAVING not in run.attributes:
        raise refusals.not_leaving(run.id)
    here = stayed(entities, now)
    return Changes(replace(here.run, epoch=run.epoch + 1), run, steps={**here.steps})


def left(run: Run) -> Changes | None:
    """
    Note that a run is in the other world, so that its name is all that is kept here; None when that was noted.

    Raises:
        EntityConflictError: it was not about to leave.
    """
    if MOVED in run.attributes:
        return None
    if LEAVING not in run.attributes:
        raise refusals.not_leaving(run.id)
    marks = {name: value for name, value in run.attributes.items() if name != LEAVING}
    marks[MOVED] = run.attributes[LEAVING]
    return Changes(replace(run, attributes=marks, deadline=0, slot="", epoch=run.epoch + 1), run)


def stayed(entities: Entities, now: int) -> Entities:
    """Return a run without the mark that it leaves, as ready as it was: where it has arrived, or stays."""
    run = entities.run
    if LEAVING not in run.attributes:
        return entities
    marks = {name: value for name, value in run.attributes.items() if name != LEAVING}
    run = replace(run, attributes=marks)
    if run.ended_at or run.paused:
        return replace(entities, run=run)
    steps = {
        step.id: replace(step, ready_at=due(step.queued_at, now)) if step.task and step.status != "blocked" else step
        for step in entities.steps.values()
    }
    return replace(entities, run=replace(run, ready_at=due(run.starts_at, now), queued_at=now), steps=steps)
