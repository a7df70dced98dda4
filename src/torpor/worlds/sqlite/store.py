"""
A connection with what every operation needs: numbers for texts, rowids for run ids, and reading.

What a number stands for never changes, and neither does a run's rowid ``k`` while there is the run, so the connection
remembers both: the usual commit looks nothing up. Once a run is deleted, ``k`` may become another's.

What makes no sense is a :class:`~torpor.errors.DamagedError`. Who reads many rows for people, or to see what is to be
done, goes on with the others.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final, Literal

import msgspec

from torpor.errors import DamagedError, SnapshotError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Event, Hook, LogEntry, Run, RunState, Snapshot
from torpor.worlds import refusals
from torpor.worlds.requests import Moved, Part, Since
from torpor.worlds.sqlite.codes import INPUT_CODES
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
from torpor.worlds.sqlite.run_rows import RUNS, named, run_of, trace_of
from torpor.worlds.sqlite.sound import SEQ_MAX, NonsenseError, Shape, check_numbers, reading

Inputs = Literal["none", "stored", "inline"]
"""Which inputs of steps are read: none, those that rows have, or also the log's for steps that are no tasks."""

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
_OF_HOOKS_RUN: Final = Shape(id=str, key_id=str, public=bytes)
_ABOUT: Final = "SELECT DISTINCT id FROM events WHERE k > ? AND k < ? AND id <> ''"
_IDS: Final = "(SELECT value FROM json_each(?))"
_SOME: Final = (
    f"SELECT {STEP_COLUMNS}, s.input FROM steps s WHERE s.run = ? AND s.id IN {_IDS} ORDER BY s.op",
    f"SELECT {WAIT_COLUMNS} FROM waits WHERE run = ? AND id IN {_IDS} ORDER BY op",
    f"SELECT {HOOK_COLUMNS} FROM hooks h WHERE h.run = ? AND h.id IN {_IDS} ORDER BY h.op",
)
_SNAPSHOT: Final = "SELECT cursor, ops, logs, image, at, {} FROM snapshots WHERE run = ?"
_OF_SNAPSHOT: Final = Shape(cursor=int, ops=int, logs=int, image=int, at=int, data=bytes)
_OF_LINE: Final = Shape(n=int, at=int, level=str, text=str)


