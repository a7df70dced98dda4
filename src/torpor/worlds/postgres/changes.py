"""
Storing what a rule decided: statements that are sent together, the run first.

Its row is compared with what it was thought to be: when somebody was quicker, the first statement divides by zero,
which undoes the others. So a change is one round trip, and nothing of it is stored or all. Only columns that change are
set.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from msgspec.structs import astuple
from psycopg import errors

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Event, Hook, Run, Step
from torpor.worlds.draft import Changes, fence
from torpor.worlds.postgres.connection import LostError
from torpor.worlds.postgres.faults import constraint_of
from torpor.worlds.postgres.rows import (
    EVENT_FIELDS,
    EVENTS,
    HOOK_FIELDS,
    RUN_FIELDS,
    SNAPSHOT_FIELDS,
    STEP_FIELDS,
    STORED,
    events_of,
    step_row,
)
from torpor.worlds.postgres.statements import Statement
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.tenants import counted
from torpor.worlds.requests import StaleError, TokenTakenError


def _insert(table: str, columns: list[str], rows: int = 1) -> str:
    row = f"({', '.join(['%s'] * len(columns))})"
    return f"INSERT INTO torpor.{table} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"


def _updating(columns: list[str]) -> str:
    return ", ".join(f"{column} = excluded.{column}" for column in columns)


_HEAD: Final = RUN_FIELDS.index("head")
_ADD_RUN: Final = _insert("runs", RUN_FIELDS)
_SAVE_RUN: Final = (
    "WITH saved AS (UPDATE torpor.runs SET {} WHERE id = %s AND epoch = %s AND head = %s AND worker = %s AND base = %s "
    "RETURNING 1) SELECT 1 / count(*) FROM saved"
)
_ADD_TURN: Final = (
    "INSERT INTO torpor.turns (run, n, route, app, queue, key, ready_at, queued_at, worker, slot) "
    "SELECT id, n, %s, app, queue, key, %s, %s, %s, %s FROM torpor.runs WHERE id = %s "
    "ON CONFLICT (run) DO UPDATE SET ready_at = excluded.ready_at, queued_at = excluded.queued_at, "
    "worker = excluded.worker, slot = excluded.slot"
)
SAVE_TURN: Final = "UPDATE torpor.turns SET ready_at = %s, queued_at = %s, worker = %s, slot = %s WHERE run = %s"
DROP_TURN: Final = "DELETE FROM torpor.turns WHERE run = %s"

_AWAIT: Final = "SELECT 1 FROM torpor.runs WHERE id = %s FOR UPDATE"  # a session that is cut may commit a moment later
_LOOKS_MAX: Final = 5
_EVENTS_TOGETHER: Final = 8
ADD_EVENTS: Final = [_insert("events", ["run", *EVENT_FIELDS], rows) for rows in range(_EVENTS_TOGETHER + 1)]

_STEP_FACTS: Final = {"run", "id", "op", "seq", "created_at"}
# Input and progress of a step that is there stay as they are: what a turn was given may be the log's, or of before.
_STEP_KEPT: Final = [field for field in STEP_FIELDS if field not in ("input", "progress")]
_STEP_PLACES: Final = [STEP_FIELDS.index(field) for field in _STEP_KEPT]
STEP_STORED: Final = [*_STEP_KEPT, "gives_up_at"]
_STEP_CHANGING: Final = [field for field in STEP_STORED if field not in _STEP_FACTS]
PUT_STEP: Final = f"{_insert('steps', STEP_STORED)} ON CONFLICT (run, id) DO UPDATE SET {_updating(_STEP_CHANGING)}"
PUT_STEPS: Final = PUT_STEP.replace(f"VALUES ({', '.join(['%s'] * len(STEP_STORED))})", "SELECT * FROM unnest({})")
_PUT_TASK: Final = (
    f"INSERT INTO torpor.steps ({', '.join(STEP_STORED)}, app, route, n) "
    f"SELECT {', '.join(['%s'] * len(STEP_STORED))}, app, %s, n FROM torpor.runs WHERE id = %s "
    f"ON CONFLICT (run, id) DO UPDATE SET {_updating([*_STEP_CHANGING, 'app', 'route', 'n'])}"
)
_SAVE_STEP: Final = (
    f"WITH saved AS (UPDATE torpor.steps SET {', '.join(f'{field} = %s' for field in _STEP_CHANGING)}, route = %s "
    "WHERE run = %s AND id = %s AND epoch = %s RETURNING 1) SELECT 1 / count(*) FROM saved"
)
DROP_STEPS: Final = "DELETE FROM torpor.steps WHERE run = %s AND id = ANY(%s)"
_DROP_WAITS: Final = "DELETE FROM torpor.waits WHERE run = %s AND id = ANY(%s)"
_ADD_WAIT: Final = _insert("waits", ["run", "id", "op", "due"])
_PUT_HOOK: Final = f"{_insert('hooks', HOOK_FIELDS)} ON CONFLICT (run, id) DO UPDATE SET status = excluded.status"
_CLAIM_NAME: Final = (
    "INSERT INTO torpor.tokens (token, run, hook, n) SELECT %s, id, %s, n FROM torpor.runs WHERE id = %s"
)
_ADD_WATCHER: Final = (
    "INSERT INTO torpor.watchers (watch, run, hook, op, n) SELECT %s, id, %s, %s, n FROM torpor.runs WHERE id = %s"
)
_RESERVE: Final = (
    f"{_insert('reservations', ['token', 'run', 'until'])} "
    "ON CONFLICT (token) DO UPDATE SET run = excluded.run, until = excluded.until"
)
_ADD_LINE: Final = f"{_insert('lines', ['run', 'n', 'at', 'level', 'text'])} ON CONFLICT DO NOTHING"
DROP_SNAPSHOT: Final = "DELETE FROM torpor.snapshots WHERE run = %s"
_PUT_SNAPSHOT: Final = (
    f"{_insert('snapshots', ['run', *SNAPSHOT_FIELDS])} ON CONFLICT (run) DO UPDATE SET {_updating([*SNAPSHOT_FIELDS])}"
)
_ADD_ATTRIBUTE: Final = (
    "INSERT INTO torpor.attributes (run, name, value, n) SELECT id, %s, %s, n FROM torpor.runs WHERE id = %s "
    "ON CONFLICT (run, name) DO UPDATE SET value = excluded.value"
)
UNWATCHED: Final = "SELECT 1 / (CASE WHEN EXISTS (SELECT 1 FROM torpor.watchers WHERE watch = %s) THEN 0 ELSE 1 END)"
_TAKEN: Final = "SELECT token, run FROM torpor.tokens WHERE token = ANY(%s) AND NOT (run = %s AND hook = ANY(%s))"


def is_whole(changes: Changes) -> bool:
    """
    Return whether changes may well be all of an operation that begins with them.

    Who watches the end of a run is told in the same transaction. A run with a parent is watched; of another one it is
    found out by the way.
    """
    return not (changes.ended and changes.run.parent)


def whole(store: Store, changes: Changes) -> list[Statement]:
    """Return the statements for changes that are all of an operation; one of them divides by zero if they are not."""
    statements = prepared(store, changes)
    if changes.ended:
        statements.append((UNWATCHED, (changes.run.id,)))
    return statements


def store_whole(store: Store, changes: Changes) -> None:
    """
    Store changes that are all of an operation, in one round trip.

    Raises:
        StaleError, TokenTakenError: nothing of them is stored; or they are not all, for somebody watches the run.
    """
    statements = whole(store, changes)
    while True:
        try:
            store.connection.store(statements)
            return
        except psycopg.Error as error:
            raise _refusal(store, changes, error) from error
        except LostError as lost:
            if look(store, changes, lost):
                return


def store_within(store: Store, changes: Changes) -> None:
    """
    Store changes inside a transaction.

    Raises:
        StaleError, TokenTakenError: nothing of them is stored, and the transaction goes on.
    """
    statements = prepared(store, changes)
    connection = store.connection
    connection.prove(lambda: is_stored(store, changes))
    if changes.before is not None and store.has_locked(changes.before) and not _live(changes):
        connection.put_off(statements)  # it is as it was read, and it claims no token that somebody may have
        store.locked(changes.run)
        return
    try:
        connection.store([("SAVEPOINT changes", ()), *statements, ("RELEASE changes", ())])
    except psycopg.Error as error:
        if connection.is_lost(error):
            raise
        connection.undo("ROLLBACK TO changes")
        raise _refusal(store, changes, error) from error
    store.locked(changes.run)


def save_step(store: Store, run: Run, step: Step, expected: int) -> list[Statement]:
    """Return what stores the row of a step task, if its epoch is still *expected*; it divides by zero if not."""
    row = dict(zip(STEP_STORED, _stored(step), strict=True))
    values = [row[field] for field in _STEP_CHANGING]
    return [(_SAVE_STEP, (*values, _route(store, run, step), run.id, step.id, expected))]


def save_progress(step: Step) -> list[Statement]:
    """Return what stores that which a step's attempt has told of its progress."""
    query = "UPDATE torpor.steps SET progress = %s WHERE run = %s AND id = %s"
    return [(query, (step.progress, step.run_id, step.id))]


