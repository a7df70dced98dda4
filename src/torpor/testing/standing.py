"""Where a run stands: what a test may assert of it, and what it prints when something went wrong."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from torpor.client import Client
from torpor.errors import TorporError
from torpor.inspection.details import RunDetails
from torpor.inspection.readable import stack_of, summary
from torpor.inspection.reading import Reader
from torpor.inspection.timeline import Row, shortened, timeline
from torpor.inspection.timestamps import bytes_text, clock_text, span_text
from torpor.lifecycle import RunStatus
from torpor.run_info import Awaited
from torpor.vm.guest import TaskStack

ROWS_MAX = 60
"""Rows of a timeline that are printed."""

_VALUE_CHARS_MAX = 400


class Standing(msgspec.Struct, frozen=True):
    """
    A run as it stands while it sleeps.

    Attributes:
        status: ``pending``, ``running``, ``completed``, ``failed`` or ``cancelled``.
        waits_for: the steps, timers, hooks and runs that it waits for, in the order in which it asked for them.
        snapshot_bytes: size of its newest snapshot as it is stored, 0 when it has none.
        events: how many events its log has.
        stack: what its tasks wait for, the workflow's own first.
        locals: the variables of the workflow's own innermost function, as text.
    """

    status: RunStatus
    waits_for: tuple[Awaited, ...]
    snapshot_bytes: int
    events: int
    stack: list[TaskStack]
    locals: dict[str, str]


async def standing(client: Client, run_id: str) -> Standing:
    """
    Return where a run stands; a copy of its VM is asked, the run is not woken.

    Raises:
        UsageError: it has ended, and has no VM to look into.
        RunNotFoundError: no such run.
    """
    reader = Reader(client, decrypt=True)
    info, stack = await reader.stack(run_id)
    info = await reader.info(info.id)
    stored = await client.world.snapshot(run_id)
    frames = [frame for task in stack[:1] for frame in task.frames]
    variables = {each.name: each.value for each in frames[-1].variables} if frames else {}
    size = 0 if stored is None else len(stored.data)
    return Standing(info.status, info.waits_for, size, info.head - info.base, stack, variables)


async def story(client: Client, run_id: str) -> str:
    """Return what happened in a run, and where it stands, as text for a test's report."""
    try:
        found = await Reader(client, decrypt=True).details(run_id)
    except TorporError as error:
        return f"run {run_id} cannot be read: {error}"
    lines = [*_head(found), *_rows(found)]
    if found.run.status == "failed":
        lines += ["", f"{found.run.error_code}: {stack_of(found.summary.error) or summary(found.summary.error, 2_000)}"]
    if not found.run.ended_at:
        lines += ["", *await _stack(client, run_id)]
    return "\n".join(lines)


def awaited_text(awaited: Awaited) -> str:
    """Return what a run waits for, as text."""
    match awaited.kind:
        case "timer":
            return f"a timer until {clock_text(awaited.due)}"
        case "hook":
            return f"hook {awaited.name}"
        case "run":
            return f"the end of run {awaited.name}"
        case "step":
            why = f" ({awaited.why})" if awaited.why else ""
            return f"step {awaited.name}, {awaited.status}{why}"
        case _:
            return f"{awaited.kind} {awaited.name}"


def _head(found: RunDetails) -> Iterator[str]:
    run = found.run
    yield f"run {run.id} ({run.name}) is {run.status} after {span_text((run.ended_at or found.now) - run.created_at)}"
    yield f"  input     {summary(found.summary.input, _VALUE_CHARS_MAX)}"
    if run.status == "completed":
        yield f"  output    {summary(found.summary.output, _VALUE_CHARS_MAX)}"
    for awaited in run.waits_for:
        yield f"  waits for {awaited_text(awaited)}"
    for unmet in found.unmet:
        yield f"  step {unmet.steps.name} waits: {unmet.reason}"
    if run.snoozed:
        yield f"  snoozed   {run.snoozed}"
    if found.snapshot is not None:
        yield f"  snapshot  {bytes_text(found.snapshot.bytes)}, after event {found.snapshot.cursor} of {run.head}"
    for problem in found.problems:
        yield f"  problem   {problem}"


def _rows(found: RunDetails) -> Iterator[str]:
    start = found.run.created_at
    before, left_out, after = shortened(timeline(found), ROWS_MAX)
    yield from (_row(row, start, found.now) for row in before)
    if left_out:
        yield f"  … {left_out} more"
    yield from (_row(row, start, found.now) for row in after)


def _row(row: Row, start: int, now: int) -> str:
    took = "" if row.until is None else span_text((row.until or now) - row.at) + ("" if row.until else " …")
    said = "  ".join(filter(None, (row.text, row.status, row.detail)))
    return f"  {'+' + span_text(row.at - start):>10} {took:>9}  {row.kind:<8}  {said}"


async def _stack(client: Client, run_id: str) -> list[str]:
    try:
        _, tasks = await Reader(client, decrypt=True).stack(run_id)
    except TorporError as error:
        return [f"its stack cannot be told: {error}"]
    lines = []
    for task in tasks:
        lines.append(f"task {task.name}" + (f" waits for {task.waits_for}" if task.waits_for else ""))
        for frame in task.frames:
            lines.append(f"  {frame.function}  {frame.file}:{frame.line}  {frame.source.strip()}".rstrip())
            lines += [f"    {variable.name} = {variable.value}" for variable in frame.variables]
    return lines
