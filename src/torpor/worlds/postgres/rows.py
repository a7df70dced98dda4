"""
Rows ↔ values. Columns have the names of the values' fields and stand in their order, so that most of a row is handed on
as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import astuple

from torpor.model import Chunk, Event, Hook, LogEntry, Run, Snapshot, Step, Stream, StreamEnd, Wait
from torpor.model.flow import Place
from torpor.worlds.postgres.statements import Row

RUN_FIELDS: Final = [field for field in Run.__struct_fields__ if field != "damage"]  # which no stored run has
RUN_COLUMNS: Final = ", ".join(f"r.{field}" for field in RUN_FIELDS)
RUNS: Final = f"SELECT {RUN_COLUMNS} FROM torpor.runs r"
_ATTRIBUTES: Final = RUN_FIELDS.index("attributes")
_RECEIVING: Final = RUN_FIELDS.index("receiving")

EVENT_FIELDS: Final = Event.__struct_fields__
EVENTS: Final = f"SELECT {', '.join(EVENT_FIELDS)} FROM torpor.events"

_PLACE: Final = Step.__struct_fields__.index("place")
_PLACE_FIELDS: Final = ("lane", "key", "weight")
STEP_FIELDS: Final = [
    *("run", *Step.__struct_fields__[1:_PLACE]),
    *_PLACE_FIELDS,
    *Step.__struct_fields__[_PLACE + 1 :],
]
STEP_COLUMNS: Final = ", ".join(f"s.{field}" for field in STEP_FIELDS)
INPUT: Final = STEP_FIELDS.index("input")

HOOK_FIELDS: Final = [
    *("run", "id", "op", "token", "status", "created_at", "metadata", "watch", "retention_ms", "takes"),
]
HOOKS: Final = (
    f"SELECT {', '.join(f'h.{field}' for field in HOOK_FIELDS)}, r.key_id, r.public "
    "FROM torpor.hooks h JOIN torpor.runs r ON r.id = h.run"
)
"""``h`` is a hook, and ``r`` its run."""

WAITS: Final = "SELECT id, op, due FROM torpor.waits"
SNAPSHOT_FIELDS: Final = Snapshot.__struct_fields__
LINES: Final = "SELECT n, at, level, text FROM torpor.lines"
STREAMS: Final = (
    "SELECT run, name, type, count, size, created_at, written_at, end_writer, end_attempt, end_n, end_tag, end_at "
    "FROM torpor.streams"
)
CHUNKS: Final = (
    "SELECT c.index, c.data, c.tag, c.writer, c.attempt, c.n, c.at, c.attempt = w.attempt FROM torpor.chunks c "
    "JOIN torpor.writers w ON w.run = c.run AND w.stream = c.stream AND w.id = c.writer"
)


def encoded(value: Any) -> str:
    """Return attributes, or names of mailboxes, as they are stored."""
    return msgspec.json.encode(value, order="sorted").decode()


STORED: Final[dict[str, Callable[[Any], Any]]] = {"attributes": encoded, "receiving": encoded}
"""How fields of a run are stored that are not stored as they are."""


def run_of(row: Row) -> Run:
    """Return the value of a row of :data:`RUNS`."""
    fields = list(row)
    fields[_ATTRIBUTES] = msgspec.json.decode(row[_ATTRIBUTES])
    fields[_RECEIVING] = tuple(msgspec.json.decode(row[_RECEIVING]))
    return Run(*fields)


def events_of(rows: Iterable[Row]) -> list[Event]:
    """Return the values of rows of :data:`EVENTS`."""
    return [Event(*row) for row in rows]


def step_of(row: Row) -> Step:
    """Return the value of a row of :data:`STEP_COLUMNS`."""
    lane, key, weight = row[_PLACE : _PLACE + len(_PLACE_FIELDS)]
    place = None if lane is None else Place(lane, key, weight)
    fields = [*row[:_PLACE], place, *row[_PLACE + len(_PLACE_FIELDS) :]]
    return Step(*fields)


def step_row(step: Step) -> Row:
    """Return the row of :data:`STEP_FIELDS` for a step."""
    fields, place = astuple(step), step.place
    its = (None, "", 0) if place is None else (place.queue, place.key, place.weight)
    return (*fields[:_PLACE], *its, *fields[_PLACE + 1 :])


def by_id(steps: Iterable[Row]) -> dict[str, Step]:
    """Return steps by their ids, in the order of their rows."""
    return {row[1]: step_of(row) for row in steps}


def waits_of(rows: Iterable[Row]) -> dict[str, Wait]:
    """Return the values of rows of :data:`WAITS`, by id."""
    return {row[0]: Wait(*row) for row in rows}


def hooks_of(rows: Iterable[Row]) -> dict[str, Hook]:
    """Return the values of rows of :data:`HOOKS`, by id."""
    return {row[1]: Hook(*row) for row in rows}


def lines_of(rows: Iterable[Row]) -> list[LogEntry]:
    """Return the values of rows of :data:`LINES`."""
    return [LogEntry(*row) for row in rows]


def stream_of(row: Row) -> Stream:
    """Return the value of a row of :data:`STREAMS`."""
    *fields, writer, attempt, n, tag, at = row
    fields.append(None if writer is None else StreamEnd(writer, attempt, n, tag, at))
    return Stream(*fields)


def chunks_of(rows: Iterable[Row]) -> tuple[Chunk, ...]:
    """Return the values of rows of :data:`CHUNKS`."""
    return tuple(Chunk(*row) for row in rows)