def _refusal(store: Store, changes: Changes, error: psycopg.Error) -> Exception:
    """Return why changes were not stored."""
    if isinstance(error, errors.DivisionByZero):
        return StaleError()
    if isinstance(error, errors.UniqueViolation):
        constraint = constraint_of(error)
        if constraint == "runs_pkey":
            return StaleError()
        if constraint == "tokens_pkey":
            tokens = [hook.token for hook in _live(changes)]
            found = store.connection.row(_TAKEN, tokens, changes.run.id, [*changes.hooks])
            if found is not None:
                return TokenTakenError(*found)
    return error


def is_stored(store: Store, changes: Changes) -> bool:
    """Return whether changes are stored, though nobody was told; whoever is still at it is waited for."""
    store.connection.rows(_AWAIT, changes.run.id)
    found = store.find(changes.run.id)
    if found is None or not changes.events:
        return found is not None and fence(found) == fence(changes.run)
    last = changes.events[-1]
    rows = store.connection.rows(f"{EVENTS} WHERE run = %s AND seq = %s", changes.run.id, last.seq)
    return events_of(rows) == [last]


def look(store: Store, changes: Changes, lost: LostError) -> bool:
    """
    Return whether changes are stored whose connection is gone.

    Raises:
        LostError: the server cannot be asked.
    """
    for _ in range(_LOOKS_MAX):
        store.connection.drop()
        try:
            return is_stored(store, changes)
        except psycopg.Error as error:  # the server may just be ending all sessions, one after the other
            if not store.connection.is_lost(error):
                break
    raise lost


