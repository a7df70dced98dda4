"""A run's history as rows in the order of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from torpor.attributes import STATUS
from torpor.inspection.details import RunDetails
from torpor.inspection.history import HookStory, StepStory, WaitStory
from torpor.inspection.readable import summary
from torpor.inspection.timestamps import clock_text, span_text
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import LogEntry
from torpor.programs.catalogue import short_name

TEXT_CHARS_MAX = 160

Kind = Literal["run", "step", "attempt", "wait", "hook", "received", "message", "child", "says", "log"]


class Row(msgspec.Struct, frozen=True):
    """
    One row.

    Attributes:
        at: when it began.
        until: when it ended; None for a moment, 0 for something that still lasts.
        kind: what it is.
        text: what it says.
        status: a word in its own colour, or ``""``.
        detail: result, error or the like.
        tone: the state or the level of a log line that the text has the colour of, ``""`` for none.
    """

    at: int
    until: int | None
    kind: Kind
    text: str
    status: str = ""
    detail: str = ""
    tone: str = ""


def timeline(found: RunDetails) -> list[Row]:
    """Return the rows of a run."""
    rows = [*_run_rows(found)]
    for step in found.history.steps.values():
        rows += _step_rows(step)
    rows += [_wait_row(wait, found.run.created_at) for wait in found.history.waits.values()]
    for hook in found.history.hooks.values():
        rows += _hook_rows(hook)
    rows += [Row(each.at, None, "message", each.name, detail=_text(each.payload)) for each in found.history.messages]
    rows += [_log_row(entry) for entry in found.logs]
    return sorted(rows, key=_order)  # stable: the parts of a thing stay together


def _order(row: Row) -> tuple[int, int]:
    """Order by time, a run's beginning first and its ending last: all that it wrote lies between them."""
    if row.kind != "run":
        return 1, row.at
    return 2 if row.text in RUN_TERMINAL else 0, row.at


def _log_row(entry: LogEntry) -> Row:
    return Row(
        entry.at, None, "log", entry.text, entry.level if entry.level in ("warn", "error") else "", tone=entry.level
    )


def _run_rows(found: RunDetails) -> Iterator[Row]:
    for event in found.events:
        if event.type.startswith("run_"):
            happened = event.type.removeprefix("run_")
            yield Row(event.at, None, "run", happened, detail=event.ref or event.name, tone=happened)
        elif event.type == "attr_set":
            yield Row(event.at, None, "says", said(event.ref))


def said(write: str) -> str:
    """Return what an ``attr_set`` says, given its ``ref``, in a few words."""
    attributes: dict[str, str | None] = msgspec.json.decode(write)
    status = attributes.pop(STATUS, "")
    told = [f"{name}={value}" if value is not None else f"no {name}" for name, value in attributes.items()]
    return ", ".join([*([f'"{status}"'] if status else []), *told])


def _step_rows(step: StepStory) -> Iterator[Row]:
    detail = _text(step.output) if step.status == "completed" else _error_text(step.error) or step.why
    call = _call(short_name(step.name), step.input)
    known = [step.created_at, *(attempt.started_at for attempt in step.attempts), step.ended_at]
    yield Row(next(filter(None, known), 0), step.ended_at, "step", call, step.status, detail)
    if len(step.attempts) < 2 and step.status != "retrying":
        return  # the step's own row says it all
    for attempt in step.attempts:
        detail = _error_text(attempt.error)
        if attempt.retry_at:
            detail += f"; again after {span_text(attempt.retry_at - attempt.ended_at)}"
        number = f"attempt {attempt.number}"
        begun, ended = attempt.started_at, attempt.ended_at
        if begun:
            yield Row(begun, ended, "attempt", number, attempt.outcome, detail)
        else:  # the log has its outcome only
            yield Row(ended, None, "attempt", number, attempt.outcome, detail)


def _call(name: str, given: Any) -> str:
    """Return a step with its input as a call; an input that is no list of arguments as it is."""
    if given is None:  # the part of the log that had it was dropped
        return f"{name}(…)"
    by_name: dict[str, Any] = {}
    options: dict[str, Any] = {}
    if isinstance(given, dict) and {"args"} < given.keys() <= {"args", "kwargs", "options"}:
        by_name, options = given.get("kwargs", {}), given.get("options", {})
        given = given["args"]
    if not isinstance(given, list):
        return f"{name}({_text(given)})"
    call = f"{name}({', '.join([*map(_text, given), *_named(by_name)])})"
    return f"{call} with {', '.join(_named(options))}" if options else call


def _named(values: dict[str, Any]) -> list[str]:
    return [f"{name}={_text(value)}" for name, value in values.items()]


def _wait_row(wait: WaitStory, start: int) -> Row:
    """Return the row of a wait; one of which the beginning is not known began with the run, at *start*, or later."""
    text = f"until {clock_text(wait.due)}"
    if wait.created_at:
        text = f"for {span_text(wait.due - wait.created_at)}, {text}"
    return Row(wait.created_at or start, wait.ended_at, "wait", text, wait.status)


def _hook_rows(hook: HookStory) -> Iterator[Row]:
    detail = "" if hook.metadata is None else _text(hook.metadata)
    if hook.owner:
        detail = f"the token belongs to {hook.owner}"
    if hook.watch:
        told = hook.received[0].at if hook.received else hook.ended_at
        status = "ended" if hook.received else "waiting" if hook.status == "live" else hook.status
        yield Row(hook.created_at, told, "child", f"end of {hook.watch}", status)
        return
    yield Row(hook.created_at, hook.ended_at, "hook", f"token {hook.token}", hook.status, detail)
    for receipt in hook.received:
        yield Row(receipt.at, None, "received", _text(receipt.payload))


def _text(data: Any) -> str:
    return summary(data, TEXT_CHARS_MAX)


def _error_text(error: Any) -> str:
    if error is None:
        return ""
    if isinstance(error, dict) and "message" in error:
        return f"{error.get('name')}: {error['message']}"
    return _text(error)


def shortened(rows: Sequence[Row], most: int) -> tuple[Sequence[Row], int, Sequence[Row]]:
    """Return the first and the last rows, *most* altogether, and between them the number of those left out."""
    if len(rows) <= most:
        return rows, 0, ()
    first = most // 4
    return rows[:first], len(rows) - most, rows[len(rows) - (most - first) :]
