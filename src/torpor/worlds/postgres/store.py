"""A connection with what every operation needs: reading runs and what belongs to them, and which of them are locked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from torpor.errors import DamagedError
from torpor.lifecycle import INPUTS, RUN_TERMINAL
from torpor.model import Entities, Event, Hook, LogEntry, Run, RunState, Snapshot
from torpor.worlds import refusals
from torpor.worlds.draft import fence
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.numbers import Routes
from torpor.worlds.postgres.rows import (
    EVENTS,
    HOOKS,
    LINES,
    RUNS,
    SNAPSHOT_FIELDS,
    STEP_FIELDS,
    WAITS,
    by_id,
    events_of,
    hooks_of,
    lines_of,
    run_of,
    waits_of,
)
from torpor.worlds.postgres.statements import Row, Statement
from torpor.worlds.requests import Moved, Part, Since

Inputs = Literal["none", "stored", "inline"]
"""Which inputs of steps are read: none, those that rows have, or also the log's for steps that are no tasks."""

_INPUT: Final[dict[Inputs, str]] = {
    "none": "NULL::bytea",
    "stored": "s.input",
    "inline": "CASE WHEN s.task THEN NULL ELSE coalesce(s.input, e.payload, ''::bytea) END",
}
_LOGGED: Final = "LEFT JOIN torpor.events e ON e.run = s.run AND e.seq = s.seq AND NOT s.task AND s.input IS NULL"


def _steps(inputs: Inputs, where: str) -> str:
    columns = ", ".join(_INPUT[inputs] if field == "input" else f"s.{field}" for field in STEP_FIELDS)
    return f"SELECT {columns} FROM torpor.steps s {_LOGGED if inputs == 'inline' else ''} {where} ORDER BY s.op"


_OF_RUN: Final = "WHERE s.run = %s"
_STEPS: Final[dict[Inputs, str]] = {inputs: _steps(inputs, _OF_RUN) for inputs in _INPUT}
_STEP: Final = _steps("stored", f"{_OF_RUN} AND s.id = %s")
_SOME_STEPS: Final = _steps("stored", f"{_OF_RUN} AND s.id = ANY(%s)")
_WAITS: Final = f"{WAITS} WHERE run = %s ORDER BY op"
_DUE: Final = f"{WAITS} WHERE run = %s AND due <= %s ORDER BY op"
_HOOKS: Final = f"{HOOKS} WHERE h.run = %s ORDER BY h.op"
_HOOK: Final = f"{HOOKS} WHERE h.run = %s AND h.id = %s"
_SOME_WAITS: Final = f"{WAITS} WHERE run = %s AND id = ANY(%s) ORDER BY op"
_SOME_HOOKS: Final = f"{HOOKS} WHERE h.run = %s AND h.id = ANY(%s) ORDER BY h.op"
_ABOUT: Final = "SELECT DISTINCT id FROM torpor.events WHERE run = %s AND seq > %s AND id <> ''"
_RUN: Final = f"{RUNS} WHERE r.id = %s"
LOG_OF: Final = f"{EVENTS} WHERE run = %s AND seq > %s ORDER BY seq LIMIT %s"
_INPUTS: Final = f"{EVENTS} WHERE run = %s AND seq > %s AND type = ANY(%s) ORDER BY seq"
SNAPSHOT_OF: Final = f"SELECT {', '.join(SNAPSHOT_FIELDS)} FROM torpor.snapshots WHERE run = %s"
_BARE_SNAPSHOT: Final = SNAPSHOT_OF.replace(", data", ", ''::bytea")
_AFTER_SNAPSHOT: Final = (
    f"{EVENTS} WHERE run = %s AND seq > coalesce((SELECT cursor FROM torpor.snapshots WHERE run = %s), 0) ORDER BY seq"
)
_OWNER: Final = f"{HOOKS} JOIN torpor.tokens t ON t.run = h.run AND t.hook = h.id WHERE t.token = %s"
_PAYLOADS: Final = "SELECT seq, coalesce(payload, ''::bytea) FROM torpor.events WHERE run = %s AND seq = ANY(%s)"


