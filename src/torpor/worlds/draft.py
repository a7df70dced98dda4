"""A change of one run in the making: events are appended to a draft, and each changes the rows that it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, TypeVar, cast

import msgspec
from msgspec.structs import replace

from torpor.attributes import written
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL, RunStatus, advance, entity_of
from torpor.model import (
    NOTHING,
    NOW,
    Commit,
    Entities,
    Event,
    Hook,
    LogEntry,
    NewTask,
    Run,
    Snapshot,
    Step,
    Wait,
)
from torpor.worlds import refusals
from torpor.worlds.claims import place_of_next, slot_of_sleeping

T = TypeVar("T")


MAILBOX: Final = ""
"""In place of a hook's token: where the ids of messages are remembered that a run was sent."""


class Changes(msgspec.Struct, frozen=True):
    """
    What is to be stored of one run, all of it or nothing.

    Attributes:
        run: the run as it will be.
        before: the run as it was: the stored one must still have its :func:`fence`; None when there must be no such
            run. What differs between the two is what a store has to write.
        events: to be appended, with their seqs.
        steps, waits, hooks: rows to put, by id; None takes one away. A live hook that watches no run claims its token.
        reserved: until when the tokens of hooks that are gone stay reserved for the run.
        resumed: (token, resume id) of a payload, to be recorded once; of a message (:data:`MAILBOX`, its id). It stays
            as long as the run does.
        lines: log lines to add; those that are there already stay.
        snapshot: to take the place of the one there is.
        drop_snapshot: forget the one there is.
        drop_log: the log up to and including ``run.base`` goes.
        cpu_us, beside: CPU time that they have cost, and bytes stored beside them, counted for the run's tenant.
        arrived: the run comes from elsewhere, where it is counted what it has used; what is stored of it is here.
    """

    run: Run
    before: Run | None
    events: tuple[Event, ...] = ()
    steps: dict[str, Step | None] = {}
    waits: dict[str, Wait | None] = {}
    hooks: dict[str, Hook | None] = {}
    reserved: dict[str, int] = {}
    resumed: tuple[str, str] | None = None
    lines: tuple[LogEntry, ...] = ()
    snapshot: Snapshot | None = None
    drop_snapshot: bool = False
    drop_log: bool = False
    cpu_us: int = 0
    beside: int = 0
    arrived: bool = False

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


