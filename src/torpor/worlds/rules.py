"""
What an event does to a run: the rules that every world obeys, as pure functions.

::

    begin       a new run                         finish      how a step task's attempt ended
    turn        what a turn committed             cancel      the end from outside
    receive     a payload for a hook              archive     the log's beginning goes
    watched     another run's end, for a hook     claim release snooze (and …_step): who works on what

A rule takes the entities of one moment and returns :class:`Changes`, or raises the refusal that
:mod:`torpor.worlds.refusals` words. It reads nothing, stores nothing and knows no clock: :mod:`.operations` asks a
store for what a rule needs, and hands the result to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar, cast

import msgspec
from msgspec.structs import replace

from torpor.lifecycle import INPUTS, RUN_ENDINGS, RUN_TERMINAL, TRANSITIONS, RunStatus, advance, entity_of
from torpor.limits import DEPLOYMENTS_KEPT
from torpor.model import (
    NOTHING,
    NOW,
    ClaimRequest,
    Commit,
    Committed,
    Entities,
    Event,
    Hook,
    LogEntry,
    NewRun,
    NewTask,
    Run,
    Snapshot,
    Step,
    StepInfo,
    StepOutcome,
    Task,
    Wait,
)
from torpor.worlds import refusals

T = TypeVar("T")


class Changes(msgspec.Struct, frozen=True):
    """
    What is to be stored of one run, all of it or nothing.

    Attributes:
        run: the run as it will be.
        before: the run as it was: the stored one must still have its :func:`fence`; None when there must be no such
            run. What differs between the two is what a store has to write.
        events: to be appended, with their seqs.
        steps, waits, hooks: rows to put, by id; None takes one away. A live hook that watches no run claims its token.
        resumed: (hook id, resume id) of a payload, to be recorded once.
        lines: log lines to add; those that are there already stay.
        snapshot: to take the place of the one there is.
        drop_snapshot: forget the one there is.
        drop_log: the log up to and including ``run.base`` goes.
    """

    run: Run
    before: Run | None
    events: tuple[Event, ...] = ()
    steps: dict[str, Step | None] = {}
    waits: dict[str, Wait | None] = {}
    hooks: dict[str, Hook | None] = {}
    resumed: tuple[str, str] | None = None
    lines: tuple[LogEntry, ...] = ()
    snapshot: Snapshot | None = None
    drop_snapshot: bool = False
    drop_log: bool = False

    @property
    def ended(self) -> bool:
        """Whether they end the run."""
        return bool(self.events) and self.run.status in RUN_TERMINAL


def fence(run: Run) -> tuple[int, int, str, int]:
    """
    Return what tells two states of a run apart, so that nobody changes one that he has not seen.

    A claim raises the epoch and every event the head; giving a claim up changes the worker, archiving the base.
    """
    return run.epoch, run.head, run.worker, run.base


def after(entities: Entities, changes: Changes) -> Entities:
    """Return the entities as they are once *changes* are stored."""
    return Entities(
        changes.run,
        _merged(entities.steps, changes.steps),
        _merged(entities.waits, changes.waits),
        _merged(entities.hooks, changes.hooks),
    )


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
            ended_at=event.at if status in ("completed", "failed") else 0,
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
    """Return a run with its ``run_created`` event, ready at once."""
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
        ready_at=NOW,
        queued_at=now,
    )
    first = Event("run_created", now, seq=1, digest=new.digest, payload=new.input)
    return Changes(run, None, (first,))


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


def cancel(entities: Entities, reason: str, now: int) -> Changes:
    """
    End a run from outside and fence its worker off.

    Raises:
        EntityConflictError: it has ended already.
    """
    draft = Draft(entities)
    draft.append(Event("run_cancelled", now, ref=reason))
    return draft.changes(epoch=entities.run.epoch + 1)


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
    return Changes(replace(run, base=base), run, steps=steps, drop_log=True)


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
    draft = Draft(entities, taken=taken or {}, over=over)
    for event in commit.inputs:
        draft.append(event, consumed=True)
    over_already = {event.id for event in foreign if event.type == "wait_completed"}
    for event in commit.outputs:
        if event.type != "wait_disposed" or event.id not in over_already:  # else there is nothing to give up
            draft.append(event)
    answers = tuple(event for event in draft.events[len(commit.inputs) :] if event.type in INPUTS)
    ended = draft.status in RUN_TERMINAL
    for task in () if ended else commit.tasks:  # nobody is to carry out what comes with the end
        draft.hand_over(task, commit)
    parked = ended or (commit.park and _may_park(foreign, answers))
    if parked and not ended:
        draft.park()
    snapshot = None
    if commit.snapshot is not None and not ended:
        snapshot = replace(commit.snapshot, cursor=_cursor(commit.expected_head, draft.head, foreign, answers))
    changes = draft.changes(
        build=commit.build or run.build,
        ops=commit.ops,
        logs=commit.logs,
        redeliveries=0,
        snoozes=0,
        snoozed="",
        lines=commit.log_entries,
        snapshot=snapshot,
    )
    committed = Committed(
        stored=True,
        head=changes.run.head,
        foreign=tuple(foreign),
        answers=answers,
        parked=parked,
        held=after(entities, changes),
    )
    return changes, committed


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
    return draft.changes(resumed=(hook.id, resume_id))


def watched(entities: Entities, hook_id: str, ended_run: str, now: int) -> Changes:
    """Tell a live hook of the end of the run that it watches."""
    draft = Draft(entities)
    draft.elapse(now)
    draft.append(_watched_ended(hook_id, entities.hooks[hook_id].op, ended_run, now))
    draft.wake(now)
    return draft.changes()


def finish(entities: Entities, outcome: StepOutcome, now: int) -> Changes:
    """
    Record how a step task's attempt ended, and wake the run; or make the task ready again when the event's ``due`` is.

    Raises:
        LeaseLostError: the task is somebody else's now, or gone because the run or step has ended.
    """
    step = check_task(entities, outcome.step_id, outcome.worker_id, outcome.epoch)
    draft = Draft(entities)
    draft.elapse(now)
    event = draft.append(replace(outcome.event, id=step.id, op=step.op, name=step.name))
    if event.type == "step_retrying":
        draft.requeue(step.id, event.due)
    else:
        draft.wake(now)
    return draft.changes()


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


# Who works on what


def fits_turn(request: ClaimRequest, run: Run) -> bool:
    """Return whether a request would take a run's turn."""
    return _fits(request, run) and run.guest in request.guests


