"""A connection with what every operation needs: reading runs and what belongs to them, and a draft of what to store."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from torpor.errors import DamagedError
from torpor.lifecycle import INPUTS, RUN_TERMINAL
from torpor.model import Entities, Event, Hook, LogEntry, Run, RunState, Snapshot, Step, Wait
from torpor.worlds import refusals
from torpor.worlds.redis.connection import Connection, sound
from torpor.worlds.redis.draft import Draft, Fields
from torpor.worlds.redis.fences import Fences
from torpor.worlds.redis.keys import Keys, parted
from torpor.worlds.redis.memory import Memory
from torpor.worlds.redis.rows import unpack, unpack_run
from torpor.worlds.requests import Moved, Part, Since

CREATED: Final = b"created"
CHANGED: Final = b"changed"
FENCE: Final = b"fence"
NUMBER: Final = b"n"
VERSION: Final = b"v"
"""Changes with whatever changes in the run, but for who has its tasks, progress, and streams."""

TASKS: Final = b"tasks"
"""Changes when a task of the run is claimed or given back."""

WATCHED: Final = b"watched"
"""Changes when a hook begins to watch the run, or ends."""

_RUN: Final = (CREATED, CHANGED, NUMBER, VERSION, FENCE)
_DATA: Final = b"data"
_ABOUT: Final = b"about"


class RunRow:
    """
    A run as it was found.

    Attributes:
        run: as it stands.
        created: as it was created; what is stored is what differs.
        n: its number in the order of creation.
        version: what changes with it.
    """

    __slots__ = ("created", "n", "run", "version")

    def __init__(self, run: Run, created: Run, n: int, version: bytes) -> None:
        self.run = run
        self.created = created
        self.n = n
        self.version = version


Origins = dict[str, tuple[Run, int]]
"""What runs were created as, and their numbers, by id; neither changes."""

_ORIGINS_MAX: Final = 10_000


class Store:
    """
    A connection, used by one thread at a time, and the draft of the operation that is under way.

    Attributes:
        connection: for whoever asks for more.
        keys: names of the world's keys.
        url: of the world, without its password, for messages.
        whose: tells this world's news from those of others.
        memory: whether the server has forgotten what it answered.
        fences: what tells states of runs apart.
        draft: what is to be stored.
        is_strict: nothing is taken for what it was thought to be: an operation that came too late looks at all.
        shunned: what is wrong with runs that the operation has found damaged when it was to be stored.
        numbers: of what is created next, the last one first; when there are none the server is asked.
        relied: of which runs the operation has not read what they were created as.
        runs, steps: what the operation knows of runs, and of step tasks, as they will be.
    """

    def __init__(
        self,
        connection: Connection,
        keys: Keys,
        url: str,
        origins: Origins,
        whose: str,
        memory: Memory,
        fences: Fences,
    ) -> None:
        self.connection = connection
        self.memory = memory
        self.fences = fences
        self.whose = whose
        self.keys = keys
        self.url = url
        self._origins = origins
        self.numbers: list[int] = []
        self.shunned: dict[str, DamagedError] = {}
        self.begin()

    def begin(self, *, strict: bool = False) -> None:
        """Forget what was read and is to be stored."""
        self.connection.begin()
        self.draft = Draft(self.connection)
        self.is_strict = strict
        self.runs: dict[str, RunRow] = {}
        self.steps: dict[tuple[str, str], Step] = {}
        self.relied: set[str] = set()
        self.appended: dict[str, list[Event]] = {}

    def next_number(self) -> int:
        """Return the number of what is created next."""
        if not self.numbers:
            [number] = self.connection.ask(("INCR", self.keys.created))
            return int(number)
        return self.numbers.pop()

    def new_version(self) -> bytes:
        """Return a version that nothing has had."""
        return secrets.token_bytes(6)

    def damage_of(self, wanted: dict[bytes, bytes]) -> DamagedError:
        """Return what says which of some keys is not of the type that it must be."""
        found = self.connection.ask(*(("TYPE", key) for key in wanted))
        for (key, kind), is_kind in zip(wanted.items(), found, strict=True):
            if is_kind not in (kind, b"none"):
                row, run_id = self.keys.told(key)
                return DamagedError(row, f"it is a {is_kind.decode()} instead of a {kind.decode()}", run_id=run_id)
        return DamagedError("a key", "it was of another type than it must be")

    # Runs

    def run_key(self, run_id: str) -> bytes:
        """Return the key of a run's own row."""
        return self.keys.of("run", run_id)

    def asked_run(self, run_id: str) -> tuple[Any, ...]:
        """Return the command that asks for a run."""
        return ("HMGET", self.run_key(run_id), *_RUN)

    def run_found(self, run_id: str, found: list[bytes | None]) -> RunRow | None:
        """Return what :meth:`asked_run` has found, None when there is no such run."""
        created, changed, number, version, its_fence = found
        if created is None and number is None:
            return None
        n = number_of(number, run_id)
        if created is None:
            raise DamagedError("the run", "what it was created as is not there", run_id=run_id)
        was, run = unpack_run(run_id, created, changed or b"\x80")
        self.fences.note(run, its_fence)
        if len(self._origins) >= _ORIGINS_MAX:
            self._origins.clear()
        self._origins[run_id] = was, n
        return RunRow(run, was, n, version or b"")

    def with_kept(self, step: Step, its_input: bytes | None, progress: bytes | None) -> Step:
        """Return a step with what is kept beside its row."""
        return replace(step, input=its_input, progress=progress)

    def with_run(self, row: RunRow, run: Run) -> RunRow:
        """Return a row as it will be."""
        return RunRow(run, row.created, row.n, row.version)

    def origin(self, run_id: str) -> tuple[Run, int] | None:
        """Return what a run was created as, and its number; None when there is no such run."""
        self.relied.add(run_id)
        known = self._origins.get(run_id)
        if known is None:
            [found] = self.connection.ask(self.asked_run(run_id))
            row = self.run_found(run_id, found)
            known = None if row is None else (row.created, row.n)
        return known

    def forget_origins(self, run_ids: Iterable[str]) -> None:
        """Forget what is known of runs: one of them may be another by now."""
        for run_id in run_ids:
            self._origins.pop(run_id, None)

    def rows(self, run_ids: Sequence[str], *, damaged: bool = False) -> list[RunRow]:
        """
        Return those of these runs that exist, as they stand.

        Args:
            run_ids: which.
            damaged: those that cannot be read are among them, as :attr:`torpor.model.Run.damage` says.
        """
        found = self.connection.ask_each(*(self.asked_run(run_id) for run_id in run_ids)) if run_ids else []
        rows = []
        for run_id, each in zip(run_ids, found, strict=True):
            try:
                row = self.run_found(run_id, sound([each])[0])
            except DamagedError as error:
                run = Run(run_id, "", "", "", "snapshot", "pending", b"", created_at=0, damage=error.problem)
                row = RunRow(run, run, 0, b"") if damaged else None
            if row is not None:
                rows.append(row)
        return rows

    def row(self, run_id: str) -> RunRow:
        """
        Return a run as it stands.

        Raises:
            RunNotFoundError: no such run.
            DamagedError: it cannot be read.
        """
        [found] = self.connection.ask(self.asked_run(run_id))
        row = self.run_found(run_id, found)
        if row is None:
            raise refusals.run_not_found(run_id, self.url)
        return row

    def run(self, run_id: str) -> Run:
        """Return the same without what else is known of it."""
        return self.row(run_id).run

    def seen(self, run_id: str, found: list[bytes | None]) -> RunRow | None:
        """
        Return a run that was found, as it will be; nothing is stored unless it stays as it was found.

        Raises:
            DamagedError: it cannot be read, or has turned out to be one that cannot be written.
        """
        self.check(run_id)
        row = self.run_found(run_id, found)
        self.draft.expect(self.run_key(run_id), VERSION, found[3])
        known = self.runs.get(run_id)
        if known is not None:
            return known
        if row is not None:
            self.runs[run_id] = row
        return row

    def check(self, run_id: str) -> None:
        """
        See that a run can be written, as far as this is known.

        Raises:
            DamagedError: it cannot.
        """
        if run_id in self.shunned:
            raise self.shunned[run_id]

    # What is open

    def load(self, run_id: str) -> Entities | None:
        """Return a run with all that is open in it, None when there is no such run."""
        keys, run_key = self.keys, self.run_key(run_id)
        kinds = ("steps", "progress", "inputs", "waits", "hooks")
        run, [tasks], *found = self.connection.ask_of_one_moment(
            self.asked_run(run_id),
            ("HMGET", run_key, TASKS),
            *(("HGETALL", keys.of(kind, run_id)) for kind in kinds),
        )
        row = self.seen(run_id, run)
        if row is None:
            return None
        self.draft.expect(run_key, TASKS, tasks)
        steps, progress, inputs, waits, hooks = self._will_be(run_id, kinds, found)
        return Entities(
            row.run,
            self._steps(run_id, steps, progress, inputs),
            self._waits(run_id, waits),
            self._hooks(run_id, hooks),
        )

    def asked_part(self, part: Part) -> list[tuple[Any, ...]]:
        """Return the commands that ask for a run and a little of it."""
        run_id, keys = part.run_id, self.keys
        asked = [self.asked_run(run_id)]
        if part.step:
            step = part.step.encode()
            asked += [("HGET", keys.of(kind, run_id), step) for kind in ("steps", "progress", "inputs")]
        if part.due:
            asked.append(("HGETALL", keys.of("waits", run_id)))
        if part.hook:
            asked.append(("HGET", keys.of("hooks", run_id), part.hook.encode()))
        return asked

    def part(self, part: Part, found: Sequence[Any] | None = None) -> Entities | None:
        """
        Return a run and the little of it that is asked for; None when there is no such run.

        Args:
            part: what.
            found: what :meth:`asked_part` has found, if it was asked.
        """
        run_id, keys = part.run_id, self.keys
        answers = iter(self.connection.ask_of_one_moment(*self.asked_part(part)) if found is None else found)
        row = self.seen(run_id, next(answers))
        if row is None:
            return None
        steps: dict[str, Step] = {}
        if part.step:
            steps = self._some_steps(run_id, [part.step], *([next(answers)] for _ in range(3)))
        waits = self._waits(run_id, self.draft.read(keys.of("waits", run_id), next(answers))) if part.due else {}
        hooks: Fields = {}
        if part.hook:
            hook = self.draft.field(keys.of("hooks", run_id), part.hook.encode(), next(answers), expected=False)
            hooks = {} if hook is None else {part.hook.encode(): hook}
        due = {wait.id: wait for wait in waits.values() if wait.due <= part.due}
        return Entities(row.run, steps, due, self._hooks(run_id, hooks))

    def moved(self, request: Moved) -> Since | None:
        """Return a run, and what of it has changed since an event; None when there is no such run."""
        run_id, keys = request.run_id, self.keys
        [found] = self.connection.ask(self.asked_run(run_id))
        row = self.seen(run_id, found)
        if row is None:
            return None
        after = self.events(row.run, request.after)
        about = frozenset(event.id for event in after if event.id).union(request.also)
        if not about:
            return Since(Entities(row.run), about)
        ids = sorted(about)
        fields = [each.encode() for each in ids]
        kinds = ("steps", "progress", "inputs", "waits", "hooks")
        steps, progress, inputs, waits, hooks = self.connection.ask_of_one_moment(
            *(("HMGET", keys.of(kind, run_id), *fields) for kind in kinds)
        )
        return Since(
            Entities(
                row.run,
                self._some_steps(run_id, ids, steps, progress, inputs),
                self._waits(run_id, self._present(run_id, "waits", fields, waits)),
                self._hooks(run_id, self._present(run_id, "hooks", fields, hooks)),
            ),
            about,
        )

    def _will_be(self, run_id: str, kinds: tuple[str, ...], found: list[Fields]) -> list[Fields]:
        return [self.draft.read(self.keys.of(kind, run_id), fields) for kind, fields in zip(kinds, found, strict=True)]

    def _present(self, run_id: str, kind: str, fields: list[bytes], values: list[bytes | None]) -> Fields:
        found = {field: value for field, value in zip(fields, values, strict=True) if value is not None}
        read = self.draft.read(self.keys.of(kind, run_id), found)
        return {field: value for field, value in read.items() if field in fields}

    def _some_steps(
        self,
        run_id: str,
        ids: list[str],
        rows: list[bytes | None],
        progress: list[bytes | None],
        inputs: list[bytes | None],
    ) -> dict[str, Step]:
        fields = [each.encode() for each in ids]
        key = self.keys.of("steps", run_id)
        for field, row in zip(fields, rows, strict=True):
            self.draft.expect(key, field, row)
        return self._steps(
            run_id,
            self._present(run_id, "steps", fields, rows),
            self._present(run_id, "progress", fields, progress),
            self._present(run_id, "inputs", fields, inputs),
        )

    def _steps(self, run_id: str, rows: Fields, progress: Fields, inputs: Fields) -> dict[str, Step]:
        steps = steps_of(run_id, rows, progress, inputs)
        for step in steps.values():
            self.steps[run_id, step.id] = step
        return steps

    def _waits(self, run_id: str, rows: Fields) -> dict[str, Wait]:
        return waits_of(run_id, rows)

    def _hooks(self, run_id: str, rows: Fields) -> dict[str, Hook]:
        return hooks_of(run_id, rows)

    def hook_at(self, place: bytes) -> Hook | None:
        """Return the hook at a place, as it will be; None when it is gone."""
        run_id, hook_id = parted(place)
        key, field = self.keys.of("hooks", run_id), hook_id.encode()
        [found] = self.connection.ask(("HGET", key, field))
        row = self.draft.field(key, field, found, expected=False)
        return None if row is None else unpack(row, Hook, f"hook {hook_id}", run_id)

    # The log

    def events(self, run: Run, after: int, *, limit: int | None = None) -> list[Event]:
        """Return the log of a run after seq *after*, or after its base, as it will be."""
        end = -1 if limit is None else max(0, after - run.base) + limit - 1
        if limit == 0:
            return []
        [rows] = self.connection.ask(("LRANGE", self.keys.of("log", run.id), max(0, after - run.base), end))
        return [*events_of(run.id, rows), *self.appended.get(run.id, ())]

    def inputs(self, run_id: str, after: int) -> list[Event]:
        """Return the inputs in the log of a run that was read, after seq *after*."""
        return [event for event in self.events(self.runs[run_id].run, after) if event.type in INPUTS]

    def payloads(self, run: Run, seqs: tuple[int, ...]) -> dict[int, bytes]:
        """
        Return the payloads of some of a run's events, by seq.

        Raises:
            DamagedError: one of the events is not there.
        """
        if not seqs:
            return {}
        key = self.keys.of("log", run.id)
        rows = self.connection.ask(*(("LINDEX", key, seq - run.base - 1) for seq in seqs))
        found = {}
        for seq, row in zip(seqs, rows, strict=True):
            if row is None or seq <= run.base:
                raise DamagedError(f"event {seq}", "a step refers to it, and it is not there", run_id=run.id)
            found[seq] = unpack(row, Event, f"event {seq}", run.id).payload or b""
        return found

    def snapshot(self, run_id: str, *, with_data: bool = True) -> Snapshot | None:
        """Return a run's newest snapshot, without its data if told so."""
        asked = (_ABOUT, _DATA) if with_data else (_ABOUT,)
        [found] = self.connection.ask(("HMGET", self.keys.of("snapshot", run_id), *asked))
        return snapshot_of(run_id, found)

    def state(self, run_id: str) -> RunState:
        """
        Answer :meth:`torpor.world.Turns.load`.

        Raises:
            RunNotFoundError: no such run.
            DamagedError: its log is not what the run says of it.
        """
        keys = self.keys
        while True:
            first, about = self.connection.ask(self.asked_run(run_id), ("HMGET", keys.of("snapshot", run_id), _ABOUT))
            row, newest = self.run_found(run_id, first), snapshot_of(run_id, about)
            if row is None:
                raise refusals.run_not_found(run_id, self.url)
            run, after = row.run, newest.cursor if newest is not None else row.run.base
            kinds = ("steps", "progress", "inputs", "waits", "hooks")
            again, stored, log, *found = self.connection.ask_of_one_moment(
                self.asked_run(run_id),
                ("HMGET", keys.of("snapshot", run_id), _ABOUT, _DATA),
                ("LRANGE", keys.of("log", run_id), max(0, after - run.base), -1),
                *(("HGETALL", keys.of(kind, run_id)) for kind in kinds),
            )
            if again[3] == first[3]:  # else somebody was in between
                break
        steps, progress, inputs, waits, hooks = found
        events = events_of(run_id, log)
        if run.status not in RUN_TERMINAL:
            _check_log(run, after, events)
        opened = steps_of(run_id, steps, progress, inputs)
        inline = {step.id: step for step in opened.values() if not step.task and step.input is None}
        logged = {event.seq: event.payload or b"" for event in events}
        logged |= self.payloads(run, tuple(step.seq for step in inline.values() if step.seq not in logged))
        held = Entities(
            run,
            {step.id: _with_input(step, logged) for step in opened.values()},
            waits_of(run_id, waits),
            hooks_of(run_id, hooks),
        )
        return RunState(held, snapshot_of(run_id, stored), events)

    def lines(self, run_id: str, after: int | None) -> list[LogEntry]:
        """Answer :meth:`torpor.world.Log.log_entries`."""
        self.run(run_id)
        [found] = self.connection.ask(("HGETALL", self.keys.of("lines", run_id)))
        lines = lines_of(run_id, found)
        return sorted((line for line in lines if after is None or line.n > after), key=lambda line: line.n)