class Draft:
    """
    A run as it will be.

    Args:
        entities: the run as it is.
        taken: tokens that others have, with their runs.
        over: runs that have ended or do not exist.
        once: steps whose attempts must not be made again when nobody knows how they ended.

    Attributes:
        status, head: of the run as it will be.
        events: what was appended, as it will be stored.
    """

    def __init__(
        self,
        entities: Entities,
        *,
        taken: Mapping[str, str] | None = None,
        over: Collection[str] = (),
        once: Collection[str] = (),
    ) -> None:
        run = entities.run
        self.status: RunStatus = run.status
        self.head = run.head
        self.events: list[Event] = []
        self._before = entities
        self._taken = dict(taken or {})
        self._over = over
        self._once = once
        self._latest_at = run.latest_at
        self._sent = run.sent
        self._paused = run.paused
        self._fields: dict[str, object] = {}  # of the run, that will be others
        self._steps: dict[str, Step | None] = {}
        self._waits: dict[str, Wait | None] = {}
        self._hooks: dict[str, Hook | None] = {}
        self._reserved: dict[str, int] = {}

    def append(self, event: Event, *, consumed: bool = False) -> Event:
        """
        Add *event* to the log, change the entity that it is about, and return it as it will be stored.

        A ``hook_created`` whose token is taken becomes a ``hook_conflict``; one that watches a run which is over is
        followed by its ``hook_received``. Every ending of a run that is being cancelled becomes ``run_cancelled``.

        Args:
            event: its seq is set here.
            consumed: a VM has seen its time already, which stays; others are never before their predecessor.

        Raises:
            EntityConflictError: the run has ended, or the lifecycle does not allow it.
        """
        if self.status in RUN_TERMINAL and event.type != "run_retried":
            raise refusals.ended(event.type, self._before.run.id, self.status)
        self.head += 1
        self._latest_at = max(self._latest_at, event.at)
        event = replace(event, seq=self.head, at=event.at if consumed else self._latest_at)
        match entity_of(event.type):
            case "run":
                event = self._change_run(event)
            case "step":
                self._change_step(event)
            case "wait":
                self._change_wait(event)
            case "hook":
                event = self._change_hook(event)
            case "message":
                self._sent += 1
        self.events.append(event)
        if event.watches in self._over:
            self.append(watched_ended(event.id, event.op, event.watches, event.at))
        return event

    def elapse(self, now: int) -> None:
        """Complete the waits that are due at *now*: what was due before something came stands before it."""
        ended = [wait for wait in self._before.waits.values() if wait.due <= now]
        for wait in sorted(ended, key=lambda wait: (wait.due, wait.op)):
            self.append(Event("wait_completed", now, wait.id, op=wait.op))

    def wake(self, now: int) -> None:
        """Make the run's turn ready; one that is claimed meets what was appended when it commits."""
        run = self._before.run
        if self._paused or (run.starts_at > now and self.status == "pending"):
            return  # what comes before its time waits with it
        if run.ready_at != NOW or run.worker:
            self._fields |= {"ready_at": NOW, "queued_at": now}

    def put(
        self,
        steps: Mapping[str, Step | None],
        waits: Mapping[str, Wait | None],
        hooks: Mapping[str, Hook | None],
    ) -> None:
        """Put rows that a rule has made itself; None takes one away."""
        self._steps.update(steps)
        self._waits.update(waits)
        self._hooks.update(hooks)

    def attempted(self, step_id: str, attempt: int) -> None:
        """Let a step run its attempt: of one that was a task the log does not tell that it was claimed."""
        step = self._now(self._before.steps, self._steps, step_id)
        if step is not None and step.status in ("pending", "retrying"):
            self._steps[step.id] = replace(step, status="running", attempt=attempt)

    def hooks_now(self) -> list[Hook]:
        """Return the hooks that are not disposed of."""
        return self._open(self._before.hooks, self._hooks)

    def park(self) -> None:
        """
        Give the turn up until the earliest of the run's waits, until a run that is being cancelled must end, or until a
        paused one goes on.
        """
        if self._paused:
            self._fields |= {"worker": "", "ready_at": None}
            return
        dues = [wait.due for wait in self._open(self._before.waits, self._waits)]
        if self._before.run.cancel_by:
            dues.append(self._before.run.cancel_by)
        first = min(dues, default=None)
        self._fields |= {"worker": "", "ready_at": first, "queued_at": first or 0}
        if self._before.run.slot:
            self._fields["slot"] = slot_of_sleeping(self._before.run)

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
        signature = task.signature or step.signature
        about = {"task": True, "signature": signature, "snoozed": task.snoozed, "place": task.place}
        if task.claimed:
            step = replace(step, worker=commit.worker_id, epoch=commit.epoch, redeliveries=1, **about)
        else:
            queued_at = task.ready_at or self._latest_at
            step = replace(step, ready_at=task.ready_at, queued_at=queued_at, **about)
        self._steps[step.id] = step

    def requeue(self, step_id: str, at: int) -> None:
        """Make a step task ready again at a time."""
        step = self._steps[step_id]
        assert step is not None
        ready_at = None if self._paused else at
        self._steps[step_id] = replace(step, worker="", ready_at=ready_at, queued_at=at, redeliveries=0)

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
        made = replace(
            run,
            status=self.status,
            head=self.head,
            latest_at=self._latest_at,
            sent=self._sent,
            **{**fields, **self._fields},
        )
        return Changes(
            made,
            run,
            tuple(self.events),
            self._steps,
            self._waits,
            self._hooks,
            self._reserved,
            resumed,
            lines,
            snapshot,
            # Where the log has lost its beginning, nothing else tells of what came behind that.
            drop_snapshot=self.status == "completed" and not run.base,
        )

    def _change_run(self, event: Event) -> Event:
        run = self._before.run
        if run.cancel_by and event.type in RUN_ENDINGS:
            event = replace(event, type="run_cancelled", name="", ref=event.ref or run.cancel_reason, payload=None)
        self.status = cast("RunStatus", advance(event.type, self.status, f"run {run.id}"))
        if event.type == "run_retried":
            self.status = "running" if self._before.run.started_at else "pending"
            self._paused = False
            self._fields |= {"ended_at": 0, "error_code": ""}
        elif event.type == "run_started":
            self._fields["started_at"] = event.at
        elif event.type == "attr_set":
            attributes = cast("dict[str, str]", self._fields.get("attributes", self._before.run.attributes))
            self._fields["attributes"] = written(attributes, msgspec.json.decode(event.ref))
        elif event.type == "run_cancelling":
            self._fields |= {"cancel_by": event.due, "cancel_reason": event.ref}
            if self._paused:  # else it would never come to its end
                self._pause(False, event.at)
        elif event.type in ("run_paused", "run_unpaused"):
            self._pause(event.type == "run_paused", event.at)
        elif event.type in RUN_ENDINGS:
            code = event.name if event.type == "run_failed" else ""
            self._fields |= {"ended_at": event.at, "error_code": code, "worker": "", "ready_at": None, "slot": ""}
            self._end()
        return event

    def _pause(self, paused: bool, at: int) -> None:
        """Take what nobody has claimed from the queue, or put it back: tasks at their time, the turn at once."""
        run = self._before.run
        self._paused = paused
        self._fields["paused"] = paused
        if not run.worker:
            self._fields |= {"ready_at": None} if paused else {"ready_at": due(run.starts_at, at), "queued_at": at}
        for step in self._open(self._before.steps, self._steps):
            if step.task and not step.worker and step.status != "blocked":
                self._steps[step.id] = replace(step, ready_at=None if paused else due(step.queued_at, at))

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
                once=event.id in self._once,
                start_by=0 if begun or not event.ref else int(event.ref),
                close_by=event.due,
            )
            return
        match event.type:
            case "step_started":
                once = event.id in self._once
                self._steps[step.id] = replace(
                    step, status=status, attempt=event.attempt, started_at=event.at, once=once
                )
            case "step_blocked":
                self._steps[step.id] = replace(step, status=status, worker="", ready_at=None, snoozed=event.ref)
            case "step_retrying":
                place = place_of_next(run_id, step.place)
                self._steps[step.id] = replace(step, status=status, failures=step.failures + 1, place=place)
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
                    self._reserve(hook, event.at)
            elif hook.watch:  # it receives once
                self._hooks[hook.id] = replace(hook, status="told")
            return event
        status = advance(event.type, self._gone(self._hooks, event.id), what)
        watch = event.watches
        if event.type == "hook_created" and not watch:
            if event.name in self._taken:
                event, status = replace(event, type="hook_conflict", ref=self._taken[event.name]), "conflict"
            else:
                self._taken[event.name] = run.id
        about = (run.id, event.id, event.op, event.name, status, event.at, event.payload, watch)
        self._hooks[event.id] = Hook(*about, event.due, event.takes, run.key_id, run.public)
        return event

    def _reserve(self, hook: Hook, now: int) -> None:
        """Keep the token of a live hook that goes for its run, as long as it wants."""
        if hook.retention_ms:
            self._reserved[hook.token] = now + hook.retention_ms

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
            if hook.status == "live":
                self._reserve(hook, self._latest_at)
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


def due(at: int, now: int) -> int:
    """Return when something is ready that is to be ready *at* a time: :data:`NOW` if that has passed."""
    return at if at > now else NOW


def watched_ended(hook_id: str, op: int, run_id: str, at: int) -> Event:
    """Return the event that tells a hook of the end of the run that it watches."""
    return Event("hook_received", at, hook_id, op=op, ref=run_id, payload=NOTHING)


def renewed(rows: dict[str, T], now: Mapping[str, T], about: Collection[str]) -> dict[str, T]:
    """Return rows with those that some ids are *about* as they are *now*, or gone."""
    return _merged(rows, {row_id: now.get(row_id) for row_id in about if row_id in rows or row_id in now})


def _merged(rows: dict[str, T], changed: Mapping[str, T | None]) -> dict[str, T]:
    if not changed:
        return rows
    merged = rows.copy()  # many may be open, and few change
    for row_id, row in changed.items():
        if row is None:
            merged.pop(row_id, None)
        else:
            merged[row_id] = row
    return merged