def fits_step(request: ClaimRequest, run: Run, step: Step) -> bool:
    """Return whether a request would take a step task of a run, whatever language the run is written in."""
    return _fits(request, run) and step.name in request.steps


def _fits(request: ClaimRequest, run: Run) -> bool:
    return run.app in request.apps and run.queue in request.queues and run.key_id in request.key_ids


def claim(run: Run, worker_id: str) -> Run:
    """Return a run whose turn *worker_id* has claimed; the fence rises."""
    return replace(run, worker=worker_id, epoch=run.epoch + 1, redeliveries=run.redeliveries + 1)


def turn_task(run: Run) -> Task:
    """Return what a worker is told of a run that it has claimed."""
    return Task("turn", run.id, run.epoch, run.redeliveries)


def release(run: Run, now: int) -> Run:
    """Return a run whose claim was taken from a worker that died; its turn is ready at once for anybody."""
    return replace(run, worker="", epoch=run.epoch + 1, ready_at=NOW, queued_at=now)


def snooze(run: Run, until: int, why: str) -> Run:
    """Return a run whose claim was given back until later, without harm to it."""
    return replace(
        run, worker="", ready_at=until, queued_at=until, redeliveries=0, snoozes=run.snoozes + 1, snoozed=why
    )


def claim_step(step: Step, worker_id: str, now: int) -> Step:
    """Return a step task that *worker_id* has claimed, for its next attempt; nothing of the run changes."""
    return replace(
        step,
        status="running",
        attempt=step.attempt + 1,
        started_at=now,
        worker=worker_id,
        ready_at=None,
        epoch=step.epoch + 1,
        redeliveries=step.redeliveries + 1,
        snoozed="",
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
    )


def release_step(step: Step, now: int) -> Step:
    """Return a step task whose claim was taken from a worker that died."""
    return replace(step, worker="", ready_at=NOW, queued_at=now, epoch=step.epoch + 1)


def snooze_step(step: Step, until: int, why: str) -> Step:
    """Return a step task that its worker gave back before the attempt began: that attempt does not count."""
    return replace(
        step,
        status="retrying" if step.failures else "pending",
        attempt=step.attempt - 1,
        worker="",
        ready_at=until,
        queued_at=until,
        redeliveries=0,
        snoozed=why,
    )


def outdated(newest_first: Sequence[str], named: Collection[str]) -> list[str]:
    """
    Return the deployments of one application that a world forgets when another one is stored.

    Args:
        newest_first: ids of all that it has, the one that was just stored first.
        named: ids that rows of workers name.
    """
    return [deployment for deployment in newest_first[DEPLOYMENTS_KEPT:] if deployment not in named]


