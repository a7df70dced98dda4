"""The queue: who works, what is ready, and who has it."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from typing import Final

from msgspec.structs import astuple, replace

from torpor.model import Notice, OpenStep, Task, WorkerRow
from torpor.worlds import ledger, refusals
from torpor.worlds.sqlite.codes import STEP_STATUSES
from torpor.worlds.sqlite.draft import Draft
from torpor.worlds.sqlite.store import SHIFT, Store

_GUEST: Final = "guest = (SELECT k FROM labels WHERE text = ?)"
_READY_TURNS: Final = (
    f"SELECT ready_at, k FROM runs WHERE {_GUEST} AND key = ? AND ready_at <= ? AND claimed_by IS NULL "
    "ORDER BY ready_at, k LIMIT ?"
)
_CLAIM_TURN: Final = (
    "UPDATE runs SET claimed_by = ?, epoch = epoch + 1, deliveries = deliveries + 1 WHERE k = ? "
    "RETURNING id, epoch, deliveries"
)
_READY_STEPS: Final = (
    "SELECT s.ready_at, s.run, s.seq, r.id, (SELECT text FROM labels WHERE k = r.workflow), r.created_at, "
    "s.id, e.op, e.name, s.status, s.attempt, s.failures, e.payload "
    f"FROM steps s CROSS JOIN runs r ON r.k = s.run JOIN events e ON e.k = s.run << {SHIFT} | s.seq "
    "WHERE s.key = ? AND s.ready_at <= ? ORDER BY s.ready_at, s.run, s.seq LIMIT ?"
)
_NEXT_TURN: Final = (
    f"SELECT min(ready_at) FROM runs WHERE {_GUEST} AND key = ? AND ready_at IS NOT NULL AND claimed_by IS NULL"
)
_NEXT_STEP: Final = "SELECT min(ready_at) FROM steps WHERE key = ? AND ready_at IS NOT NULL"


def heartbeat(store: Store, worker: WorkerRow) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Queue.heartbeat`."""
    store.db.execute("INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?)", astuple(worker))
    return None, None


def workers(store: Store) -> list[WorkerRow]:
    """Answer :meth:`torpor.world.Queue.workers`."""
    return [WorkerRow(*row) for row in store.db.execute("SELECT * FROM workers ORDER BY id")]


def claim(
    store: Store, worker_id: str, at: int, turns: int, steps: int, guests: Collection[str], keys: Collection[str]
) -> tuple[list[Task], None]:
    """Answer :meth:`torpor.world.Queue.claim`."""
    tasks: list[Task] = []
    if turns:
        kinds = itertools.product(guests, keys)
        ready = [row for kind in kinds for row in store.db.execute(_READY_TURNS, (*kind, at, turns))]
        for _, key in sorted(ready)[:turns]:
            tasks.append(Task("turn", *store.db.execute(_CLAIM_TURN, (worker_id, key)).fetchone()))
    if steps:
        drafts: dict[str, Draft] = {}
        waiting = [row for key in keys for row in store.db.execute(_READY_STEPS, (key, at, steps))]
        for _, _, _, run_id, workflow, created_at, step_id, op, name, status, *rest in sorted(waiting)[:steps]:
            if run_id not in drafts:
                drafts[run_id] = Draft(store, run_id)
            step = OpenStep(step_id, op, name, STEP_STATUSES[status], *rest)
            claimed = _claim_step(drafts[run_id], step, worker_id, at)
            tasks.append(replace(claimed, workflow=workflow, created_at=created_at))
        for draft in drafts.values():
            draft.save()
    return tasks, None


def next_ready_at(store: Store, *, guests: Collection[str], steps: bool, keys: Collection[str]) -> int | None:
    """Answer :meth:`torpor.world.Queue.next_ready_at`."""
    asked: list[tuple[str, tuple[str, ...]]] = [(_NEXT_TURN, kind) for kind in itertools.product(guests, keys)]
    asked += [(_NEXT_STEP, (key,)) for key in keys if steps]
    times = [store.db.execute(query, values).fetchone()[0] for query, values in asked]
    return min((at for at in times if at is not None), default=None)


def snooze(store: Store, run_id: str, worker_id: str, epoch: int, until: int) -> tuple[None, Notice]:
    """Answer :meth:`torpor.world.Turns.snooze`."""
    changed = store.db.execute(
        "UPDATE runs SET claimed_by = NULL, ready_at = ?, deliveries = 0 WHERE id = ? AND claimed_by = ? AND epoch = ?",
        (until, run_id, worker_id, epoch),
    ).rowcount
    if not changed:
        draft = Draft(store, run_id)
        raise refusals.turn_lost(run_id, worker_id, epoch, draft.epoch, draft.claimed_by or "")
    return None, Notice(run_id, work=True)


def release(store: Store, worker_ids: Sequence[str], at: int) -> tuple[int, Notice | None]:
    """Answer :meth:`torpor.world.Queue.release`."""
    released = 0
    for worker_id in worker_ids:
        for table in ("runs", "steps"):
            released += store.db.execute(
                f"UPDATE {table} SET claimed_by = NULL, epoch = epoch + 1, ready_at = ? WHERE claimed_by = ?",
                (at, worker_id),
            ).rowcount
        store.db.execute("DELETE FROM workers WHERE id = ?", (worker_id,))
    return released, Notice(None, work=True) if released else None


def _claim_step(draft: Draft, step: OpenStep, worker_id: str, at: int) -> Task:
    event = ledger.started(step, worker_id, at)
    draft.append(event)
    row = draft.step(step.id)
    assert row is not None, "a step that has just started is there"
    row.epoch += 1
    row.redeliveries += 1
    row.ready_at, row.claimed_by, row.task_changed = None, worker_id, True
    return Task(
        kind="step",
        run_id=draft.run_id,
        epoch=row.epoch,
        redeliveries=row.redeliveries,
        step_id=step.id,
        op=step.op,
        name=step.name,
        attempt=event.attempt,
        failures=step.failures,
        input=step.input,
        key_id=draft.encrypted_with,
    )
