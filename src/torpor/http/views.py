"""What is answered about runs: the same names and forms as ``--json`` of the command line has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from torpor.inspection.details import EventView, RunSummary, event_data, summary_data
from torpor.inspection.timeline import Row
from torpor.inspection.timestamps import iso
from torpor.lifecycle import RunStatus
from torpor.model import LogEntry, Runtime
from torpor.run_info import RunInfo

S = TypeVar("S", bound=msgspec.Struct)


class AwaitedView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Something that a run waits for; what is usual is left out. Times are ISO 8601.

    Attributes:
        kind, id, name, since, status, attempt, due, why, op: see :class:`torpor.run_info.Awaited`.
    """

    kind: str
    id: str = ""
    name: str = ""
    since: str | None = None
    status: str = ""
    attempt: int = 0
    due: str | None = None
    why: str = ""
    op: int = 0


class Messages(msgspec.Struct, frozen=True):
    """How many messages were sent to a run, and how many of them it has not received."""

    sent: int
    unreceived: int


class RunItem(msgspec.Struct, frozen=True, kw_only=True):
    """
    A run in a list; see :class:`torpor.run_info.RunInfo`. Times are ISO 8601, null until it happened.

    Attributes:
        duration_ms: from its creation to its end.
        key: id of the key that it is encrypted with, null when it is plain.
        cancel_reason: why it was cancelled; null in lists.
    """

    id: str
    name: str
    workflow: str
    status: RunStatus
    created_at: str | None
    started_at: str | None
    ended_at: str | None
    duration_ms: int | None
    waits_for: list[AwaitedView]
    messages: Messages | None
    blocked: list[int] | None
    cancel_by: str | None
    snoozed: str | None
    damage: str | None
    app: str | None
    queue: str | None
    priority: int
    starts_at: str | None
    deadline: str | None
    attributes: dict[str, str]
    paused: bool
    status_line: str | None
    runtime: Runtime
    guest: str
    program: str
    key: str | None
    parent: str | None
    forked_from: str | None
    root: str | None
    error_code: str | None
    cancel_reason: str | None


class RunView(RunItem, frozen=True, kw_only=True):
    """
    A run with what it was given and what became of it.

    Attributes:
        input: its arguments.
        output: what it returned, null unless it completed.
        error: what it raised, null unless it failed: name, message, stack.
    """

    input: Any
    output: Any
    error: Any


class RunPage(msgspec.Struct, frozen=True):
    """
    Some runs, newest first.

    Attributes:
        runs: they.
        next: what ``before`` of the next page is, null when this is the last one.
    """

    runs: list[RunItem]
    next: str | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a run stands, and what became of it.

    Attributes:
        id, status: of the run.
        output: what it returned, null unless it completed; ``{"$sealed": KEY}`` of one that is encrypted, for who may
            not decrypt.
        error_code, error: why it failed, null unless it did.
        cancel_reason: why it was cancelled, null unless somebody said.
    """

    id: str
    status: RunStatus
    output: Any
    error_code: str | None
    error: Any
    cancel_reason: str | None


class EventItem(msgspec.Struct, frozen=True, kw_only=True):
    """An event of a run's log; see :class:`torpor.model.Event`. Times are ISO 8601."""

    seq: int
    type: str
    at: str | None
    offset_ms: int
    id: str | None
    op: int | None
    name: str | None
    attempt: int | None
    due: str | None
    ref: str | None
    payload: Any
    retention_ms: int | None = None


class EventPage(msgspec.Struct, frozen=True):
    """
    Events of a run's log, in their order.

    Attributes:
        events: they.
        base: seq of the newest event that was dropped from the beginning of the log.
        head: seq of the newest event of all.
    """

    events: list[EventItem]
    base: int
    head: int


class TimelineRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a run's timeline; see :class:`torpor.inspection.timeline.Row`. Times are ISO 8601."""

    at: str | None
    until: str | None
    lasts: bool
    kind: str
    text: str
    status: str
    detail: str


class LogLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that a run's code wrote, or a note of the engine; *n* is what ``after`` takes."""

    n: int
    at: str | None
    level: str
    text: str


def outcome_of(summary: RunSummary) -> Outcome:
    """Return what became of a run."""
    run = summary.run
    return Outcome(
        id=run.id,
        status=run.status,
        output=summary.output,
        error_code=run.error_code or None,
        error=summary.error,
        cancel_reason=summary.cancel_reason or None,
    )


def event_item(event: EventView, start: int) -> EventItem:
    """Return an event of a run that was created at *start*."""
    return EventItem(**event_data(event, start))


def timeline_row(row: Row) -> TimelineRow:
    """Return a row of a timeline."""
    return TimelineRow(
        at=iso(row.at),
        until=iso(row.until or 0),
        lasts=row.until == 0,
        kind=row.kind,
        text=row.text,
        status=row.status,
        detail=row.detail,
    )


def log_line(entry: LogEntry) -> LogLine:
    """Return a line of a log."""
    return LogLine(n=entry.n, at=iso(entry.at), level=entry.level, text=entry.text)


def run_item(info: RunInfo) -> RunItem:
    """Return a run as a list has it."""
    data = summary_data(RunSummary(info))
    return _record(RunItem, {name: value for name, value in data.items() if name not in {"input", "output", "error"}})


def run_view(summary: RunSummary) -> RunView:
    """Return a run with input, output and error."""
    return _record(RunView, summary_data(summary))


def _record(kind: Callable[..., S], data: Mapping[str, Any]) -> S:
    """Return a record of data that have exactly its fields."""
    given = dict(data)
    given["waits_for"] = [AwaitedView(**each) for each in data["waits_for"]]
    given["messages"] = data["messages"] and Messages(**data["messages"])
    return kind(**given)