def number_of(found: bytes | None, run_id: str) -> int:
    """
    Return a run's number in the order of creation.

    Raises:
        DamagedError: it is none.
    """
    try:
        return int(found or b"")
    except ValueError as error:
        raise DamagedError("the run", "its number is none", run_id=run_id) from error


def steps_of(run_id: str, rows: Fields, progress: Fields, inputs: Fields) -> dict[str, Step]:
    """Return steps by id, in the order of their ops."""
    found = []
    for field, row in rows.items():
        step = unpack(row, Step, f"step {field.decode()}", run_id)
        if field in progress or field in inputs:
            step = replace(step, input=inputs.get(field), progress=progress.get(field))
        found.append(step)
    return {step.id: step for step in sorted(found, key=lambda step: step.op)}


def _with_input(step: Step, logged: dict[int, bytes]) -> Step:
    if step.task:
        return replace(step, input=None)
    return step if step.input is not None else replace(step, input=logged[step.seq])


def waits_of(run_id: str, rows: Fields) -> dict[str, Wait]:
    """Return waits by id, in the order of their ops."""
    found = [unpack(row, Wait, f"wait {field.decode()}", run_id) for field, row in rows.items()]
    return {wait.id: wait for wait in sorted(found, key=lambda wait: wait.op)}


def hooks_of(run_id: str, rows: Fields) -> dict[str, Hook]:
    """Return hooks by id, in the order of their ops."""
    found = [unpack(row, Hook, f"hook {field.decode()}", run_id) for field, row in rows.items()]
    return {hook.id: hook for hook in sorted(found, key=lambda hook: hook.op)}


def lines_of(run_id: str, rows: Fields) -> list[LogEntry]:
    """Return log lines, in no order."""
    return [unpack(row, LogEntry, "a log line", run_id) for row in rows.values()]


def events_of(run_id: str, rows: list[bytes]) -> list[Event]:
    """Return events of a log."""
    return [unpack(row, Event, "an event", run_id) for row in rows]


def snapshot_of(run_id: str, found: list[bytes | None]) -> Snapshot | None:
    """Return a snapshot, given what it says of itself and its data."""
    about, *data = found
    if about is None:
        return None
    return replace(unpack(about, Snapshot, "the snapshot", run_id), data=(data[0] if data else None) or b"")


def _check_log(run: Run, after: int, events: list[Event]) -> None:
    """
    Check that the log is what the run says of it, from where the state begins.

    Raises:
        DamagedError: it is not.
    """
    if [event.seq for event in events] != list(range(after + 1, run.head + 1)):
        problem = f"of the {run.head - after} events after event {after} there are {len(events)}"
        raise DamagedError("the log", problem, run_id=run.id)
