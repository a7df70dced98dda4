"""What is answered about runs: the same names and forms as ``--json`` of the command line has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from torpor.inspection.details import RunSummary, summary_data
from torpor.lifecycle import RunStatus
from torpor.model import Runtime
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