# The draft


class Draft:
    """
    A run as it will be.

    Args:
        entities: the run as it is.
        taken: tokens that others have, with their runs.
        over: runs that have ended or do not exist.

    Attributes:
        status, head: of the run as it will be.
        events: what was appended, as it will be stored.
    """

    def __init__(
        self, entities: Entities, *, taken: Mapping[str, str] | None = None, over: Collection[str] = ()
    ) -> None:
        run = entities.run
        self.status: RunStatus = run.status
        self.head = run.head
        self.events: list[Event] = []
        self._before = entities
        self._taken = dict(taken or {})
        self._over = over
        self._latest_at = run.latest_at
        self._fields: dict[str, object] = {}  # of the run, that will be others
        self._steps: dict[str, Step | None] = {}
        self._waits: dict[str, Wait | None] = {}
        self._hooks: dict[str, Hook | None] = {}

    def append(self, event: Event, *, consumed: bool = False) -> Event:
        """
        Add *event* to the log, change the entity that it is about, and return it as it will be stored.

        A ``hook_created`` whose token is taken becomes a ``hook_conflict``; one that watches a run which is over is
        followed by its ``hook_received``.

        Args:
            event: its seq is set here.
            consumed: a VM has seen its time already, which stays; others are never before their predecessor.

        Raises:
            EntityConflictError: the run has ended, or the lifecycle does not allow it.
        """
        if self.status in RUN_TERMINAL:
            raise refusals.ended(event.type, self._before.run.id, self.status)
        self.head += 1
        self._latest_at = max(self._latest_at, event.at)
        event = replace(event, seq=self.head, at=event.at if consumed else self._latest_at)
        match entity_of(event.type):
            case "run":
                self._change_run(event)
            case "step":
                self._change_step(event)
            case "wait":
                self._change_wait(event)
            case "hook":
                event = self._change_hook(event)
        self.events.append(event)
        if event.type == "hook_created" and event.ref in self._over:
            self.append(_watched_ended(event.id, event.op, event.ref, event.at))
        return event

    def elapse(self, now: int) -> None:
        """Complete the waits that are due at *now*: what was due before something came stands before it."""
        due = [wait for wait in self._before.waits.values() if wait.due <= now]
        for wait in sorted(due, key=lambda wait: (wait.due, wait.op)):
            self.append(Event("wait_completed", now, wait.id, op=wait.op))

    def wake(self, now: int) -> None:
        """Make the run's turn ready; one that is claimed meets what was appended when it commits."""
        ready_at = self._before.run.ready_at
        if ready_at != NOW or self._before.run.worker:
            self._fields |= {"ready_at": NOW, "queued_at": now}

    def park(self) -> None:
        """Give the turn up until the earliest of the run's waits."""
        dues = [wait.due for wait in self._open(self._before.waits, self._waits)]
        due = min(dues, default=None)
        self._fields |= {"worker": "", "ready_at": due, "queued_at": due or 0}

    def hand_over(self, task: NewTask, commit: Commit) -> None:
        """
        Make a task of a step, or note that the committing worker is carrying it out as a task.

        Raises:
            EntityConflictError: no open step that is not a task yet has this id, or the worker has not begun it.
        """
        step = self._now(self._before.steps, self._steps, task.step_id)
        if step is None or step.task:
            raise refusals.not_a_task(self._before.run.id, task.step_id, step.status if step else None)
        if task.claimed and step.status != "running":
            raise refusals.not_begun(self._before.run.id, step.id, step.status)
        about = {"task": True, "signature": task.signature or step.signature, "snoozed": task.snoozed}
        if task.claimed:
            step = replace(step, worker=commit.worker_id, epoch=commit.epoch, redeliveries=1, **about)
        else:
            queued_at = task.ready_at or self._latest_at
            step = replace(step, ready_at=task.ready_at, queued_at=queued_at, **about)
        self._steps[step.id] = step

    def requeue(self, step_id: str, due: int) -> None:
        """Make a step task ready again at *due*."""
        step = self._steps[step_id]
        assert step is not None
        self._steps[step_id] = replace(step, worker="", ready_at=due, queued_at=due, redeliveries=0)

    def changes(
        self,
        *,
        lines: tuple[LogEntry, ...] = (),
        snapshot: Snapshot | None = None,
        resumed: tuple[str, str] | None = None,
        **fields: object,
    ) -> Changes:
        """Return it all; *fields* are further fields of the run."""
        run = self._before.run
        made = replace(run, status=self.status, head=self.head, latest_at=self._latest_at, **{**fields, **self._fields})
        return Changes(
            made,
            run,
            tuple(self.events),
            self._steps,
            self._waits,
            self._hooks,
            resumed,
            lines,
            snapshot,
            drop_snapshot=self.status == "completed",
        )

    def _change_run(self, event: Event) -> None:
        run_id = self._before.run.id
        self.status = cast("RunStatus", advance(event.type, self.status, f"run {run_id}"))
        if event.type == "run_started":
            self._fields["started_at"] = event.at
        elif event.type in RUN_ENDINGS:
            code = event.name if event.type == "run_failed" else ""
            self._fields |= {"ended_at": event.at, "error_code": code, "worker": "", "ready_at": None}
            self._end()

    def _change_step(self, event: Event) -> None:
        step = self._now(self._before.steps, self._steps, event.id)
        run_id = self._before.run.id
        was = step.status if step else self._gone(self._steps, event.id)
        status = advance(event.type, was, f"step {event.id} of run {run_id}")
        if step is None:
            begun = bool(event.attempt)
            self._steps[event.id] = Step(
                run_id,
                event.id,
                event.op,
                event.seq,
                event.name,
                "running" if begun else status,
                created_at=event.at,
                attempt=event.attempt,
                started_at=event.at if begun else 0,
            )
            return
        match event.type:
            case "step_started":
                self._steps[step.id] = replace(step, status=status, attempt=event.attempt, started_at=event.at)
            case "step_retrying":
                self._steps[step.id] = replace(step, status=status, failures=step.failures + 1)
            case _:
                self._steps[step.id] = None

    def _change_wait(self, event: Event) -> None:
        wait = self._now(self._before.waits, self._waits, event.id)
        was = "waiting" if wait else self._gone(self._waits, event.id)
        advance(event.type, was, f"wait {event.id} of run {self._before.run.id}")
        self._waits[event.id] = None if wait else Wait(event.id, event.op, event.due)

    def _change_hook(self, event: Event) -> Event:
        run = self._before.run
        hook = self._now(self._before.hooks, self._hooks, event.id)
        what = f"hook {event.id} of run {run.id}"
        if hook is not None:
            status = advance(event.type, hook.status, what)
            if status == "disposed":
                self._hooks[hook.id] = None
                if hook.status == "live" and not hook.watch:
                    self._taken.pop(hook.token, None)
            elif hook.watch:  # it receives once
                self._hooks[hook.id] = replace(hook, status="told")
            return event
        status = advance(event.type, self._gone(self._hooks, event.id), what)
        watch = event.ref if event.type == "hook_created" else ""
        if event.type == "hook_created" and not watch:
            if event.name in self._taken:
                event, status = replace(event, type="hook_conflict", ref=self._taken[event.name]), "conflict"
            else:
                self._taken[event.name] = run.id
        about = (run.id, event.id, event.op, event.name, status, event.at, event.payload, watch)
        self._hooks[event.id] = Hook(*about, key_id=run.key_id, public=run.public)
        return event

    def _end(self) -> None:
        """
        Let go of what a run that has ended no longer needs.

        One that failed or was cancelled keeps what is open, as facts: its tasks are withdrawn and its tokens are free.
        """
        kept = self.status != "completed"
        for step in self._open(self._before.steps, self._steps):
            self._steps[step.id] = replace(step, worker="", ready_at=None, epoch=step.epoch + 1) if kept else None
        if not kept:
            self._waits |= dict.fromkeys([wait.id for wait in self._open(self._before.waits, self._waits)])
        for hook in self._open(self._before.hooks, self._hooks):
            self._hooks[hook.id] = replace(hook, status="ended") if kept else None

    @staticmethod
    def _now(before: Mapping[str, T], changed: Mapping[str, T | None], row_id: str) -> T | None:
        return changed[row_id] if row_id in changed else before.get(row_id)

    @staticmethod
    def _gone(changed: Mapping[str, T | None], row_id: str) -> str | None:
        """Return the state of what has no row: over when it ended just now, else not there yet, for all we know."""
        return "over" if row_id in changed else None

    @staticmethod
    def _open(before: dict[str, T], changed: Mapping[str, T | None]) -> list[T]:
        return list(_merged(before, changed).values())


def _watched_ended(hook_id: str, op: int, run_id: str, at: int) -> Event:
    return Event("hook_received", at, hook_id, op=op, ref=run_id, payload=NOTHING)


def _merged(rows: dict[str, T], changed: Mapping[str, T | None]) -> dict[str, T]:
    if not changed:
        return rows
    merged: dict[str, T | None] = {**rows, **changed}
    return {row_id: row for row_id, row in merged.items() if row is not None}
