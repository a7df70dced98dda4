"""What a turn needs, what it stores, and how a step task ends."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace as with_fields

from torpor.model import (
    Commit,
    Committed,
    Event,
    Hook,
    NewTask,
    Notice,
    OpenStep,
    RunState,
    Snapshot,
    StepOutcome,
    Wait,
)
from torpor.worlds import ledger, refusals
from torpor.worlds.sqlite.codes import STEP_STATUSES
from torpor.worlds.sqlite.draft import Draft
from torpor.worlds.sqlite.store import SHIFT, Store

# The partial indexes hold what is open; the planner would rather read all that the run ever had by its primary key.
_OPEN_STEPS: Final = (
    "SELECT s.id, e.op, e.name, s.status, s.attempt, s.failures, e.payload FROM steps s INDEXED BY steps_open "
    f"JOIN events e ON e.k = s.run << {SHIFT} | s.seq WHERE s.run = ? AND s.task = 0 AND s.status < 3 ORDER BY s.seq"
)
_OPEN_WAITS: Final = (
    "SELECT w.id, e.op, w.due FROM waits w INDEXED BY waits_open "
    f"JOIN events e ON e.k = w.run << {SHIFT} | w.seq WHERE w.run = ? AND w.status = 0 ORDER BY w.seq"
)
_OPEN_HOOKS: Final = (
    "SELECT h.id, e.op, h.token, e.at, e.payload, iif(h.watch IS NULL, '', e.ref) FROM hooks h INDEXED BY hooks_open "
    f"JOIN events e ON e.k = h.run << {SHIFT} | h.seq WHERE h.run = ? AND h.status = 0 ORDER BY h.seq"
)
_SNAPSHOT: Final = (
    "SELECT s.cursor, s.ops, s.logs, l.text, s.at, s.data FROM snapshots s JOIN labels l ON l.k = s.image "
    "WHERE s.run = ?"
)


def load(store: Store, run_id: str) -> RunState:
    """Answer :meth:`torpor.world.Turns.load`."""
    key, run = store.run(run_id)
    newest = snapshot(store, key)
    db = store.db
    return RunState(
        run=run,
        snapshot=newest,
        events=store.events(key, newest.cursor if newest else 0),
        waits=[Wait(*row) for row in db.execute(_OPEN_WAITS, (key,))],
        steps=[
            OpenStep(step_id, op, name, STEP_STATUSES[status], attempt, failures, payload or b"")
            for step_id, op, name, status, attempt, failures, payload in db.execute(_OPEN_STEPS, (key,))
        ],
        hooks=[
            Hook(run_id, hook_id, op, token, "live", at, metadata, watch, run.key_id, run.public)
            for hook_id, op, token, at, metadata, watch in db.execute(_OPEN_HOOKS, (key,))
        ],
    )


def snapshot(store: Store, key: int) -> Snapshot | None:
    """Return the newest snapshot of the run with this key."""
    row = store.db.execute(_SNAPSHOT, (key,)).fetchone()
    return None if row is None else Snapshot(*row)


def delete_snapshot(store: Store, run_id: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Snapshots.delete_snapshot`."""
    store.db.execute("DELETE FROM snapshots WHERE run = ?", (store.key_of(run_id),))
    return None, None


def commit(store: Store, commit: Commit) -> tuple[Committed, Notice | None]:
    """Answer :meth:`torpor.world.Turns.commit`."""
    draft = _fenced(store, commit)
    foreign = _foreign(store, draft, commit.expected_head)
    if commit.inputs and foreign:
        return Committed(stored=False, head=draft.head, foreign=foreign), None
    for event in commit.inputs:
        draft.append(event, consumed=True)
    for event in commit.outputs:
        draft.append(event)
    answers = draft.inputs_beyond(len(commit.inputs))
    for task in commit.tasks:
        _add_task(draft, task, commit)
    draft.ops, draft.logs, draft.redeliveries = commit.ops, commit.logs, 0
    draft.save()
    if commit.log_entries:
        rows = [(draft.key, line.n, line.at, line.level, line.text) for line in commit.log_entries]
        store.db.executemany("INSERT OR IGNORE INTO lines VALUES (?, ?, ?, ?, ?)", rows)
    if commit.snapshot is not None and not draft.ended:
        cursor = ledger.cursor(commit.expected_head, draft.head, foreign, answers)
        _save_snapshot(store, draft.key, cursor, commit.snapshot)
    parked = draft.ended or (commit.park and ledger.may_park(foreign, answers))
    if parked and not draft.ended:
        draft.park()
    work = draft.told_others if draft.ended else parked or bool(commit.tasks)
    notice = Notice(draft.run_id, work=work, ended=draft.ended)
    return Committed(stored=True, head=draft.head, foreign=foreign, answers=answers, parked=parked), notice


def finish_step(store: Store, outcome: StepOutcome) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Turns.finish_step`."""
    draft = Draft(store, outcome.run_id)
    step = draft.step(outcome.step_id)
    if step is None or not step.task or step.epoch != outcome.epoch or step.claimed_by != outcome.worker_id:
        raise refusals.task_lost(outcome.run_id, outcome.step_id, outcome.worker_id, outcome.epoch)
    draft.append(with_fields(outcome.event, id=outcome.step_id))
    if outcome.event.type == "step_retrying":
        step.claimed_by, step.ready_at, step.redeliveries, step.task_changed = None, outcome.event.due, 0, True
    else:
        draft.wake(outcome.event.at)
    draft.save()
    return None, Notice(outcome.run_id, work=True)


def _fenced(store: Store, commit: Commit) -> Draft:
    draft = Draft(store, commit.run_id)
    if draft.ended and draft.epoch == commit.epoch:
        raise refusals.commit_ended(draft.run_id, draft.status)
    if draft.epoch != commit.epoch or draft.claimed_by != commit.worker_id:
        raise refusals.turn_lost(draft.run_id, commit.worker_id, commit.epoch, draft.epoch, draft.claimed_by or "")
    return draft


def _foreign(store: Store, draft: Draft, expected_head: int) -> tuple[Event, ...]:
    if draft.head == expected_head:
        return ()
    return tuple(store.inputs(draft.key, expected_head))


def _add_task(draft: Draft, task: NewTask, commit: Commit) -> None:
    step = draft.step(task.step_id)
    if step is None or step.status in {"completed", "failed"} or step.task:
        raise refusals.not_a_task(draft.run_id, task.step_id, step.status if step else None)
    step.task, step.task_changed = 1, True
    if task.claimed:
        step.epoch, step.redeliveries, step.claimed_by = commit.epoch, 1, commit.worker_id
    else:
        step.ready_at = task.ready_at


def _save_snapshot(store: Store, key: int, cursor: int, new: Snapshot) -> None:
    row = (key, cursor, new.ops, new.logs, store.label(new.image), new.at, new.data)
    store.db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?)", row)