def _live(changes: Changes) -> list[Hook]:
    """Return the hooks that claim a token."""
    hooks = changes.hooks.values()
    return [hook for hook in hooks if hook is not None and hook.status == "live" and not hook.watch]


def prepared(store: Store, changes: Changes) -> list[Statement]:
    """Return the statements; what they need to know is looked up before."""
    run, before = changes.run, changes.before
    statements = [_run(before, run), *_turn(store, before, run), *_events(run.id, changes.events)]
    gone = [step_id for step_id, step in changes.steps.items() if step is None]
    if gone:
        statements.append((DROP_STEPS, (run.id, gone)))
    statements += [_step(store, run, step) for step in changes.steps.values() if step is not None]
    if changes.waits:
        gone = [wait_id for wait_id, wait in changes.waits.items() if wait is None]
        if gone:
            statements.append((_DROP_WAITS, (run.id, gone)))
        new = [wait for wait in changes.waits.values() if wait is not None]
        statements += [(_ADD_WAIT, (run.id, wait.id, wait.op, wait.due)) for wait in new]
    if changes.hooks:
        statements += _hooks(changes)
    if changes.reserved:
        statements.append(("DELETE FROM torpor.reservations WHERE until <= %s", (run.latest_at,)))
        statements += [(_RESERVE, (token, run.id, until)) for token, until in changes.reserved.items()]
    if changes.resumed is not None:
        statements.append((_insert("resumes", ["run", "token", "resume_id"]), (run.id, *changes.resumed)))
    statements += [(_ADD_LINE, (run.id, *astuple(line))) for line in changes.lines]
    if changes.snapshot is not None:
        statements.append((_PUT_SNAPSHOT, (run.id, *astuple(changes.snapshot))))
    if changes.drop_snapshot:
        statements.append((DROP_SNAPSHOT, (run.id,)))
    was = before.attributes if before is not None else {}
    if was is not run.attributes:
        statements += _attributes(run.id, was, run.attributes)
    if changes.drop_log:
        statements += _drop_log(changes)
    return statements + counted(changes)


