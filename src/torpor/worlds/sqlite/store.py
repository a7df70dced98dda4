"""
A connection with what every operation needs: numbers for texts, rowids for run ids, and reading.

A run's rowid ``k`` never changes, and neither does what a number stands for, so the connection remembers both: the
usual commit looks nothing up.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, Literal

from torpor.model import Entities, Event, Hook, LogEntry, Run, RunState, Snapshot
from torpor.worlds import refusals
from torpor.worlds.operations import Part
from torpor.worlds.sqlite.codes import INPUT_CODES, RUN_STATUSES, RUNTIMES
from torpor.worlds.sqlite.file import DatabaseFile
from torpor.worlds.sqlite.numbers import Numbers, Recent
from torpor.worlds.sqlite.rows import (
    EVENT_COLUMNS,
    HOOK_COLUMNS,
    SHIFT,
    STEP_COLUMNS,
    WAIT_COLUMNS,
    Row,
    events_of,
    hook_of,
    steps_of,
    waits_of,
)

Inputs = Literal["none", "stored", "inline"]
"""Which inputs of steps are read: none, those that rows have, or also the log's for steps that are no tasks."""

RUNS: Final = (
    "SELECT k, id, workflow, program, route, runtime, status, seed, created_at, started_at, ended_at, error_code, "
    "head, ops, logs, epoch, parent, root, public, build, base, latest_at, ready_at, queued_at, worker, redeliveries, "
    "snoozes, snoozed FROM runs"
)

_NO_LIMIT: Final = -1
_LOG: Final = f"SELECT {EVENT_COLUMNS} FROM events WHERE k > ? AND k < ? ORDER BY k LIMIT ?"
_INPUTS: Final = f"SELECT {EVENT_COLUMNS} FROM events WHERE k > ? AND k < ? AND type IN ({INPUT_CODES}) ORDER BY k"
_STEP: Final = f"SELECT {STEP_COLUMNS}, s.input FROM steps s WHERE s.run = ? AND s.id = ?"
_STEPS: Final[dict[Inputs, str]] = {
    "none": f"SELECT {STEP_COLUMNS}, NULL FROM steps s WHERE s.run = ? ORDER BY s.op",
    "stored": f"SELECT {STEP_COLUMNS}, s.input FROM steps s WHERE s.run = ? ORDER BY s.op",
    "inline": (
        f"SELECT {STEP_COLUMNS}, iif(s.task, NULL, ifnull(ifnull(s.input, e.payload), x'')) FROM steps s "
        f"LEFT JOIN events e ON e.k = s.run << {SHIFT} | s.seq AND s.task = 0 AND s.input IS NULL "
        "WHERE s.run = ? ORDER BY s.op"
    ),
}
_WAITS: Final = f"SELECT {WAIT_COLUMNS} FROM waits WHERE run = ? ORDER BY op"
_WAITS_DUE: Final = f"SELECT {WAIT_COLUMNS} FROM waits WHERE run = ? AND due <= ? ORDER BY op"
_HOOKS: Final = f"SELECT {HOOK_COLUMNS} FROM hooks h WHERE h.run = ? ORDER BY h.op"
_HOOK: Final = f"SELECT {HOOK_COLUMNS} FROM hooks h WHERE h.run = ? AND h.id = ?"
HOOKS_OF_RUNS: Final = f"SELECT {HOOK_COLUMNS}, r.id, r.key_id, r.public FROM hooks h JOIN runs r ON r.k = h.run"
_SNAPSHOT: Final = "SELECT cursor, ops, logs, image, at, {} FROM snapshots WHERE run = ?"


