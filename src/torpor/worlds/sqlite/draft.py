"""
One change to one run: events, and the rows that they change.

Events are gathered and checked one by one against the lifecycle table; :meth:`Draft.save` writes them with as few
statements as can be. Hooks are written at once, because the database is to say whose a token is. An operation that
fails may leave half its rows behind: whoever runs operations rolls it back.
"""

from __future__ import annotations

import sqlite3
from typing import Final, cast

import msgspec

from torpor.lifecycle import INPUTS, RUN_ENDINGS, RUN_TERMINAL, RunStatus, advance, entity_of
from torpor.model import Event
from torpor.worlds import ledger, refusals
from torpor.worlds.sqlite.codes import (
    EVENT_CODE,
    EVENT_TYPES,
    HOOK_CODE,
    HOOK_STATUSES,
    RUN_CODE,
    RUN_STATUSES,
    STEP_CODE,
    STEP_STATUSES,
    WAIT_CODE,
    WAIT_STATUSES,
)
from torpor.worlds.sqlite.store import SHIFT, Row, Store, events_of

_LOAD_RUN: Final = (
    "SELECT k, id, key, status, head, latest_at, started_at, ended_at, error_code, ops, logs, epoch, deliveries, "
    "claimed_by FROM runs WHERE"
)
_SAVE_RUN: Final = (
    "UPDATE runs SET status = ?, head = ?, latest_at = ?, started_at = ?, ended_at = ?, error_code = ?, ops = ?, "
    "logs = ?, epoch = ?, deliveries = ? WHERE k = ?"
)
_LIVE_RUN: Final = "SELECT k FROM runs WHERE id = ? AND status < 2"
_ADD_EVENT: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_LOAD_STEP: Final = (
    "SELECT seq, status, attempt, failures, started_at, ended_at, task, epoch, deliveries, ready_at, claimed_by "
    "FROM steps WHERE run = ? AND id = ?"
)
_ADD_STEP: Final = "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SAVE_STEP: Final = (
    "UPDATE steps SET status = ?, attempt = ?, failures = ?, started_at = ?, ended_at = ? WHERE run = ? AND id = ?"
)
_SAVE_TASK: Final = (
    "UPDATE steps SET task = ?, epoch = ?, deliveries = ?, ready_at = ?, claimed_by = ? WHERE run = ? AND id = ?"
)
_ADD_HOOK: Final = "INSERT INTO hooks VALUES (?, ?, ?, ?, ?, ?)"
_WATCHERS: Final = (
    "SELECT r.id, h.id, e.op FROM hooks h INDEXED BY hooks_watch JOIN runs r ON r.k = h.run "
    f"JOIN events e ON e.k = h.run << {SHIFT} | h.seq WHERE h.watch = ? AND h.status = 0 ORDER BY h.run, h.seq"
)


class StepRow(msgspec.Struct):
    """
    A step as it will be.

    Attributes:
        seq: of its ``step_created``.
        task: whether a task stands for it; the fields after it are the task's.
        is_new: it is not in the table yet.
        task_changed: the task's fields must be written.
    """

    seq: int
    status: str
    attempt: int = 0
    failures: int = 0
    started_at: int = 0
    ended_at: int = 0
    task: int = 0
    epoch: int = 0
    redeliveries: int = 0
    ready_at: int | None = None
    claimed_by: str | None = None
    is_new: bool = False
    task_changed: bool = False