class Store:
    """
    A connection, used by one thread at a time.

    Attributes:
        connection: for statements of whoever has others.
        url: of the world, without its password, for messages.
        routes: what waits where.
    """

    def __init__(self, connection: Connection, url: str) -> None:
        self.connection = connection
        self.url = url
        self.routes = Routes(connection)
        self._locked: dict[str, tuple[int, int, str, int]] = {}

    def has_locked(self, run: Run) -> bool:
        """Return whether the stored run is this one, and nobody else can change it before the transaction ends."""
        return self._locked.get(run.id) == fence(run)

    def locked(self, run: Run) -> None:
        """Take note that nobody else can change a run before the transaction ends, which is stored as *run*."""
        self._locked[run.id] = fence(run)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make one transaction of what is done in the block; an error in it undoes it."""
        self._locked.clear()
        try:
            with self.connection.transaction():
                yield
        except BaseException:
            self.routes.forget()
            raise
        finally:
            self._locked.clear()

    # Runs

    def find(self, run_id: str) -> Run | None:
        """Return a run as it stands, None when there is no such run."""
        row = self.connection.row(_RUN, run_id)
        return None if row is None else run_of(row)

    def run(self, run_id: str) -> Run:
        """
        Return a run as it stands.

        Raises:
            RunNotFoundError: no such run.
        """
        found = self.find(run_id)
        if found is None:
            raise refusals.run_not_found(run_id, self.url)
        return found

    def runs(self, where: str, *values: object) -> list[Run]:
        """Return the runs that SQL chooses; ``r`` is a run."""
        return [run_of(row) for row in self.connection.rows(f"{RUNS} {where}", *values)]

    def runs_by_name(self, where: str, asked: Mapping[str, object]) -> list[Run]:
        """Do the same with values that have names."""
        return self.runs_found(f"{RUNS} {where}", asked)

    def runs_found(self, query: str, asked: Mapping[str, object]) -> list[Run]:
        """Return the runs whose columns a query finds."""
        [found] = self.connection.ask((query, asked))
        return [run_of(row) for row in found]

    # What is open

    def entities(self, run_id: str, inputs: Inputs, *, locked: bool = False) -> Entities | None:
        """
        Return a run with all that is open in it, None when there is no such run.

        Args:
            run_id: which.
            inputs: of its steps.
            locked: nobody else changes it, or claims a task of it, before the transaction ends.
        """
        lock, of_steps = (" FOR UPDATE", " FOR UPDATE OF s") if locked else ("", "")
        asked = ((f"{_RUN}{lock}", (run_id,)), (f"{_STEPS[inputs]}{of_steps}", (run_id,)))
        return self._entities(*asked, (_WAITS, (run_id,)), (_HOOKS, (run_id,)), locked=locked)

    def entities_asked(self, run_id: str) -> list[Statement]:
        """Return what asks for a run with all that is open in it, for whom asks for more of that moment."""
        of_run = (run_id,)
        return [(_RUN, of_run), (_STEPS["stored"], of_run), (_WAITS, of_run), (_HOOKS, of_run)]

    def entities_found(self, found: Sequence[Sequence[Row]]) -> Entities | None:
        """Return what :meth:`entities_asked` has found, None when there is no such run."""
        runs, steps, waits, hooks = found
        return Entities(run_of(runs[0]), by_id(steps), waits_of(waits), hooks_of(hooks)) if runs else None

    def part(self, part: Part) -> Entities | None:
        """Return a run, locked, and the little of it that is asked for; None when there is no such run."""
        run_id = part.run_id
        return self._entities(
            (f"{_RUN} FOR UPDATE", (run_id,)),
            (f"{_STEP} FOR UPDATE OF s", (run_id, part.step)) if part.step else None,
            (_DUE, (run_id, part.due)) if part.due else None,
            (_HOOK, (run_id, part.hook)) if part.hook else None,
            locked=True,
        )

    def moved(self, request: Moved) -> Since | None:
        """Return a run, locked, and what of it has changed since an event; None when there is no such run."""
        run_id = request.run_id
        runs, events = self.connection.ask((f"{_RUN} FOR UPDATE", (run_id,)), (_ABOUT, (run_id, request.after)))
        if not runs:
            return None
        about = frozenset(row[0] for row in events).union(request.also)
        entities = self._entities(
            (_RUN, (run_id,)),
            (f"{_SOME_STEPS} FOR UPDATE OF s", (run_id, [*about])),
            (_SOME_WAITS, (run_id, [*about])),
            (_SOME_HOOKS, (run_id, [*about])),
            locked=True,
        )
        return None if entities is None else Since(entities, about)

    def _entities(
        self,
        which: Statement,
        steps: Statement | None,
        waits: Statement | None,
        hooks: Statement | None,
        *,
        locked: bool,
    ) -> Entities | None:
        asked = [each for each in (which, steps, waits, hooks) if each is not None]
        found = iter(self.connection.ask(*asked))
        rows = next(found)
        if not rows:
            return None
        run = run_of(rows[0])
        if locked:
            self.locked(run)
        return Entities(
            run,
            by_id(next(found)) if steps else {},
            waits_of(next(found)) if waits else {},
            hooks_of(next(found)) if hooks else {},
        )

    def hooks(self, where: str, *values: object) -> list[Hook]:
        """Return the hooks that SQL chooses, of any runs; ``h`` is a hook and ``r`` its run."""
        return [Hook(*row) for row in self.connection.rows(f"{HOOKS} {where}", *values)]

    def owner(self, token: str) -> Hook | None:
        """Return the live hook that has a token."""
        row = self.connection.row(_OWNER, token)
        return None if row is None else Hook(*row)

    # The log

    def events(self, run_id: str, after: int, *, limit: int | None = None) -> list[Event]:
        """
        Return the log of a run after seq *after*.

        Raises:
            RunNotFoundError: no such run.
        """
        exists, rows = self.connection.ask(
            ("SELECT 1 FROM torpor.runs WHERE id = %s", (run_id,)), (LOG_OF, (run_id, after, limit))
        )
        if not exists:
            raise refusals.run_not_found(run_id, self.url)
        return events_of(rows)

    def inputs(self, run_id: str, after: int) -> list[Event]:
        """Return the inputs in the log of a run after seq *after*."""
        return events_of(self.connection.rows(_INPUTS, run_id, after, sorted(INPUTS)))

    def payloads(self, run_id: str, seqs: tuple[int, ...]) -> dict[int, bytes]:
        """
        Return the payloads of some of a run's events, by seq.

        Raises:
            DamagedError: one of the events is not there.
        """
        found: dict[int, bytes] = dict(self.connection.rows(_PAYLOADS, run_id, [*seqs]))
        for seq in seqs:
            if seq not in found:
                raise DamagedError(f"event {seq}", "a step refers to it, and it is not there", run_id=run_id)
        return found

    def snapshot(self, run_id: str, *, with_data: bool = True) -> Snapshot | None:
        """Return a run's newest snapshot, without its data if told so."""
        row = self.connection.row(SNAPSHOT_OF if with_data else _BARE_SNAPSHOT, run_id)
        return None if row is None else Snapshot(*row)

    def existing_snapshot(self, run_id: str) -> Snapshot | None:
        """
        Return the newest snapshot of a run.

        Raises:
            RunNotFoundError: no such run.
        """
        self.run(run_id)
        return self.snapshot(run_id)

    def state(self, run_id: str) -> RunState:
        """
        Answer :meth:`torpor.world.Turns.load`.

        Raises:
            RunNotFoundError: no such run.
            DamagedError: its log is not what the run says of it.
        """
        runs, steps, waits, hooks, snapshots, log = self.connection.ask_of_one_moment(
            (_RUN, (run_id,)),
            (_STEPS["inline"], (run_id,)),
            (_WAITS, (run_id,)),
            (_HOOKS, (run_id,)),
            (SNAPSHOT_OF, (run_id,)),
            (_AFTER_SNAPSHOT, (run_id, run_id)),
        )
        if not runs:
            raise refusals.run_not_found(run_id, self.url)
        run = run_of(runs[0])
        held = Entities(run, by_id(steps), waits_of(waits), hooks_of(hooks))
        state = RunState(held, Snapshot(*snapshots[0]) if snapshots else None, events_of(log))
        if run.status not in RUN_TERMINAL:
            _check_log(state)
        return state

    def lines(self, run_id: str, after: int | None) -> list[LogEntry]:
        """Answer :meth:`torpor.world.Log.log_entries`."""
        self.run(run_id)
        query = f"{LINES} WHERE run = %s AND (%s::bigint IS NULL OR n > %s) ORDER BY n"
        return lines_of(self.connection.rows(query, run_id, after, after))


def _check_log(state: RunState) -> None:
    """
    Check that the log is what the run says of it, from where the state begins.

    Raises:
        DamagedError: it is not.
    """
    run, events = state.run, state.events
    after = state.snapshot.cursor if state.snapshot is not None else run.base
    if [event.seq for event in events] != list(range(after + 1, run.head + 1)):
        problem = f"of the {run.head - after} events after event {after} there are {len(events)}"
        raise DamagedError("the log", problem, run_id=run.id)