class Store:
    """
    One connection, used by one thread.

    Attributes:
        db: in autocommit mode; whoever runs an operation brackets it with a transaction.
        url: of the world, for messages.
        file: what it is connected to.
        labels, workflows, kinds, routes, lanes: what numbers stand for.
        unwritable: rowid of the run and id of the step, ``""`` for its turn, of what cannot be set aside.
    """

    def __init__(self, db: sqlite3.Connection, url: str, file: DatabaseFile) -> None:
        self.db = db
        self.url = url
        self.file = file
        self.labels = Numbers(db, "labels", "text")
        self.workflows = Numbers(db, "workflows", "app", "name")
        self.kinds = Numbers(db, "kinds", "name", "signature")
        self.routes = Numbers(db, "routes", "app", "queue", "guest", "key_id", "priority")
        self.lanes = Numbers(db, "lanes", "app", "queue")
        self.unwritable: set[tuple[int, str]] = set()
        self._rowids: Recent[str, int] = Recent()

    def forget(self) -> None:
        """Forget what a transaction that was rolled back may have stored."""
        for numbers in (self.labels, self.workflows, self.kinds, self.routes, self.lanes):
            numbers.forget()
        self._rowids.clear()

    def rows(self, query: str, *values: object) -> list[Row]:
        """
        Return all that a query finds.

        It is read to its end before any of it is looked at: whoever gets the error of a damaged row would keep an
        unfinished query with it, and the connection in the past to which that belongs.
        """
        return self.db.execute(query, values).fetchall()

    def label(self, number: int) -> str:
        """
        Return the text of a label.

        Raises:
            NonsenseError: there is none.
        """
        return self.labels.texts(number)[0]

    # Runs

    def rowid(self, run_id: str) -> int | None:
        """Return a run's rowid, None when there is no such run."""
        row = self.db.execute("SELECT k FROM runs WHERE id = ?", (run_id,)).fetchone()
        if row is None:
            return None
        k = int(row[0])
        self.learn(run_id, k)
        return k

    def rowid_as_known(self, run_id: str) -> int | None:
        """Return a run's rowid without looking, where it is known: since then the run may have been deleted."""
        k = self._rowids.get(run_id)
        return self.rowid(run_id) if k is None else k

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
        """Return the runs that SQL chooses; of those that are damaged no more than can be told."""
        return [self._run_or_trace(row) for row in self.rows(f"{RUNS} {where}", *values)]

    def run_at(self, k: int) -> Run:
        """
        Return the run with a rowid.

        Raises:
            DamagedError: it makes no sense, or is gone.
        """
        row = self.db.execute(f"{RUNS} WHERE k = ?", (k,)).fetchone()
        if row is None:
            raise DamagedError(f"row {k} of table runs", "others refer to it, and it is not there")
        return self.run_of(row)

    def name_at(self, k: int) -> str:
        """Return the id of the run with a rowid, a number where there is none."""
        row = self.db.execute("SELECT id FROM runs WHERE k = ?", (k,)).fetchone()
        return named(k, row and row[0])

    def _run_or_trace(self, row: Row) -> Run:
        try:
            return self.run_of(row)
        except DamagedError as error:
            k, run_id, *_ = row
            if isinstance(run_id, str):
                self.learn(run_id, k)
            return trace_of(row, self.workflows.find, str(error))

    def run_of(self, row: Row) -> Run:
        """
        Return the value of a row of :data:`.run_rows.RUNS`.

        Raises:
            DamagedError: it makes no sense.
        """
        run = run_of(row, self.workflows.texts, self.routes.texts, self.label)
        self.learn(run.id, row[0])
        return run

    # What is open

    def entities(self, run_id: str, inputs: Inputs) -> tuple[int, Entities] | None:
        """Return a run's rowid, and the run with all that is open in it; None when there is no such run."""
        found = self.find(run_id)
        if found is None:
            return None
        k, run = found
        return k, Entities(
            run,
            steps_of(run_id, self.rows(_STEPS[inputs], k), self.kinds.texts, self.lanes.texts),
            waits_of(run_id, self.rows(_WAITS, k)),
            self._hooks(run, self.rows(_HOOKS, k)),
        )

    def part(self, part: Part) -> Entities | None:
        """Return a run and the little of it that is asked for, None when there is no such run."""
        found = self.find(part.run_id)
        if found is None:
            return None
        k, run = found
        step = self.rows(_STEP, k, part.step) if part.step else []
        waits = self.rows(_WAITS_DUE, k, part.due) if part.due else []
        hook = self.rows(_HOOK, k, part.hook) if part.hook else []
        steps = steps_of(run.id, step, self.kinds.texts, self.lanes.texts)
        return Entities(run, steps, waits_of(run.id, waits), self._hooks(run, hook))

    def moved(self, moved: Moved) -> Since | None:
        """Return a run and what of it has changed, None when there is no such run."""
        found = self.find(moved.run_id)
        if found is None:
            return None
        k, run = found
        low = k << SHIFT
        rows = self.rows(_ABOUT, low + moved.after, low + (1 << SHIFT)) if moved.after < run.head else []
        about = frozenset(row_id for (row_id,) in rows if isinstance(row_id, str)).union(moved.also)
        ids = msgspec.json.encode(sorted(about)).decode()
        steps, waits, hooks = ((self.rows(query, k, ids) if about else []) for query in _SOME)
        of_run = steps_of(run.id, steps, self.kinds.texts, self.lanes.texts), waits_of(run.id, waits)
        return Since(Entities(run, *of_run, self._hooks(run, hooks)), about)

    def hooks(self, where: str, *values: object) -> list[Hook | None]:
        """Return the hooks that SQL chooses, of any runs, None for a damaged one; ``h`` is a hook and ``r`` its run."""
        found: list[Hook | None] = []
        for row in self.rows(f"{HOOKS_OF_RUNS} {where}", *values):
            try:
                found.append(_hook_of_run(row))
            except DamagedError:
                found.append(None)
        return found

    def owner(self, token: str) -> Hook | None:
        """Return the live hook that has a token."""
        where = "WHERE h.token = ? AND h.status = 0 AND h.watch = ''"
        row = self.db.execute(f"{HOOKS_OF_RUNS} {where}", (token,)).fetchone()
        return None if row is None else _hook_of_run(row)

    @staticmethod
    def _hooks(run: Run, rows: Any) -> dict[str, Hook]:
        return {row[0]: hook_of(row, run.id, run.key_id, run.public) for row in rows}

    # The log

    def events(self, k: int, after: int, *, limit: int | None = None) -> list[Event]:
        """
        Return the log of a run after seq *after*.

        Raises:
            DamagedError: an event makes no sense.
        """
        low = k << SHIFT
        most = _NO_LIMIT if limit is None else limit
        # What is asked for by a seq that there cannot be is another run's.
        rows = self.rows(_LOG, low + min(max(after, 0), SEQ_MAX), low + (1 << SHIFT), most)
        return events_of(self.name_at, k, rows)

    def inputs(self, k: int, after: int) -> list[Event]:
        """Return the inputs in the log of a run after seq *after*."""
        low = k << SHIFT
        return events_of(self.name_at, k, self.rows(_INPUTS, low + after, low + (1 << SHIFT)))

    def payloads(self, k: int, seqs: tuple[int, ...]) -> dict[int, bytes]:
        """Return the payloads of some of a run's events, by seq."""
        found = {}
        for seq in seqs:
            row = self.db.execute("SELECT payload FROM events WHERE k = ?", (k << SHIFT | seq,)).fetchone()
            if row is None or not isinstance(row[0], bytes | None):
                raise DamagedError(f"event {seq}", "a step refers to it, and it is not there", run_id=self.name_at(k))
            found[seq] = row[0] or b""
        return found

    def snapshot(self, k: int, *, with_data: bool = True) -> Snapshot | None:
        """
        Return a run's newest snapshot, without its data if told so.

        Raises:
            DamagedError: its row makes no sense.
        """
        row = self.db.execute(_SNAPSHOT.format("data" if with_data else "x''"), (k,)).fetchone()
        if row is None:
            return None
        cursor, ops, logs, image, at, data = row
        try:
            _OF_SNAPSHOT.check(row)
            check_numbers((cursor,), "cursor", SEQ_MAX)
            check_numbers((ops, logs, at), "ops logs at")
            return Snapshot(cursor, ops, logs, self.label(image), at, data)
        except NonsenseError as error:
            raise DamagedError("the snapshot", str(error), run_id=self.name_at(k)) from error

    def state(self, run_id: str) -> RunState:
        """
        Answer :meth:`torpor.world.Turns.load`.

        Raises:
            RunNotFoundError: no such run.
            SnapshotError: its snapshot's row makes no sense, and its log is whole.
            DamagedError: something else makes none.
        """
        found = self.entities(run_id, "inline")
        if found is None:
            raise refusals.run_not_found(run_id, self.url)
        k, entities = found
        run = entities.run
        try:
            newest = self.snapshot(k)
        except DamagedError as error:
            if run.base:
                raise
            raise SnapshotError(str(error)) from error
        state = RunState(entities, newest, self.events(k, newest.cursor if newest else 0))
        if run.status not in RUN_TERMINAL:
            with reading(f"row {k} of table runs", run_id):
                self._check_log(k, state)
        return state

    def _check_log(self, k: int, state: RunState) -> None:
        """
        Check that the log is what the run says of it, from where the state begins.

        Raises:
            NonsenseError: it is not.
        """
        run, events = state.run, state.events
        last = events[-1].seq if events else self._last_seq(k) or run.base
        if last != run.head:
            raise NonsenseError(f"it says that its log ends with event {run.head}, which ends with event {last}")
        after = state.snapshot.cursor if state.snapshot is not None else run.base
        if events and (events[0].seq != after + 1 or last - after != len(events)):
            raise NonsenseError(f"of the {last - after} events of its log after event {after} there are {len(events)}")

    def _last_seq(self, k: int) -> int:
        """Return the seq of the last event in a run's log, 0 when there is none."""
        low = k << SHIFT
        row = self.db.execute("SELECT max(k) FROM events WHERE k > ? AND k < ?", (low, low + (1 << SHIFT))).fetchone()
        return 0 if row[0] is None else int(row[0]) - low

    def lines(self, run_id: str, after: int | None) -> list[LogEntry]:
        """Answer :meth:`torpor.world.Log.log_entries`."""
        rows = self.rows(
            "SELECT n, at, level, text FROM lines WHERE run = ? AND n > ifnull(?, n - 1) ORDER BY n",
            self.existing(run_id),
            after,
        )
        found = []
        for row in rows:
            n, at, level, text = row
            with reading(f"log line {n}", run_id):
                _OF_LINE.check(row)
                check_numbers((at,), "at")
            found.append(LogEntry(n, at, level, text))
        return found


def _hook_of_run(row: Row) -> Hook:
    *its, run_id, key_id, public = row
    with reading(f"the run of hook {its[0]}"):
        _OF_HOOKS_RUN.check((run_id, key_id, public))
    return hook_of(tuple(its), run_id, key_id, public)
