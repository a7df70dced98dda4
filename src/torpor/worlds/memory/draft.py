"""
One change to one run: tried on copies of the rows that it touches, and put in place as a whole at the end.

So an operation that is refused half-way leaves no trace, like a transaction that rolls back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from msgspec.structs import replace as with_fields

from torpor.lifecycle import INPUTS, RUN_ENDINGS, RUN_TERMINAL, RunStatus, advance, entity_of
from torpor.model import Commit, Event, Hook, NewTask, Run, Wait
from torpor.worlds import ledger, refusals
from torpor.worlds.memory.rows import UNFINISHED, Claim, RunRow, StepRow, Store, WaitRow


class Draft:
    """A run as it will be; nobody sees it before :meth:`save`."""

    def __init__(self, store: Store, row: RunRow) -> None:
        self.run = row.run
        self.turn = replace(row.turn)
        self.events: list[Event] = []
        self._store = store
        self._row = row
        self._latest_at = row.latest_at
        self._steps: dict[str, StepRow] = {}
        self._waits: dict[str, WaitRow] = {}
        self._hooks: dict[str, Hook] = {}
        self._tokens: dict[str, tuple[str, str] | None] = {}
        self.told_others = False  # that this run has ended

    def append(self, event: Event, *, consumed: bool = False) -> Event:
        """
        Add *event* to the log, change the entity that it is about, and return it as stored.

        A hook that watches a run which is over receives at once: that event is added behind its creation.

        A *consumed* event keeps its time, which a VM has seen already; others are never before their predecessor.

        Raises:
            EntityConflictError: the run has ended, or the lifecycle does not allow it.
        """
        if self.run.status in RUN_TERMINAL:
            raise refusals.ended(event.type, self.run.id, self.run.status)
        self._latest_at = max(self._latest_at, event.at)
        at = event.at if consumed else self._latest_at
        event = with_fields(event, seq=self.run.head + 1, at=at)
        match entity_of(event.type):
            case "run":
                self._change_run(event)
            case "step":
                self._change_step(event)
            case "wait":
                self._change_wait(event)
            case "hook":
                event = self._change_hook(event)
        self.run = with_fields(self.run, head=event.seq)
        self.events.append(event)
        if event.type == "hook_created" and event.ref and event.ref not in self._store.live:
            self.append(ledger.watched_ended(event.id, event.op, event.ref, event.at))
        return event

    def wake(self, at: int) -> None:
        """Make the run's turn ready; one that is claimed meets what was appended when it commits."""
        self.turn.ready_at = at if self.turn.ready_at is None else min(self.turn.ready_at, at)

    def step(self, step_id: str) -> StepRow | None:
        """Return the step to change, None when there is none."""
        if step_id not in self._steps:
            row = self._row.steps.get(step_id)
            if row is None:
                return None
            self._steps[step_id] = replace(row, task=row.task and replace(row.task))
        return self._steps[step_id]

    def add_task(self, task: NewTask, commit: Commit) -> None:
        """
        Put a step into the queue, or note that the committing worker is carrying it out as a task.

        Raises:
            EntityConflictError: no unfinished step without a task has this id.
        """
        row = self.step(task.step_id)
        if row is None or row.status not in UNFINISHED or row.task is not None:
            raise refusals.not_a_task(self.run.id, task.step_id, row.status if row else None)
        if task.claimed:
            row.task = Claim(None, commit.worker_id, redeliveries=1, epoch=commit.epoch)
        else:
            row.task = Claim(task.ready_at)

    def inputs_after(self, seq: int) -> tuple[Event, ...]:
        """Return the stored inputs after *seq*."""
        return tuple(event for event in self._row.log[seq:] if event.type in INPUTS)

    def save(self) -> None:
        """Put it all in place."""
        row, store = self._row, self._store
        row.run, row.turn, row.latest_at = self.run, self.turn, self._latest_at
        row.log += self.events
        row.steps |= self._steps
        for step in self._steps.values():
            if step.status in UNFINISHED:
                row.unfinished[step.id] = step
            else:
                row.unfinished.pop(step.id, None)
        row.waits |= self._waits
        row.hooks |= self._hooks
        for token, owner in self._tokens.items():
            if owner is None:
                store.tokens.pop(token, None)
            else:
                store.tokens[token] = owner
        for hook in self._hooks.values():
            _keep_watch(store, hook)
        if self.run.status in RUN_TERMINAL:
            _sweep(store, row)
            self.told_others = _tell_watchers(store, self.run)

    def _change_run(self, event: Event) -> None:
        status = cast(RunStatus, advance(event.type, self.run.status, f"run {self.run.id}"))
        self.run = with_fields(self.run, status=status)
        if event.type == "run_started":
            self.run = with_fields(self.run, started_at=event.at)
        elif event.type in RUN_ENDINGS:
            code = event.name if event.type == "run_failed" else ""
            self.run = with_fields(self.run, ended_at=event.at, error_code=code)

    def _change_step(self, event: Event) -> None:
        row = self.step(event.id)
        status = advance(event.type, row.status if row else None, f"step {event.id} of run {self.run.id}")
        if row is None:
            self._steps[event.id] = StepRow(event.id, event.op, event.name, status, event.at, event.payload or b"")
            return
        row.status = status
        match event.type:
            case "step_started":
                row.attempt = event.attempt
                row.started_at = row.started_at or event.at
            case "step_retrying":
                row.failures += 1
            case _:
                row.ended_at = event.at
                row.task = None

    def _change_wait(self, event: Event) -> None:
        row = self._waits.get(event.id) or self._row.waits.get(event.id)
        status = advance(event.type, row.status if row else None, f"wait {event.id} of run {self.run.id}")
        wait = row.wait if row else Wait(event.id, event.op, event.due)
        self._waits[event.id] = WaitRow(wait, status)

    def _change_hook(self, event: Event) -> Event:
        hook = self._hooks.get(event.id) or self._row.hooks.get(event.id)
        what = f"hook {event.id} of run {self.run.id}"
        status = advance(event.type, hook.status if hook else None, what)
        if hook is None:
            owner = None if event.ref else self._owner(event.name)
            if owner is not None and event.type == "hook_created":
                event = with_fields(event, type="hook_conflict", ref=owner[0])
                status = advance(event.type, None, what)
            watch = event.ref if event.type == "hook_created" else ""
            about = (self.run.id, event.id, event.op, event.name, status, event.at, event.payload, watch)
            hook = Hook(*about, key_id=self.run.key_id, public=self.run.public)
            if status == "live" and not watch:
                self._tokens[hook.token] = (self.run.id, hook.id)
        elif status == "disposed" and hook.status == "live" and not hook.watch:
            self._tokens[hook.token] = None
        self._hooks[hook.id] = with_fields(hook, status=status)
        return event

    def _owner(self, token: str) -> tuple[str, str] | None:
        return self._tokens[token] if token in self._tokens else self._store.tokens.get(token)