def _run(before: Run | None, run: Run) -> Statement:
    new = astuple(run)[: len(RUN_FIELDS)]
    if before is None:
        return _ADD_RUN, [_column(n, value) for n, value in enumerate(new)]
    changed = [n for n, (old, value) in enumerate(zip(astuple(before), new, strict=False)) if old != value]
    places = changed or [_HEAD]
    setting = ", ".join(f"{RUN_FIELDS[n]} = %s" for n in places)
    epoch, head, worker, base = fence(before)
    values = [_column(n, new[n]) for n in places]
    return _SAVE_RUN.format(setting), (*values, run.id, epoch, head, worker, base)


def _column(n: int, value: Any) -> Any:
    convert = STORED.get(RUN_FIELDS[n])
    return value if convert is None else convert(value)


def _turn(store: Store, before: Run | None, run: Run) -> list[Statement]:
    """Return what keeps the run's place in the queue as the run says."""
    place = (run.ready_at, run.queued_at, run.worker, run.slot)
    was = before is not None and before.status not in RUN_TERMINAL
    if run.status in RUN_TERMINAL:
        return [(DROP_TURN, (run.id,))] if was else []
    if not was:
        return [(_ADD_TURN, (store.routes.of_turn(run), *place, run.id))]
    if before is not None and place == (before.ready_at, before.queued_at, before.worker, before.slot):
        return []
    return [(SAVE_TURN, (*place, run.id))]


def _events(run_id: str, events: tuple[Event, ...]) -> list[Statement]:
    statements: list[Statement] = []
    for at in range(0, len(events), _EVENTS_TOGETHER):
        some = events[at : at + _EVENTS_TOGETHER]
        values = [value for event in some for value in (run_id, *astuple(event))]
        statements.append((ADD_EVENTS[len(some)], values))
    return statements


def _step(store: Store, run: Run, step: Step) -> Statement:
    values = _stored(step)
    if not step.task:
        return PUT_STEP, values
    return _PUT_TASK, (*values, _route(store, run, step), run.id)


def _stored(step: Step) -> list[Any]:
    row = step_row(step)
    return [*(row[n] for n in _STEP_PLACES), step.gives_up_at]


def _route(store: Store, run: Run, step: Step) -> int:
    return store.routes.of_steps(run, run.queue if step.place is None else step.place.queue)


def _hooks(changes: Changes) -> list[Statement]:
    run, hooks = changes.run, changes.hooks
    ids = [*hooks]
    # A token may go from one hook to another of the same commit, so that those that let go come first.
    statements: list[Statement] = [
        (f"DELETE FROM torpor.{table} WHERE run = %s AND hook = ANY(%s)", (run.id, ids))
        for table in ("tokens", "watchers")
    ]
    gone = [hook_id for hook_id, hook in hooks.items() if hook is None]
    if gone:
        statements.append(("DELETE FROM torpor.hooks WHERE run = %s AND id = ANY(%s)", (run.id, gone)))
    for hook in hooks.values():
        if hook is None:
            continue
        statements.append((_PUT_HOOK, astuple(hook)[: len(HOOK_FIELDS)]))
        if hook.status == "live":
            if hook.watch:
                statements.append((_ADD_WATCHER, (hook.watch, hook.id, hook.op, run.id)))
            else:
                statements.append((_CLAIM_NAME, (hook.token, hook.id, run.id)))
    return statements


def _attributes(run_id: str, before: dict[str, str], after: dict[str, str]) -> list[Statement]:
    gone, new = [*before.keys() - after.keys()], after.items() - before.items()
    statements: list[Statement] = [(_ADD_ATTRIBUTE, (*each, run_id)) for each in sorted(new)]
    if gone:
        statements.append(("DELETE FROM torpor.attributes WHERE run = %s AND name = ANY(%s)", (run_id, gone)))
    return statements


def _drop_log(changes: Changes) -> list[Statement]:
    run = changes.run
    inputs = [(step.input, run.id, step.id) for step in changes.steps.values() if step is not None]
    kept: list[Statement] = [("UPDATE torpor.steps SET input = %s WHERE run = %s AND id = %s", each) for each in inputs]
    return [("DELETE FROM torpor.events WHERE run = %s AND seq <= %s", (run.id, run.base)), *kept]