class Store:
    """
    One connection, used by one thread.

    Attributes:
        db: in autocommit mode; whoever runs an operation brackets it with a transaction.
        url: of the world, for messages.
        file: what it is connected to.
        labels, workflows, kinds, routes: what numbers stand for.
    """

    def __init__(self, db: sqlite3.Connection, url: str, file: DatabaseFile) -> None:
        self.db = db
        self.url = url
        self.file = file
        self.labels = Numbers(db, "labels", "text")
        self.workflows = Numbers(db, "workflows", "app", "name")
        self.kinds = Numbers(db, "kinds", "name", "signature")
        self.routes = Numbers(db, "routes", "app", "queue", "guest", "key_id")
        self._rowids: Recent[str, int] = Recent()

    def forget(self) -> None:
        """Forget what a transaction that was rolled back may have stored."""
        for numbers in (self.labels, self.workflows, self.kinds, self.routes):
            numbers.forget()
        self._rowids.clear()

    def label(self, number: int) -> str:
        """Return the text of a label."""
        return self.labels.texts(number)[0]

    # Runs

    def rowid(self, run_id: str) -> int | None:
        """Return a run's rowid, None when there is no such run."""
        k = self._rowids.get(run_id)
        if k is None:
            row = self.db.execute("SELECT k FROM runs WHERE id = ?", (run_id,)).fetchone()
            if row is not None:
                k = int(row[0])
                self.learn(run_id, k)
        return k

    def learn(self, run_id: str, k: int) -> None:
        """Remember a run's rowid."""
        self._rowids.put(run_id, k)

    def existing(self, run_id: str) -> int:
        """
        Return a run's rowid.

        Raises:
            RunNotFoundError: no such run.
        """
        k = self.rowid(run_id)
        if k is None:
            raise refusals.run_not_found(run_id, self.url)
        return k

    def find(self, run_id: str) -> tuple[int, Run] | None:
        """Return a run's rowid and the run as it stands, None when there is no such run."""
        row = self.db.execute(f"{RUNS} WHERE id = ?", (run_id,)).fetchone()
        return None if row is None else (row[0], self.run_of(row))

    def run(self, run_id: str) -> tuple[int, Run]:
        """
        Return a run's rowid, and the run as it stands.

        Raises:
            RunNotFoundError: no such run.
        """
        found = self.find(run_id)
        if found is None:
            raise refusals.run_not_found(run_id, self.url)
        return found

    def runs(self, where: str, *values: object) -> list[Run]:
        """Return the runs that SQL chooses."""
        return [self.run_of(row) for row in self.db.execute(f"{RUNS} {where}", values)]

    def run_of(self, row: Row) -> Run:
        """Return the value of a row of :data:`RUNS`."""
        (
            k,
            run_id,
            workflow,
            program,
            route,
            runtime,
            status,
            seed,
            created_at,
            started_at,
            ended_at,
            error_code,
            head,
            ops,
            logs,
            epoch,
            parent,
            root,
            public,
            build,
            base,
            latest_at,
            ready_at,
            queued_at,
            worker,
            redeliveries,
            snoozes,
            snoozed,
        ) = row
        self.learn(run_id, k)
        app, queue, guest, key_id = self.routes.texts(route)
        return Run(
            run_id,
            self.workflows.texts(workflow)[1],
            self.label(program),
            guest,
            RUNTIMES[runtime],
            RUN_STATUSES[status],
            seed,
            created_at,
            started_at,
            ended_at,
            error_code,
            head,
            ops,
            logs,
            epoch,
            parent,
            root,
            key_id,
            public,
            app,
            queue,
            self.label(build),
            base,
            latest_at,
            ready_at,
            queued_at,
            worker or "",
            redeliveries,
            snoozes,
            snoozed,
        )

    # What is open

    def entities(self, run_id: str, inputs: Inputs) -> tuple[int, Entities] | None:
        """Return a run's rowid, and the run with all that is open in it; None when there is no such run."""
        found = self.find(run_id)
        if found is None:
            return None
        k, run = found
        return k, Entities(
            run,
            steps_of(run_id, self.db.execute(_STEPS[inputs], (k,)), self.kinds.texts),
            waits_of(self.db.execute(_WAITS, (k,))),
            self._hooks(run, self.db.execute(_HOOKS, (k,))),
        )

    def part(self, part: Part) -> Entities | None:
        """Return a run and the little of it that is asked for, None when there is no such run."""
        found = self.find(part.run_id)
        if found is None:
            return None
        k, run = found
        step = self.db.execute(_STEP, (k, part.step)) if part.step else ()
        waits = self.db.execute(_WAITS_DUE, (k, part.due)) if part.due else ()
        hook = self.db.execute(_HOOK, (k, part.hook)) if part.hook else ()
        return Entities(run, steps_of(run.id, step, self.kinds.texts), waits_of(waits), self._hooks(run, hook))

    def hooks(self, where: str, *values: object) -> list[Hook]:
        """Return the hooks that SQL chooses, of any runs; ``h`` is a hook and ``r`` its run."""
        rows = self.db.execute(f"{HOOKS_OF_RUNS} {where}", values)
        return [hook_of(tuple(row), run_id, key_id, public) for *row, run_id, key_id, public in rows]

    def owner(self, token: str) -> Hook | None:
        """Return the live hook that has a token."""
        found = self.hooks("WHERE h.token = ? AND h.status = 0 AND h.watch = ''", token)
        return found[0] if found else None

    @staticmethod
    def _hooks(run: Run, rows: Any) -> dict[str, Hook]:
        return {row[0]: hook_of(row, run.id, run.key_id, run.public) for row in rows}

    # The log

    def events(self, k: int, after: int, *, limit: int | None = None) -> list[Event]:
        """Return the log of a run after seq *after*."""
        low = k << SHIFT
        most = _NO_LIMIT if limit is None else limit
        return events_of(self.db.execute(_LOG, (low + after, low + (1 << SHIFT), most)))

    def inputs(self, k: int, after: int) -> list[Event]:
        """Return the inputs in the log of a run after seq *after*."""
        low = k << SHIFT
        return events_of(self.db.execute(_INPUTS, (low + after, low + (1 << SHIFT))))

    def payloads(self, k: int, seqs: tuple[int, ...]) -> dict[int, bytes]:
        """Return the payloads of some of a run's events, by seq."""
        one = "SELECT payload FROM events WHERE k = ?"
        return {seq: self.db.execute(one, (k << SHIFT | seq,)).fetchone()[0] or b"" for seq in seqs}

    def snapshot(self, k: int, *, with_data: bool = True) -> Snapshot | None:
        """Return a run's newest snapshot, without its data if told so."""
        row = self.db.execute(_SNAPSHOT.format("data" if with_data else "x''"), (k,)).fetchone()
        if row is None:
            return None
        cursor, ops, logs, image, at, data = row
        return Snapshot(cursor, ops, logs, self.label(image), at, data)

    def state(self, run_id: str) -> RunState:
        """
        Answer :meth:`torpor.world.Turns.load`.

        Raises:
            RunNotFoundError: no such run.
        """
        found = self.entities(run_id, "inline")
        if found is None:
            raise refusals.run_not_found(run_id, self.url)
        k, entities = found
        newest = self.snapshot(k)
        return RunState(entities, newest, self.events(k, newest.cursor if newest else 0))

    def lines(self, run_id: str, after: int | None) -> list[LogEntry]:
        """Answer :meth:`torpor.world.Log.log_entries`."""
        rows = self.db.execute(
            "SELECT n, at, level, text FROM lines WHERE run = ?1 AND n > ifnull(?2, n - 1) ORDER BY n",
            (self.existing(run_id), after),
        )
        return [LogEntry(*row) for row in rows]