def _keep_watch(store: Store, hook: Hook) -> None:
    """Note who is to be told of a run's end, or that a hook is not any more."""
    if hook.status == "live" and hook.watch in store.live:
        store.watchers.setdefault(hook.watch, {})[hook.run_id, hook.id] = None
    else:
        store.watchers.get(hook.watch, {}).pop((hook.run_id, hook.id), None)


def _tell_watchers(store: Store, ended: Run) -> bool:
    """Tell every hook that watches a run of its end; return whether there was one."""
    watchers = store.watchers.pop(ended.id, {})
    for run_id, hook_id in watchers:
        row = store.runs[run_id]
        draft = Draft(store, row)
        draft.append(ledger.watched_ended(hook_id, row.hooks[hook_id].op, ended.id, ended.ended_at))
        draft.wake(ended.ended_at)
        draft.save()
    return bool(watchers)


def _sweep(store: Store, row: RunRow) -> None:
    """Let go of everything that a run which has ended no longer needs; its unfinished steps stay as they are."""
    row.turn = Claim(None)
    row.snapshot = None
    row.resumed.clear()
    for step in row.unfinished.values():
        step.task = None
    for wait_id in [wait_id for wait_id, wait in row.waits.items() if wait.status == "waiting"]:
        del row.waits[wait_id]
    for hook in [hook for hook in row.hooks.values() if hook.status == "live"]:
        row.hooks[hook.id] = with_fields(hook, status="disposed")
        if hook.watch:
            _keep_watch(store, row.hooks[hook.id])
        else:
            store.tokens.pop(hook.token, None)
    store.live.pop(row.run.id, None)
