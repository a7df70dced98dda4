"""The memory world: every operation is one synchronous change on the event loop, so each is atomic."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import replace as with_fields

from torpor.lifecycle import INPUTS, RUN_TERMINAL, advance
from torpor.model import (
    Commit,
    Committed,
    Event,
    Hook,
    LogEntry,
    NewRun,
    Notice,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    Step,
    StepOutcome,
    Task,
    WorkerRow,
)
from torpor.world import Capabilities, Unsubscribe
from torpor.worlds import ledger, refusals
from torpor.worlds.memory.draft import Draft
from torpor.worlds.memory.rows import Claim, RunRow, Store
from torpor.worlds.notifier import Listener

_CAPABILITIES: Final = Capabilities(durable=False, shared=False, listen_ms=0, blob_bytes_max=sys.maxsize)
_STORES: Final[dict[str, Store]] = {}


class MemoryWorld:
    """
    A world in the process's own memory, gone with it.

    ``memory://`` is a store of its own, ``memory://name`` one that all worlds of that name in the process share, for
    as long as the process lives.
    """

    def __init__(self, url: str = "memory://") -> None:
        name = url.removeprefix("memory://")
        self._url = url
        self._store = _STORES.setdefault(name, Store()) if name else Store()

    @property
    def url(self) -> str:
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        """Do nothing: the store is there."""

    async def close(self) -> None:
        """Do nothing: the store stays as long as somebody holds it."""

    def subscribe(self, listener: Listener) -> Unsubscribe:
        return self._store.notifier.subscribe(listener)

    # Runs

    async def create_run(self, new: NewRun) -> Run:
        old = self._store.runs.get(new.id)
        if old is not None:
            if not ledger.same_start(new, old.run.workflow, old.log[0]):
                raise refusals.run_taken(new.id, old.run.workflow)
            return old.run
        run = Run(
            id=new.id,
            workflow=new.workflow,
            program=new.program,
            guest=new.guest,
            runtime=new.runtime,
            status="pending",
            seed=new.seed,
            created_at=new.at,
            head=1,
            parent=new.parent,
            root=new.root,
            key_id=new.key_id,
            public=new.public,
        )
        row = RunRow(run, Claim(new.at), new.at, log=[ledger.first_event(new)])
        self._store.runs[run.id] = self._store.live[run.id] = row
        self._ring(run.id, work=True)
        return run

    async def get_run(self, run_id: str) -> Run:
        return self._row(run_id).run

    async def list_runs(self, where: RunFilter) -> list[Run]:
        found = [
            row.run
            for run_id, row in self._store.runs.items()
            if (where.before is None or run_id < where.before)
            and (where.status is None or row.run.status == where.status)
            and (where.workflow is None or row.run.workflow == where.workflow)
        ]
        return sorted(found, key=lambda run: run.id, reverse=True)[: where.limit]

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        rows = (self._store.live if live else self._store.runs).values()
        return dict(Counter(row.run.key_id for row in rows if row.run.key_id))

    async def cancel_run(self, run_id: str, reason: str, at: int) -> Run:
        draft = Draft(self._store, self._row(run_id))
        advance("run_cancelled", draft.run.status, f"run {run_id}")
        draft.append(Event("run_cancelled", at, ref=reason))
        draft.run = with_fields(draft.run, epoch=draft.run.epoch + 1)
        draft.save()
        self._ring(run_id, work=draft.told_others, ended=True)
        return draft.run

    # Events

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        log = self._row(run_id).log
        return log[after:] if limit is None else log[after : after + limit]

    async def steps(self, run_id: str) -> list[Step]:
        rows = sorted(self._row(run_id).steps.values(), key=lambda row: row.op)
        return [row.as_step(run_id) for row in rows]

    async def log_entries(self, run_id: str, *, after: int | None = None) -> list[LogEntry]:
        lines = self._row(run_id).lines
        return [lines[n] for n in sorted(lines) if after is None or n > after]

    # Snapshots

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return self._row(run_id).snapshot

    async def delete_snapshot(self, run_id: str) -> None:
        self._row(run_id).snapshot = None

    # Hooks

    async def hook(self, token: str) -> Hook:
        run_id, hook_id = self._owner(token)
        return self._store.runs[run_id].hooks[hook_id]

    async def hooks(self, run_id: str) -> list[Hook]:
        hooks = self._row(run_id).hooks.values()
        return sorted(hooks, key=lambda hook: hook.op)

    async def resume_hook(
        self, token: str, payload: bytes, resume_id: str, at: int, *, run_id: str | None = None
    ) -> Hook:
        owner, hook_id = self._owner(token)
        if run_id is not None and owner != run_id:
            raise refusals.hook_of_another(token, run_id)
        row = self._store.runs[owner]
        hook = row.hooks[hook_id]
        if (hook_id, resume_id) in row.resumed:
            return hook
        draft = Draft(self._store, row)
        draft.append(ledger.received(hook, payload, resume_id, at))
        draft.wake(at)
        draft.save()
        row.resumed.add((hook_id, resume_id))
        self._ring(owner, work=True)
        return hook

    # Blobs

    async def put_blob(self, key: str, data: bytes) -> None:
        self._store.blobs.setdefault(key, bytes(data))

    async def blob(self, key: str) -> bytes | None:
        return self._store.blobs.get(key)

    # Queue

    async def heartbeat(self, worker: WorkerRow) -> None:
        self._store.workers[worker.id] = worker

    async def workers(self) -> list[WorkerRow]:
        return sorted(self._store.workers.values(), key=lambda worker: worker.id)

    async def claim(
        self,
        worker_id: str,
        at: int,
        *,
        turns: int,
        steps: int,
        guests: Collection[str],
        keys: Collection[str] = ("",),
    ) -> list[Task]:
        live = [row for row in self._store.live.values() if row.run.key_id in keys]
        ready_turns = [row for row in live if row.run.guest in guests and row.turn.is_ready(at)]
        ready_steps = [
            (row, step)
            for row in live
            for step in row.unfinished.values()
            if step.task is not None and step.task.is_ready(at)
        ]
        ready_turns.sort(key=lambda row: row.turn.ready_at or 0)
        ready_steps.sort(key=lambda found: (found[1].task and found[1].task.ready_at) or 0)
        tasks = [self._claim_turn(row, worker_id) for row in ready_turns[:turns]]
        return tasks + [self._claim_step(row, step.id, worker_id, at) for row, step in ready_steps[:steps]]

    async def next_ready_at(
        self, *, guests: Collection[str], steps: bool = True, keys: Collection[str] = ("",)
    ) -> int | None:
        live = [row for row in self._store.live.values() if row.run.key_id in keys]
        claims = [row.turn for row in live if row.run.guest in guests]
        claims += [step.task for row in live for step in row.unfinished.values() if steps and step.task]
        ready = [claim.ready_at for claim in claims if not claim.worker_id and claim.ready_at is not None]
        return min(ready, default=None)

    async def release(self, worker_ids: Sequence[str], at: int) -> int:
        gone = set(worker_ids)
        released = 0
        for row in self._store.live.values():
            if row.turn.worker_id in gone:
                row.turn.worker_id, row.turn.ready_at = "", at
                row.run = with_fields(row.run, epoch=row.run.epoch + 1)
                released += 1
            for step in row.unfinished.values():
                if step.task is not None and step.task.worker_id in gone:
                    step.task.worker_id, step.task.ready_at = "", at
                    step.task.epoch += 1
                    released += 1
        for worker_id in gone:
            self._store.workers.pop(worker_id, None)
        if released:
            self._ring(None, work=True)
        return released

    # Turns

    async def load(self, run_id: str) -> RunState:
        row = self._row(run_id)
        waits = [wait.wait for wait in row.waits.values() if wait.status == "waiting"]
        inline = [step for step in row.unfinished.values() if step.task is None]
        return RunState(
            run=row.run,
            snapshot=row.snapshot,
            events=row.log[row.snapshot.cursor if row.snapshot else 0 :],
            waits=waits,
            steps=[step.as_open_step() for step in inline],
            hooks=[hook for hook in row.hooks.values() if hook.status == "live"],
        )

    async def commit(self, commit: Commit) -> Committed:
        row = self._row(commit.run_id)
        run, turn = row.run, row.turn
        if run.status in RUN_TERMINAL and run.epoch == commit.epoch:
            raise refusals.commit_ended(run.id, run.status)
        if run.epoch != commit.epoch or turn.worker_id != commit.worker_id:
            raise refusals.turn_lost(run.id, commit.worker_id, commit.epoch, run.epoch, turn.worker_id)

        draft = Draft(self._store, row)
        foreign = draft.inputs_after(commit.expected_head)
        if commit.inputs and foreign:
            return Committed(stored=False, head=run.head, foreign=foreign)
        for event in commit.inputs:
            draft.append(event, consumed=True)
        for event in commit.outputs:
            draft.append(event)
        answers = tuple(event for event in draft.events[len(commit.inputs) :] if event.type in INPUTS)
        for task in commit.tasks:
            draft.add_task(task, commit)
        ended = draft.run.status in RUN_TERMINAL
        draft.run = with_fields(draft.run, ops=commit.ops, logs=commit.logs)
        draft.turn.redeliveries = 0
        draft.save()
        for line in commit.log_entries:
            row.lines.setdefault(line.n, line)

        if commit.snapshot is not None and not ended:
            cursor = ledger.cursor(commit.expected_head, row.run.head, foreign, answers)
            row.snapshot = with_fields(commit.snapshot, cursor=cursor)
        parked = ended or (commit.park and ledger.may_park(foreign, answers))
        if parked and not ended:
            row.turn = Claim(row.next_due())
        self._ring(run.id, work=draft.told_others if ended else parked or bool(commit.tasks), ended=ended)
        return Committed(stored=True, head=row.run.head, foreign=foreign, answers=answers, parked=parked)

    async def snooze(self, run_id: str, worker_id: str, epoch: int, until: int) -> None:
        row = self._row(run_id)
        if row.run.epoch != epoch or row.turn.worker_id != worker_id:
            raise refusals.turn_lost(run_id, worker_id, epoch, row.run.epoch, row.turn.worker_id)
        row.turn = Claim(until)
        self._ring(run_id, work=True)

    async def finish_step(self, outcome: StepOutcome) -> None:
        row = self._row(outcome.run_id)
        draft = Draft(self._store, row)
        step = draft.step(outcome.step_id)
        task = step and step.task
        if step is None or not task or task.epoch != outcome.epoch or task.worker_id != outcome.worker_id:
            raise refusals.task_lost(outcome.run_id, outcome.step_id, outcome.worker_id, outcome.epoch)
        event = draft.append(with_fields(outcome.event, id=step.id, op=step.op))
        if event.type == "step_retrying":
            task.worker_id, task.ready_at, task.redeliveries = "", event.due, 0
        else:
            draft.wake(outcome.event.at)
        draft.save()
        self._ring(outcome.run_id, work=True)

    # Within

    def _row(self, run_id: str) -> RunRow:
        row = self._store.runs.get(run_id)
        if row is None:
            raise refusals.run_not_found(run_id, self._url)
        return row

    def _owner(self, token: str) -> tuple[str, str]:
        owner = self._store.tokens.get(token)
        if owner is None:
            raise refusals.hook_not_found(token)
        return owner

    def _claim_turn(self, row: RunRow, worker_id: str) -> Task:
        row.run = with_fields(row.run, epoch=row.run.epoch + 1)
        row.turn.worker_id = worker_id
        row.turn.redeliveries += 1
        return Task("turn", row.run.id, row.run.epoch, row.turn.redeliveries)

    def _claim_step(self, row: RunRow, step_id: str, worker_id: str, at: int) -> Task:
        draft = Draft(self._store, row)
        step = draft.step(step_id)
        assert step is not None
        assert step.task is not None, "claim picks steps that have a task"
        attempt = step.attempt + 1
        draft.append(ledger.started(step.as_open_step(), worker_id, at))
        step.task.worker_id, step.task.ready_at = worker_id, None
        step.task.epoch += 1
        step.task.redeliveries += 1
        draft.save()
        return Task(
            kind="step",
            run_id=row.run.id,
            epoch=step.task.epoch,
            redeliveries=step.task.redeliveries,
            step_id=step.id,
            op=step.op,
            name=step.name,
            attempt=attempt,
            failures=step.failures,
            input=step.input,
            key_id=row.run.key_id,
            workflow=row.run.workflow,
            created_at=row.run.created_at,
        )

    def _ring(self, run_id: str | None, *, work: bool = False, ended: bool = False) -> None:
        self._store.notifier.notify(Notice(run_id, work, ended))
