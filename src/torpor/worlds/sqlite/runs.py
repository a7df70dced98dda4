"""Runs and their logs: starting, finding, cancelling, reading."""

from __future__ import annotations

from typing import Final

from torpor.lifecycle import advance
from torpor.model import Event, LogEntry, NewRun, Notice, Run, RunFilter, Step
from torpor.worlds import ledger, refusals
from torpor.worlds.sqlite.codes import EVENT_CODE, RUN_CODE, RUNTIME_CODE, STEP_STATUSES
from torpor.worlds.sqlite.draft import Draft
from torpor.worlds.sqlite.store import RUNS, SHIFT, Row, Store

_ADD_RUN: Final = (
    "INSERT INTO runs (id, workflow, program, guest, runtime, status, seed, created_at, head, latest_at, ready_at, "
    "parent, root, key, public) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 1, ?8, ?8, ?9, ?10, ?11, ?12) RETURNING k"
)
_ADD_FIRST_EVENT: Final = "INSERT INTO events VALUES (?, ?, ?, '', 0, ?, '', 0, 0, '', ?)"
_NEXT_KEY: Final = "SELECT min(key) FROM runs INDEXED BY runs_key WHERE key <> '' AND key > ?"
_COUNT: Final = "SELECT count(*) FROM runs INDEXED BY runs_key WHERE key <> '' AND key = ?"
_COUNT_LIVE: Final = f"{_COUNT} AND status IN ({RUN_CODE['pending']}, {RUN_CODE['running']})"
_STEPS: Final = (
    "SELECT s.id, e.op, e.name, s.status, s.attempt, e.at, s.started_at, s.ended_at FROM steps s "
    f"JOIN events e ON e.k = s.run << {SHIFT} | s.seq WHERE s.run = ? ORDER BY e.op"
)


def create(store: Store, new: NewRun) -> tuple[Run, Notice | None]:
    """Answer :meth:`torpor.world.Runs.create_run`."""
    if store.db.execute("SELECT 1 FROM runs WHERE id = ?", (new.id,)).fetchone() is not None:
        key, run = store.run(new.id)
        (first,) = store.events(key, 0, limit=1)
        if not ledger.same_start(new, run.workflow, first):
            raise refusals.run_taken(new.id, run.workflow)
        return run, None
    labels = (store.label(new.workflow), store.label(new.program), store.label(new.guest))
    fixed = (RUNTIME_CODE[new.runtime], RUN_CODE["pending"], new.seed, new.at)
    row = (new.id, *labels, *fixed, new.parent, new.root, new.key_id, new.public)
    (key,) = store.db.execute(_ADD_RUN, row).fetchone()
    first = ledger.first_event(new)
    event: Row = ((key << SHIFT) + 1, EVENT_CODE[first.type], first.at, first.digest, first.payload)
    store.db.execute(_ADD_FIRST_EVENT, event)
    return store.run(new.id)[1], Notice(new.id, work=True)


def find(store: Store, where: RunFilter) -> list[Run]:
    """Answer :meth:`torpor.world.Runs.list_runs`."""
    conditions = ["1"]
    values: list[object] = []
    if where.before is not None:
        conditions.append("id < ?")
        values.append(where.before)
    if where.status is not None:
        conditions.append("status = ?")
        values.append(RUN_CODE[where.status])
    if where.workflow is not None:
        conditions.append("workflow = (SELECT k FROM labels WHERE text = ?)")
        values.append(where.workflow)
    query = f"{RUNS} WHERE {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
    return [store.run_of(row) for row in store.db.execute(query, (*values, where.limit))]


def by_key(store: Store, *, live: bool) -> dict[str, int]:
    """Answer :meth:`torpor.world.Runs.runs_by_key`."""
    found: dict[str, int] = {}
    key = ""
    while key is not None:  # from key to key, instead of through all runs
        if key:
            (found[key],) = store.db.execute(_COUNT_LIVE if live else _COUNT, (key,)).fetchone()
        (key,) = store.db.execute(_NEXT_KEY, (key,)).fetchone()
    return {key: count for key, count in found.items() if count}


def cancel(store: Store, run_id: str, reason: str, at: int) -> tuple[Run, Notice]:
    """Answer :meth:`torpor.world.Runs.cancel_run`."""
    draft = Draft(store, run_id)
    advance("run_cancelled", draft.status, f"run {run_id}")
    draft.append(Event("run_cancelled", at, ref=reason))
    draft.epoch += 1
    draft.save()
    return store.run(run_id)[1], Notice(run_id, work=draft.told_others, ended=True)


def events(store: Store, run_id: str, after: int, limit: int | None) -> list[Event]:
    """Answer :meth:`torpor.world.Events.events`."""
    return store.events(store.key_of(run_id), after, limit=limit)


def steps(store: Store, run_id: str) -> list[Step]:
    """Answer :meth:`torpor.world.Events.steps`."""
    return [
        Step(run_id, step_id, op, name, STEP_STATUSES[status], *rest)
        for step_id, op, name, status, *rest in store.db.execute(_STEPS, (store.key_of(run_id),))
    ]


def log_entries(store: Store, run_id: str, after: int | None) -> list[LogEntry]:
    """Answer :meth:`torpor.world.Events.log_entries`."""
    rows = store.db.execute(
        "SELECT n, at, level, text FROM lines WHERE run = ?1 AND n > ifnull(?2, n - 1) ORDER BY n",
        (store.key_of(run_id), after),
    )
    return [LogEntry(*row) for row in rows]
