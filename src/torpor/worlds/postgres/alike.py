"""
Statements that are alike, as one.

What several operations store at the same time are rows of the same few tables. Each statement costs the server a plan,
and its thread the interpreter's lock, which the driver lets go and takes again for each. So rows that come together go
as columns: one statement whose values are arrays, however many rows there are.

The rows of runs stay apart and come first, in their order: they are what is locked, and compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from torpor.worlds.draft import Changes
from torpor.worlds.postgres.changes import (
    ADD_EVENTS,
    DROP_SNAPSHOT,
    DROP_STEPS,
    DROP_TURN,
    PUT_STEP,
    PUT_STEPS,
    SAVE_TURN,
    STEP_STORED,
    UNWATCHED,
    look,
    whole,
)
from torpor.worlds.postgres.connection import LostError
from torpor.worlds.postgres.parameters import Blobs, Column, Flags, Numbers, Texts
from torpor.worlds.postgres.rows import EVENT_FIELDS
from torpor.worlds.postgres.statements import Statement, Values
from torpor.worlds.postgres.store import Store

_KINDS: Final[dict[type[Column], str]] = {Texts: "text", Numbers: "bigint", Blobs: "bytea", Flags: "boolean"}
_TEXTS: Final = frozenset(
    {"run", "id", "type", "name", "ref", "status", "signature", "worker", "snoozed", "lane", "key", "slot"}
)
_BLOBS: Final = frozenset({"digest", "payload", "input", "progress"})
_FLAGS: Final = frozenset({"task", "once"})


def _kind(column: str) -> type[Column]:
    if column in _TEXTS:
        return Texts
    return Blobs if column in _BLOBS else Flags if column in _FLAGS else Numbers


class _Alike(NamedTuple):
    """
    How statements that are alike become one.

    Attributes:
        query: of all of them, with an array for each column.
        columns: what arrays there are.
        flat: returns the values of one statement, row after row.
    """

    query: str
    columns: tuple[type[Column], ...]
    flat: Callable[[Values], Iterable[Any]] = iter


def _alike(query: str, columns: Sequence[str], flat: Callable[[Values], Iterable[Any]] = iter) -> _Alike:
    kinds = tuple(map(_kind, columns))
    arrays = ", ".join(f"%s::{_KINDS[kind]}[]" for kind in kinds)
    return _Alike(query.format(arrays), kinds, flat)


def _steps_of_run(values: Values) -> Iterable[Any]:
    run_id, step_ids = values
    return (each for step_id in step_ids for each in (run_id, step_id))


_EVENT: Final = ["run", *EVENT_FIELDS]
_EVENTS: Final = _alike(f"INSERT INTO torpor.events ({', '.join(_EVENT)}) SELECT * FROM unnest({{}})", _EVENT)
_ALIKE: Final[dict[str, _Alike]] = {
    SAVE_TURN: _alike(
        "UPDATE torpor.turns t SET ready_at = v.ready_at, queued_at = v.queued_at, worker = v.worker, slot = v.slot "
        "FROM unnest({}) v (ready_at, queued_at, worker, slot, run) WHERE t.run = v.run",
        ["ready_at", "queued_at", "worker", "slot", "run"],
    ),
    DROP_TURN: _alike("DELETE FROM torpor.turns WHERE run = ANY({})", ["run"]),
    **dict.fromkeys(ADD_EVENTS[1:], _EVENTS),
    DROP_STEPS: _alike(
        "DELETE FROM torpor.steps s USING unnest({}) v (run, id) WHERE s.run = v.run AND s.id = v.id",
        ["run", "id"],
        _steps_of_run,
    ),
    PUT_STEP: _alike(PUT_STEPS, STEP_STORED),
    DROP_SNAPSHOT: _alike("DELETE FROM torpor.snapshots WHERE run = ANY({})", ["run"]),
    UNWATCHED: _alike(UNWATCHED.replace("watch = %s", "watch = ANY({})"), ["run"]),
}
"""In the order in which they are sent, behind all others."""


def together(statements: Iterable[Statement]) -> list[Statement]:
    """Return statements that do what these do, of different runs, with those as one that are alike."""
    apart: list[Statement] = []
    found: dict[str, list[Statement]] = {query: [] for query in (each.query for each in _ALIKE.values())}
    for statement in statements:
        alike = _ALIKE.get(statement[0])
        (apart if alike is None else found[alike.query]).append(statement)
    for some in found.values():
        apart += some if len(some) < 2 else [_as_one(some)]
    return apart


def _as_one(statements: Sequence[Statement]) -> Statement:
    alike = _ALIKE[statements[0][0]]
    flat: list[Any] = []
    for _, values in statements:
        flat += alike.flat(values)
    width = len(alike.columns)
    return alike.query, [column(flat[n::width]) for n, column in enumerate(alike.columns)]


def store_all(store: Store, all_changes: Sequence[Changes]) -> bool:
    """
    Store changes that are all of several operations, in one round trip; return whether they are stored.

    Raises:
        psycopg.Error: nothing of them is stored.
    """
    statements = [statement for changes in all_changes for statement in whole(store, changes)]
    are_of_one_run = len({changes.run.id for changes in all_changes}) < len(all_changes)
    # Of a run's own statements the order counts; the end of a log begins with the end of what is added.
    if not (are_of_one_run or any(changes.drop_log for changes in all_changes)):
        statements = together(statements)
    try:
        store.connection.store(statements)
    except LostError as lost:
        return all(look(store, changes, lost) for changes in all_changes)
    return True
