"""
What an event does to a run: the rules that every world obeys, as pure functions.

::

    begin       a new run                         finish            how a step task's attempt ended
    turn        what a turn committed             archive           the log's beginning goes
    receive     a payload for a hook              forget_snapshot   the run is to be rebuilt from its log
    watched     another run's end, for a hook

A rule takes the entities of one moment and returns :class:`~torpor.worlds.draft.Changes`, or raises the refusal that
:mod:`torpor.worlds.refusals` words. It reads nothing, stores nothing and knows no clock: :mod:`.operations` asks a
store for what a rule needs, and hands the result to it. Who works on what is :mod:`.claims`; what people and clocks
do to runs is :mod:`.control`, and how runs are cancelled :mod:`.cancelling`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from torpor.lifecycle import INPUTS, RUN_TERMINAL, TRANSITIONS, EventType, entity_of
from torpor.model import (
    Commit,
    Committed,
    Entities,
    Event,
    NewRun,
    Run,
    Snapshot,
    Step,
    StepInfo,
    StepOutcome,
)
from torpor.worlds import refusals
from torpor.worlds.draft import Changes, Draft, after, due, watched_ended


def steps_of(run_id: str, events: Iterable[Event], open_steps: Iterable[Step]) -> list[StepInfo]:
    """
    Return the steps that a log tells of, as they stand, in the order of their ops.

    Args:
        run_id: whose they are.
        events: the log, or what is left of it.
        open_steps: the rows of those that are open: they know of attempts that have no outcome yet, and of what the log
            has forgotten.
    """
    found: dict[str, StepInfo] = {}
    for event in events:
        if event.type == "run_retried" and event.op:  # what was asked for because of the failure is void
            found = {name: step for name, step in found.items() if step.op < event.op or step.ended_at}
        if entity_of(event.type) != "step":
            continue
        before = found.get(event.id)
        status = TRANSITIONS[event.type][1]
        begun = event.type == "step_started" or (event.type == "step_created" and event.attempt > 0)
        step = before or StepInfo(run_id, event.id, event.op, event.name, status, event.attempt, created_at=event.at)
        found[event.id] = replace(
            step,
            status="running" if begun else status,
            attempt=max(step.attempt, event.attempt),
            started_at=step.started_at or (event.at if begun else 0),
            ended_at=event.at if status in ("completed", "failed", "cancelled") else 0,
        )
    for row in open_steps:
        known = found.get(row.id)
        found[row.id] = StepInfo(
            run_id,
            row.id,
            row.op,
            row.name,
            row.status,
            row.attempt,
            row.created_at,
            (known.started_at if known else 0) or row.started_at,
        )
    return sorted(found.values(), key=lambda step: step.op)


# A run's life


def begin(new: NewRun, now: int) -> Changes:
    """Return a run with its ``run_created`` event, ready at once or when it is to start."""
    run = Run(
        new.id,
        new.workflow,
        new.program,
        new.guest,
        new.runtime,
        "pending",
        new.seed,
        created_at=now,
        head=1,
        parent=new.parent,
        root=new.root,
        key_id=new.key_id,
        public=new.public,
        app=new.app,
        queue=new.queue,
        build=new.build,
        latest_at=now,
        ready_at=due(new.starts_at, now),
        queued_at=max(now, new.starts_at),
        priority=new.priority,
        starts_at=new.starts_at,
        deadline=new.deadline,
        attributes=new.attributes,
        cleanup_ms=new.cleanup_ms,
        cleanup_steps=new.cleanup_steps,
        detached=new.detached,
        key=new.key,
        slot="waits" if new.queue else "",
    )
    first = Event("run_created", now, seq=1, digest=new.digest, payload=new.input)
    return Changes(run, None, (first,), beside=new.program_bytes)


def same_start(new: NewRun, stored: Run, first: Event | None) -> bool:
    """
    Return whether *new* asks for the run that is there already.

    Equal digests stand for equal input, because encryption makes equal input different bytes.

    Args:
        new: what is asked for.
        stored: the run with that id.
        first: its ``run_created``; None when the beginning of its log was dropped, and the name must do.
    """
    same_input = first is None or new.input == first.payload or (new.digest != b"" and new.digest == first.digest)
    # A run without an application, which version 0.1.0 made, may have been anybody's.
    same_app = new.app == stored.app or "" in (new.app, stored.app)
    return new.workflow == stored.workflow and same_app and same_input


def archive(entities: Entities, snapshot: Snapshot | None, through: int, inputs: Mapping[int, bytes]) -> Changes:
    """
    Let the log begin after seq *through*, which only a snapshot makes up for; an ended run keeps how it ended.

    Args:
        entities: the run and all that is open.
        snapshot: its newest.
        through: seq of the last event to go.
        inputs: payloads of the ``step_created`` events that go and whose steps are open, by seq: the rows take them.

    Raises:
        EntityConflictError: the run needs the events: it is replayed, or no snapshot lies behind them.
    """
    run = entities.run
    if run.status in RUN_TERMINAL:
        through = min(through, run.head - 1)
    elif run.runtime == "replay":
        raise refusals.needs_log(run.id, "it runs in replay mode, which begins at its log's beginning")
    elif snapshot is None or snapshot.cursor < through:
        have = "it has no snapshot" if snapshot is None else f"its newest snapshot stands at event {snapshot.cursor}"
        raise refusals.needs_log(run.id, f"{have}, and the log was to go up to event {through}")
    steps: dict[str, Step | None] = {
        step.id: replace(step, input=inputs[step.seq])
        for step in entities.steps.values()
        if step.input is None and step.seq <= through
    }
    base = max(run.base, through)
    is_over = run.status == "completed"  # one that failed may be retried
    return Changes(replace(run, base=base), run, steps=steps, drop_snapshot=is_over, drop_log=True)


def forget_snapshot(run: Run) -> Changes:
    """
    Drop a run's snapshot, so that the run is rebuilt from its log.

    Raises:
        EntityConflictError: the run goes on, and its log does not begin at the beginning any more.
    """
    if run.base and run.status not in RUN_TERMINAL:
        raise refusals.needs_snapshot(run.id, run.base)
    return Changes(run, run, drop_snapshot=True)


# A turn's commit

_GIVEN_UP: Final[frozenset[EventType]] = frozenset(("wait_disposed", "step_cancelled"))
_OVER: Final[frozenset[EventType]] = frozenset(("wait_completed", "step_completed", "step_failed"))


def turn(
    entities: Entities,
    commit: Commit,
    *,
    foreign: Sequence[Event] = (),
    taken: Mapping[str, str] | None = None,
    over: Collection[str] = (),
) -> tuple[Changes, Committed]:
    """
    Return what a turn's commit changes, and the answer to it once that is stored.

    Args:
        entities: the run, claimed, and what is open in it.
        commit: what the turn produced.
        foreign: inputs that others appended after its expected head. The commit must not have inputs itself then.
        taken: tokens that it asks for and that others have, with their runs.
        over: runs that it wants to watch and that have ended or do not exist.

    Raises:
        LeaseLostError: the claim is somebody else's.
        EntityConflictError: the run has ended, or the lifecycle does not allow an event.
    """
    run = entities.run
    check_claim(run, commit.worker_id, commit.epoch)
    draft = Draft(entities, taken=taken or {}, over=over, once=commit.once)
    for event in commit.inputs:
        draft.append(event, consumed=True)
    over_already = {event.id for event in foreign if event.type in _OVER} if foreign else ()
    for event in commit.outputs:
        if event.type not in _GIVEN_UP or event.id not in over_already:  # else there is nothing to give up
            draft.append(event)
    answers = tuple([event for event in draft.events[len(commit.inputs) :] if event.type in INPUTS])
    ended = draft.status in RUN_TERMINAL
    for task in () if ended else commit.tasks:  # nobody is to carry out what comes with the end
        draft.hand_over(task, commit)
    parked = ended or (commit.park and (run.paused or _may_park(foreign, answers)))
    if parked and not ended:
        draft.park()
    snapshot = None
    if commit.snapshot is not None and not ended:
        snapshot = replace(commit.snapshot, cursor=_cursor(commit.expected_head, draft.head, foreign, answers))
    changes = draft.changes(
        build=commit.build or run.build,
        ops=commit.ops,
        logs=commit.logs,
        received=commit.received,
        receiving=() if ended else commit.receiving,
        cleanup_ms=0 if commit.deaf else run.cleanup_ms,
        cleanup_steps=_cleanup_steps(run, commit),
        redeliveries=0,
        snoozes=0,
        snoozed="",
        lines=commit.log_entries,
        snapshot=snapshot,
    )
    if commit.cpu_us:
        changes = replace(changes, cpu_us=commit.cpu_us)
    committed = Committed(
        stored=True,
        head=changes.run.head,
        foreign=tuple(foreign),
        answers=answers,
        parked=parked,
        held=after(entities, changes),
    )
    return changes, committed


def may_commit(run: Run, commit: Commit) -> bool:
    """Return whether a run may take a commit in: of a paused one only steps are handed over that run."""
    said = commit.inputs or commit.outputs or commit.snapshot or not commit.park
    return not run.paused or not (said or any(not task.claimed for task in commit.tasks))


def check_claim(run: Run, worker_id: str, epoch: int) -> None:
    """
    Check that a claim of a run's turn is still good.

    Raises:
        LeaseLostError: it is somebody else's.
        EntityConflictError: the run has ended while it was claimed.
    """
    if run.status in RUN_TERMINAL and run.epoch == epoch:
        raise refusals.commit_ended(run.id, run.status)
    if run.epoch != epoch or run.worker != worker_id:
        raise refusals.turn_lost(run.id, worker_id, epoch, run.epoch, run.worker)


def check_commit(run: Run, commit: Commit) -> None:
    """
    Check that a commit is of who has the run's turn, and of what its log has.

    Raises:
        LeaseLostError, EntityConflictError: as in :func:`check_claim`.
        DamagedError: its turn has seen more, which a server has forgotten that was restarted or replaced.
    """
    check_claim(run, commit.worker_id, commit.epoch)
    if run.head < commit.expected_head:
        raise refusals.forgotten(run.id, commit.expected_head - run.head)


def _cursor(expected_head: int, head: int, foreign: Sequence[Event], answers: Sequence[Event]) -> int:
    """
    Return the seq up to which the committing VM has consumed every input; a replay delivers the inputs after it.

    The VM has seen none of the *foreign* inputs, and none of its own outputs that are inputs (*answers*); the turn's
    own inputs, which it has seen, stand before those.
    """
    if foreign:
        return expected_head
    if answers:
        return answers[0].seq - 1
    return head


def _cleanup_steps(run: Run, commit: Commit) -> int:
    """Return how many steps a run may still ask for while it is being cancelled."""
    if not run.cancel_by:
        return run.cleanup_steps
    return max(0, run.cleanup_steps - sum(event.type == "step_created" for event in commit.outputs))


def _may_park(foreign: Sequence[Event], answers: Sequence[Event]) -> bool:
    """
    Return whether a turn that asks to park may: no input that could make its VM go on is waiting for it.

    A ``hook_created`` does not count: only the engine knows whether workflow code awaits it, and it does not ask
    to park then.
    """
    return not foreign and all(event.type == "hook_created" for event in answers)


# What comes from outside


def receive(entities: Entities, hook_id: str, payload: bytes, resume_id: str, now: int) -> Changes:
    """
    Give a payload to a live hook and wake its run; waits that are due by now come first in the log.

    Raises:
        EntityConflictError: the run has ended, or the hook is not live.
    """
    hook = entities.hooks[hook_id]
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(Event("hook_received", now, hook.id, op=hook.op, ref=resume_id, payload=payload))
    draft.wake(now)
    return draft.changes(resumed=(hook.token, resume_id))


def watched(entities: Entities, hook_id: str, ended_run: str, now: int) -> Changes:
    """Tell a live hook of the end of the run that it watches."""
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(watched_ended(hook_id, entities.hooks[hook_id].op, ended_run, now))
    draft.wake(now)
    return draft.changes()


def finish(entities: Entities, outcome: StepOutcome, now: int) -> Changes:
    """
    Record how a step task's attempt ended, and wake the run; or make the task ready again when the event's ``due`` is.

    Raises:
        LeaseLostError: the task is somebody else's now, or gone because the run or step has ended.
    """
    step = check_task(entities, outcome.step_id, outcome.worker_id, outcome.epoch)
    # Who did not learn that an outcome is stored may tell it again, and have the claim of the next attempt by then.
    if outcome.event.attempt != step.attempt:
        raise refusals.task_lost(entities.run.id, step.id, outcome.worker_id, outcome.epoch)
    draft = Draft(entities)
    draft.elapse(now)
    event = draft.append(replace(outcome.event, id=step.id, op=step.op, name=step.name))
    if event.type == "step_retrying":
        draft.requeue(step.id, event.due)
    elif event.type != "step_blocked":
        draft.wake(now)
    return draft.changes()


def give_up(entities: Entities, step_id: str, now: int) -> Changes:
    """
    End a step task that nobody has begun, or tries again, by its deadline as failed, and wake the run.

    Raises:
        EntityConflictError: it is not like that, or any more.
    """
    step = entities.steps.get(step_id)
    if step is None or entities.run.status in RUN_TERMINAL or not 0 < step.gives_up_at <= now:
        raise refusals.not_overdue(entities.run.id, step_id)
    missed = "close" if step.gives_up_at == step.close_by else "start"
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(
        Event(
            "step_failed",
            now,
            step.id,
            op=step.op,
            name=step.name,
            attempt=step.attempt,
            due=step.gives_up_at,
            ref=missed,
        )
    )
    draft.wake(now)
    return draft.changes()


def resolve(entities: Entities, step_id: str, event: Event, now: int) -> Changes:
    """
    Record what somebody has found out of a step of which nobody knew how it ended, and wake the run.

    Raises:
        EntityConflictError: the step is not blocked, or the run has ended.
    """
    step = entities.steps.get(step_id)
    if step is None or step.status != "blocked" or entities.run.status in RUN_TERMINAL:
        raise refusals.not_blocked(entities.run, step_id, step.status if step else None)
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(replace(event, id=step.id, op=step.op, name=step.name, attempt=step.attempt))
    draft.wake(now)
    return draft.changes()


def keep_progress(entities: Entities, step_id: str, attempt: int, progress: bytes) -> Step:
    """
    Return a step with what its newest attempt tells of its progress.

    Raises:
        LeaseLostError: the step has its outcome, or another attempt is its newest.
    """
    step = entities.steps.get(step_id)
    if step is None or step.status != "running" or step.attempt != attempt:
        raise refusals.attempt_over(entities.run.id, step_id, attempt)
    return replace(step, progress=progress)


def check_task(entities: Entities, step_id: str, worker_id: str, epoch: int) -> Step:
    """
    Return the step of a task, whose claim is still good.

    Raises:
        LeaseLostError: it is somebody else's, or gone because the run or step has ended.
    """
    step = entities.steps.get(step_id)
    if step is None or not step.task or step.epoch != epoch or step.worker != worker_id:
        raise refusals.task_lost(entities.run.id, step_id, worker_id, epoch)
    return step