class Draft:
    """
    A run as it will be.

    Raises:
        RunNotFoundError: no such run.
    """

    def __init__(self, store: Store, run_id: str) -> None:
        row = store.db.execute(f"{_LOAD_RUN} id = ?", (run_id,)).fetchone()
        if row is None:
            raise refusals.run_not_found(run_id, store.url)
        self._store = store
        self._db = store.db
        (
            self.key,
            self.run_id,
            self.encrypted_with,  # id of its deployment key
            status,
            self.head,
            self._latest_at,
            self._started_at,
            self._ended_at,
            self._error_code,
            self.ops,
            self.logs,
            self.epoch,
            self.redeliveries,
            self.claimed_by,
        ) = row
        self.status: RunStatus = RUN_STATUSES[status]
        self.ended = self.status in RUN_TERMINAL
        self._base: int = self.key << SHIFT
        self._at = 0  # of the event that is being added
        self._rows: list[Row] = []
        self._steps: dict[str, StepRow] = {}
        self.told_others = False  # that this run has ended

    def append(self, event: Event, *, consumed: bool = False) -> None:
        """
        Add *event* to the log and change the entity that it is about.

        A hook that watches a run which is over receives at once: that event is added behind its creation.

        A *consumed* event keeps its time, which a VM has seen already; others are never before their predecessor.

        Raises:
            EntityConflictError: the run has ended, or the lifecycle does not allow it.
        """
        if self.ended:
            raise refusals.ended(event.type, self.run_id, self.status)
        self.head += 1
        self._latest_at = max(self._latest_at, event.at)
        self._at = event.at if consumed else self._latest_at
        kind, ref = event.type, event.ref
        match entity_of(kind):
            case "run":
                self._change_run(event)
            case "step":
                self._change_step(event)
            case "wait":
                self._change_wait(event)
            case "hook":
                owner = self._change_hook(event)
                if owner is not None:
                    kind, ref = "hook_conflict", owner
        self._rows.append(
            (
                self._base + self.head,
                EVENT_CODE[kind],
                self._at,
                event.id,
                event.op,
                event.digest,
                event.name,
                event.attempt,
                event.due,
                ref,
                event.payload,
            )
        )
        if kind == "hook_created" and ref and not self._watched(ref):
            self.append(ledger.watched_ended(event.id, event.op, ref, self._at))

    def inputs_beyond(self, count: int) -> tuple[Event, ...]:
        """Return the inputs among the appended events, as they will be stored, but for the first *count*."""
        inputs = [row for row in self._rows[count:] if EVENT_TYPES[row[1]] in INPUTS]
        return tuple(events_of((code, at, about, key - self._base, *rest) for key, code, at, about, *rest in inputs))

    def step(self, step_id: str) -> StepRow | None:
        """Return the step to change, None when there is none."""
        row = self._steps.get(step_id)
        if row is None:
            found = self._db.execute(_LOAD_STEP, (self.key, step_id)).fetchone()
            if found is not None:
                row = self._steps[step_id] = StepRow(found[0], STEP_STATUSES[found[1]], *found[2:])
        return row

    def wake(self, at: int) -> None:
        """Make the run's turn ready; one that is claimed meets what was appended when it commits."""
        self._db.execute("UPDATE runs SET ready_at = min(ifnull(ready_at, ?1), ?1) WHERE k = ?2", (at, self.key))

    def park(self) -> None:
        """Give the turn up until the earliest of the run's waits."""
        self._db.execute(
            "UPDATE runs SET claimed_by = NULL, "
            "ready_at = (SELECT min(due) FROM waits WHERE run = ?1 AND status = 0) WHERE k = ?1",
            (self.key,),
        )

    def save(self) -> None:
        """
        Write what was gathered.

        Raises:
            EntityConflictError: a step is there already.
        """
        self._db.executemany(_ADD_EVENT, self._rows)
        for step_id, row in self._steps.items():
            self._save_step(step_id, row)
        self._db.execute(
            _SAVE_RUN,
            (
                RUN_CODE[self.status],
                self.head,
                self._latest_at,
                self._started_at,
                self._ended_at,
                self._error_code,
                self.ops,
                self.logs,
                self.epoch,
                self.redeliveries,
                self.key,
            ),
        )
        if self.ended:
            self._sweep()
            self._tell_watchers()

    def _change_run(self, event: Event) -> None:
        self.status = cast(RunStatus, advance(event.type, self.status, f"run {self.run_id}"))
        if event.type == "run_started":
            self._started_at = self._at
        elif event.type in RUN_ENDINGS:
            self.ended = True
            self._ended_at = self._at
            self._error_code = event.name if event.type == "run_failed" else ""

    def _change_step(self, event: Event) -> None:
        what = f"step {event.id} of run {self.run_id}"
        if event.type == "step_created" and event.id not in self._steps:
            # Whether the id is taken already is for the primary key to say.
            self._steps[event.id] = StepRow(self.head, advance(event.type, None, what), is_new=True)
            return
        row = self.step(event.id)
        status = advance(event.type, row.status if row else None, what)
        assert row is not None, "only step_created begins without a row"
        row.status = status
        match event.type:
            case "step_started":
                row.attempt = event.attempt
                row.started_at = row.started_at or self._at
            case "step_retrying":
                row.failures += 1
            case _:
                row.ended_at = self._at
                if row.task:
                    row.task, row.ready_at, row.claimed_by, row.task_changed = 0, None, None, True

    def _save_step(self, step_id: str, row: StepRow) -> None:
        status = STEP_CODE[row.status]
        facts = (status, row.attempt, row.failures, row.started_at, row.ended_at)
        task = (row.task, row.epoch, row.redeliveries, row.ready_at, row.claimed_by)
        if row.is_new:
            try:
                self._db.execute(_ADD_STEP, (self.key, step_id, row.seq, *facts, *task, self.encrypted_with))
            except sqlite3.IntegrityError:
                (there,) = self._db.execute(
                    "SELECT status FROM steps WHERE run = ? AND id = ?", (self.key, step_id)
                ).fetchone()
                advance("step_created", STEP_STATUSES[there], f"step {step_id} of run {self.run_id}")
                raise
            return
        self._db.execute(_SAVE_STEP, (*facts, self.key, step_id))
        if row.task_changed:
            self._db.execute(_SAVE_TASK, (*task, self.key, step_id))

    def _change_wait(self, event: Event) -> None:
        about = (self.key, event.id)
        found = self._db.execute("SELECT status FROM waits WHERE run = ? AND id = ?", about).fetchone()
        before = None if found is None else WAIT_STATUSES[found[0]]
        status = WAIT_CODE[advance(event.type, before, f"wait {event.id} of run {self.run_id}")]
        if before is None:
            self._db.execute("INSERT INTO waits VALUES (?, ?, ?, ?, ?)", (*about, self.head, status, event.due))
        else:
            self._db.execute("UPDATE waits SET status = ? WHERE run = ? AND id = ?", (status, *about))

    def _change_hook(self, event: Event) -> str | None:
        """Return the run that has the token already, if that makes a ``hook_conflict`` of *event*."""
        about = (self.key, event.id)
        what = f"hook {event.id} of run {self.run_id}"
        found = self._db.execute("SELECT status, seq FROM hooks WHERE run = ? AND id = ?", about).fetchone()
        before = None if found is None else HOOK_STATUSES[found[0]]
        status = advance(event.type, before, what)
        if before is not None:
            if status != before:
                self._db.execute("UPDATE hooks SET status = ? WHERE run = ? AND id = ?", (HOOK_CODE[status], *about))
            if status == "disposed":
                self._db.execute("DELETE FROM resumes WHERE hook = ?", (self._base + found[1],))
            return None
        watch = self._watched(event.ref) if event.type == "hook_created" and event.ref else None
        try:
            self._db.execute(_ADD_HOOK, (*about, self.head, HOOK_CODE[status], event.name, watch))
        except sqlite3.IntegrityError:
            status = advance("hook_conflict", before, what)
            self._db.execute(_ADD_HOOK, (*about, self.head, HOOK_CODE[status], event.name, None))
            (owner,) = self._db.execute(
                "SELECT r.id FROM hooks h JOIN runs r ON r.k = h.run "
                "WHERE h.token = ? AND h.status = 0 AND h.watch IS NULL",
                (event.name,),
            ).fetchone()
            return str(owner)
        return None

    def _watched(self, run_id: str) -> int:
        """Return the key of a run that a hook is to watch, 0 when it has ended or does not exist."""
        row = self._db.execute(_LIVE_RUN, (run_id,)).fetchone()
        return 0 if row is None else int(row[0])

    def _tell_watchers(self) -> None:
        """Tell every hook that watches this run of its end."""
        for run_id, hook_id, op in self._db.execute(_WATCHERS, (self.key,)).fetchall():
            watcher = Draft(self._store, run_id)
            watcher.append(ledger.watched_ended(hook_id, op, self.run_id, self._ended_at))
            watcher.wake(self._ended_at)
            watcher.save()
            self.told_others = True

    def _sweep(self) -> None:
        """Let go of everything that an ended run no longer needs; its unfinished steps stay as they are."""
        key = (self.key,)
        db = self._db
        db.execute("UPDATE runs SET claimed_by = NULL, ready_at = NULL WHERE k = ?", key)
        db.execute(
            "UPDATE steps INDEXED BY steps_open SET task = 0, ready_at = NULL, claimed_by = NULL "
            "WHERE run = ? AND task = 1 AND status < 3",
            key,
        )
        db.execute("DELETE FROM waits INDEXED BY waits_open WHERE run = ? AND status = 0", key)
        disposed = HOOK_CODE["disposed"]
        db.execute(f"UPDATE hooks INDEXED BY hooks_open SET status = {disposed} WHERE run = ? AND status = 0", key)
        db.execute("DELETE FROM resumes WHERE hook > ? AND hook < ?", (self._base, self._base + (1 << SHIFT)))
        db.execute("DELETE FROM snapshots WHERE run = ?", key)
