"""Who works on what: pure functions, as :mod:`.rules` are, that change no more than who has a turn or a step task."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from torpor.limits import DEPLOYMENTS_KEPT
from torpor.model import NOW, ClaimRequest, Entities, Event, Run, RunState, Step, Task
from torpor.model.flow import Asleep, Place, Slot
from torpor.tenant_names import step_queue_of, tenant_of


def fits_turn(request: ClaimRequest, run: Run) -> bool:
    """Return whether a request would take a run's turn."""
    return _fits(request, run, run.queue) and run.guest in request.guests


def fits_step(request: ClaimRequest, run: Run, step: Step) -> bool:
    """Return whether a request would take a step task of a run, whatever language the run is written in."""
    queue = run.queue if step.place is None else step.place.queue
    return _fits(request, run, queue) and step.name in request.steps and step.id not in request.left


def _fits(request: ClaimRequest, run: Run, queue: str) -> bool:
    queue_fits = request.queues is None or queue in request.queues
    return queue_fits and run.app in request.apps and run.key_id in request.key_ids


def claim(run: Run, worker_id: str, asleep: Asleep = "hold") -> Run:
    """
    Return a run whose turn *worker_id* has claimed; the fence rises.

    Args:
        run: the run.
        worker_id: whose it is now.
        asleep: what its queue says of slots of runs that sleep.
    """
    slot = run.slot and ("holds" if asleep == "hold" else "awake")
    return replace(run, worker=worker_id, epoch=run.epoch + 1, redeliveries=run.redeliveries + 1, slot=slot)


def slot_of_sleeping(run: Run) -> Slot:
    """Return what a run has of its queue once its turn is given up."""
    return "waits" if run.slot == "awake" else run.slot


def is_untouched(run: Run) -> bool:
    """Return whether nothing has happened to a run but its creation: its state is the run and one event."""
    return run.status == "pending" and run.head == 1


def turn_task(run: Run, created: Sequence[Event] = ()) -> Task:
    """
    Return what a worker is told of a run that it has claimed.

    Args:
        run: the run.
        created: the log of a run that is untouched, if it was read; its turn needs no more.
    """
    return Task(
        "turn",
        run.id,
        run.epoch,
        run.redeliveries,
        key_id=run.key_id,
        workflow=run.workflow,
        created_at=run.created_at,
        state=RunState(Entities(run), None, [*created]) if is_untouched(run) and len(created) == 1 else None,
    )


def release(run: Run, now: int) -> Run:
    """Return a run whose claim was taken from a worker that died; its turn is ready at once, unless it is paused."""
    ready_at, slot = _unless_paused(run, NOW), slot_of_sleeping(run)
    return replace(run, worker="", epoch=run.epoch + 1, ready_at=ready_at, queued_at=now, slot=slot)


def snooze(run: Run, until: int, why: str) -> Run:
    """Return a run whose claim was given back until later, without harm to it."""
    return replace(
        run,
        worker="",
        ready_at=_unless_paused(run, until),
        queued_at=until,
        redeliveries=0,
        snoozes=run.snoozes + 1,
        snoozed=why,
        slot=slot_of_sleeping(run),
    )


def claim_step(step: Step, request: ClaimRequest, now: int) -> Step:
    """Return a step task that a request has claimed, for its next attempt; nothing of the run changes."""
    return replace(
        step,
        status="running",
        attempt=step.attempt + 1,
        started_at=now,
        worker=request.worker_id,
        ready_at=None,
        epoch=step.epoch + 1,
        redeliveries=step.redeliveries + 1,
        snoozed="",
        once=step.name in request.once,
    )


def step_task(run: Run, step: Step) -> Task:
    """Return what a worker is told of a step that it has claimed; the step has its input."""
    return Task(
        kind="step",
        run_id=run.id,
        epoch=step.epoch,
        redeliveries=step.redeliveries,
        step_id=step.id,
        op=step.op,
        name=step.name,
        attempt=step.attempt,
        failures=step.failures,
        input=step.input or b"",
        signature=step.signature,
        key_id=run.key_id,
        workflow=run.workflow,
        created_at=run.created_at,
        queue=step.place.queue if step.place is not None else "",
        progress=step.progress,
        close_by=step.close_by,
    )


def release_step(run: Run, step: Step, now: int) -> Step:
    """
    Return a step task of a run whose claim was taken from a worker that died; where the attempt must not be made again,
    it waits for somebody who knows how it ended.
    """
    if step.once:
        why = lost_in(step.attempt)
        return replace(step, status="blocked", worker="", ready_at=None, epoch=step.epoch + 1, snoozed=why)
    place = place_of_next(run.id, step.place)
    return replace(step, worker="", ready_at=_unless_paused(run, NOW), queued_at=now, epoch=step.epoch + 1, place=place)


def place_of_next(run_id: str, place: Place | None) -> Place | None:
    """
    Return where a step of a run waits for another attempt, that was in a place: where all attempts of a tenant begin to
    wait, which may have a rate.
    """
    tenant = tenant_of(run_id)
    return Place(step_queue_of(tenant)) if tenant and place is not None else place


def lost_in(attempt: int) -> str:
    """Return why a step is blocked whose worker died."""
    return f"its worker died in attempt {attempt}, and nobody knows how that ended"


def snooze_step(run: Run, step: Step, until: int, why: str, place: Place | None = None) -> Step:
    """
    Return a step task that its worker gave back before the attempt began: that attempt does not count.

    Args:
        run: whose step it is.
        step: the step.
        until: when it is ready again.
        why: for people.
        place: where it waits from now on, None to leave it where it was.
    """
    return replace(
        step,
        status="retrying" if step.failures else "pending",
        attempt=step.attempt - 1,
        worker="",
        ready_at=_unless_paused(run, until),
        queued_at=until,
        redeliveries=0,
        snoozed=why,
        place=place or step.place,
        once=False,
    )


def _unless_paused(run: Run, at: int) -> int | None:
    return None if run.paused else at


def outdated(newest_first: Sequence[str], named: Collection[str]) -> list[str]:
    """
    Return the deployments of one application that a world forgets when another one is stored.

    Args:
        newest_first: ids of all that it has, the one that was just stored first.
        named: ids that rows of workers name.
    """
    return [deployment for deployment in newest_first[DEPLOYMENTS_KEPT:] if deployment not in named]
