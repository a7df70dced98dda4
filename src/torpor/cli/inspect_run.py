"""``torpor inspect``: what happened in a run."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.text import Text

from torpor.cli.moments import moment_data, show_moment, show_sizes, show_tasks, sizes_data
from torpor.cli.opening import named_run, run_or_capsule, with_reader
from torpor.cli.options import AppOption, DecryptOption, JsonOption, LastOption, RunArgument, WorldOption
from torpor.cli.output import STYLES, console, counted, line, print_json, printable, say, show_table
from torpor.cli.reporting import FAILED, command, report
from torpor.cli.runs import awaited_text
from torpor.engine.streams import StreamInfo
from torpor.errors import WorldError
from torpor.inspection.details import QueuePlace, RunDetails, details_data, event_data
from torpor.inspection.readable import stack_of, summary
from torpor.inspection.reading import Reader
from torpor.inspection.timeline import Row, shortened, timeline
from torpor.inspection.timestamps import bytes_text, clock_text, iso, ordinal, span_text
from torpor.moments import Moment, SnapshotSize
from torpor.programs.languages import LANGUAGES
from torpor.run_info import RunInfo
from torpor.vm.guest import TaskStack

ROWS_MAX = 200
VALUE_CHARS_MAX = 2_000
BAR_COLUMNS = 24
BAR_COLUMNS_NARROW = 12
_Shown = Literal["events", "logs", "timeline"]

WIDE_COLUMNS = 100
"""From which width on a terminal has room for long bars."""


@command
def inspect(
    run: RunArgument = None,
    last: LastOption = False,
    events: Annotated[bool, typer.Option("--events", help="Show the log itself, event by event.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Show only what the workflow's code wrote.")] = False,
    stack: Annotated[
        bool,
        typer.Option(
            "--stack",
            help="Show what the run's tasks wait for, and their variables; of a failed run, where it was raised.",
        ),
    ] = False,
    at: Annotated[
        int | None,
        typer.Option(
            "--at", metavar="SEQ", show_default=False, help="With --stack: as it was after this event; -1 is the last."
        ),
    ] = None,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Show how large its snapshots are over its log, measured in a replay.")
    ] = False,
    full: Annotated[bool, typer.Option("--all", help=f"Show every row, not only {ROWS_MAX}.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    Show what happened in a run.

    Steps and their attempts, waits, hooks with their tokens, log lines, snapshot and error; from the world alone. With
    --stack a copy of the run's VM is restored and asked; the run itself is not woken. With --at the log is replayed up
    to there. The beginning of an id is enough where no other id begins like that; the file of a capsule stands for the
    run in it.

    Example: torpor inspect wrun_01K9ZV8Q0C6K2W9T3N5J7H1M4P
    """
    run, world = run_or_capsule(run, world)
    if sizes:
        _measure(app, world, run, last=last, decrypt=decrypt, json=json)
    elif stack or at is not None:
        _look(app, world, run, at, last=last, decrypt=decrypt, json=json)
    else:
        shown: _Shown = "events" if events else "logs" if logs else "timeline"
        _tell(app, world, run, shown, last=last, full=full, decrypt=decrypt, json=json)


def _measure(app: str | None, world: str | None, run: str | None, *, last: bool, decrypt: bool, json: bool) -> None:
    """Print how large a run's snapshots were."""

    async def measure(reader: Reader) -> tuple[str, list[SnapshotSize]]:
        async with reader.travelling(await named_run(reader, run, last=last)) as traveller:
            return traveller.run.id, await traveller.sizes()

    measured = with_reader(app, world, measure, decrypt=decrypt)
    print_json(sizes_data(*measured)) if json else show_sizes(*measured)


def _look(
    app: str | None, world: str | None, run: str | None, at: int | None, *, last: bool, decrypt: bool, json: bool
) -> None:
    """Print where a run stands, or stood."""

    async def look(reader: Reader) -> Moment | tuple[RunInfo, list[TaskStack]]:
        run_id = await named_run(reader, run, last=last)
        if at is None and not (await reader.info(run_id)).ended_at:
            return await reader.stack(run_id)
        async with reader.travelling(run_id) as traveller:
            return await (traveller.ending() if at is None else traveller.at(at))

    seen = with_reader(app, world, look, decrypt=decrypt)
    if isinstance(seen, Moment):
        print_json(moment_data(seen)) if json else show_moment(seen)
    else:
        print_json(_stack_data(*seen)) if json else _show_stack(*seen)


def _tell(
    app: str | None,
    world: str | None,
    run: str | None,
    shown: _Shown,
    *,
    last: bool,
    full: bool,
    decrypt: bool,
    json: bool,
) -> None:
    """Print what happened in a run."""

    async def read_details(reader: Reader) -> RunDetails:
        return await reader.details(await named_run(reader, run, last=last))

    found = with_reader(app, world, read_details, decrypt=decrypt)
    if json:
        print_json(details_data(found))
    elif shown == "logs":
        _show_logs(found)
    else:
        _show_head(found)
        if shown == "events":
            _show_events(found, full)
        else:
            _show_timeline(timeline(found), found, full)
        _show_error(found)
        _show_lacks(found)
    for problem in found.problems:
        report(WorldError(f"run {found.run.id}: {problem}"))
    if found.problems:
        raise typer.Exit(FAILED)


def _show_head(found: RunDetails) -> None:
    run, about = found.run, found.summary
    took = span_text((run.ended_at or found.now) - run.created_at)
    paused = " paused" if run.paused and not run.ended_at else ""
    status = "blocked" if run.blocked else run.status
    say((status, STYLES[status]), (paused, "yellow"), (f"  {run.name}  ", "bold"), run.id)
    _fact("workflow", run.workflow)
    _show_descent(run)
    _fact("created", f"{clock_text(run.created_at)}, {'took' if run.ended_at else 'so far'} {took}")
    if not run.base:
        _fact("input", summary(about.input, VALUE_CHARS_MAX))
    if run.status == "completed":
        _fact("output", summary(about.output, VALUE_CHARS_MAX))
    if about.cancel_reason:
        _fact("reason", about.cancel_reason)
    if run.base:
        _fact("log", f"begins after event {run.base}; what was before it has been dropped")
    if run.snoozed:
        _fact("snoozed", run.snoozed)
    _show_said(run)
    _show_place(found.place)
    for awaited in run.waits_for:
        _fact("waits for", awaited_text(awaited))
    for awaited in run.blocked:
        _fact("resolve it", f"torpor resolve {run.id} {awaited.op} VALUE, or --failed WHY")
    if run.unreceived:
        never = "never received" if run.ended_at else "not received yet"
        _fact("messages", f"{run.unreceived} of {run.sent} {never}")
    for info in found.streams:
        _fact("stream", _stream_text(info))
    program = found.program
    absent = "encrypted, and its key is not here" if run.key_id else "not in this world"
    files = absent if program is None else f"{program.guest}, {', '.join(program.files)}"
    _fact("program", f"{run.program[:16]} ({files})")
    _fact("runtime", run.runtime)
    if run.key_id:
        _fact("key", run.key_id)
    _fact("snapshot", _snapshot_text(found))
    say()


def _show_place(place: QueuePlace | None) -> None:
    """Print where a run waits for a slot."""
    if place is not None:
        whose = f" for {place.key}" if place.key else ""
        _fact("waits for", f"a slot{whose}, {ordinal(place.ahead + 1)} in queue {place.name} ({place.limits})")


def _show_said(run: RunInfo) -> None:
    """Print what is said of a run, and how it was started, where that is not as usual."""
    if run.moved_to:
        _fact("moved", f"to {run.moved_to}, where it goes on")
    if run.status_line:
        _fact("says", run.status_line)
    if own := [f"{name}={value}" for name, value in run.attributes.items() if not name.startswith("$")]:
        _fact("attributes", ", ".join(own))
    told = [f"at {clock_text(run.starts_at)}"] if run.starts_at else []
    told += [f"in queue {run.queue}"] if run.queue else []
    told += [f"with priority {run.priority}"] if run.priority else []
    told += [f"deadline {clock_text(run.deadline)}"] if run.deadline else []
    if told:
        _fact("begins", ", ".join(told))


def _show_descent(run: RunInfo) -> None:
    if run.forked_from:
        origin, _, place = run.forked_from.rpartition("@")
        _fact("forked", f"from run {origin} after its event {place}")
    if run.parent:
        _fact("parent", run.parent + (f", first of the line is {run.root}" if run.root != run.parent else ""))


def _fact(name: str, value: str) -> None:
    say((f"  {name:<10}", "dim"), value)


def _snapshot_text(found: RunDetails) -> str:
    snapshot = found.snapshot
    if snapshot is None:
        return "none"
    age = span_text(found.now - snapshot.at)
    return f"{bytes_text(snapshot.bytes)}, after event {snapshot.cursor} of {found.run.head}, {age} old"


def _stream_text(info: StreamInfo) -> str:
    name = info.name or "(default)"
    state = "closed" if info.closed else "open"
    return f"{name}: {counted(info.count, 'chunk')}, {bytes_text(info.size)}, {state}"


def _show_timeline(rows: list[Row], found: RunDetails, full: bool) -> None:
    start = found.run.created_at
    end = found.run.ended_at or max([found.now, *(row.until or row.at for row in rows)])
    before, left_out, after = shortened(rows, len(rows) if full else ROWS_MAX)
    shown = [_cells(row, start, end) for row in before]
    if left_out:
        shown.append(tuple(map(line, ("", "", "", "", f"… {left_out} more; --all shows them"))))
    shown += [_cells(row, start, end) for row in after]
    columns = ("at", "took", "", "", "what")
    show_table(*columns, rows=shown, right=frozenset({"at", "took"}), free=frozenset({"what"}))


def _cells(row: Row, start: int, end: int) -> tuple[Text, ...]:
    """Return a row's cells: offset, span, bar, kind, text; *start* and *end* bound the bars."""
    columns = BAR_COLUMNS if console().width >= WIDE_COLUMNS else BAR_COLUMNS_NARROW
    what = Text()
    if row.kind in ("attempt", "received"):
        what.append("  ")
    what.append(printable(row.text), STYLES.get(row.tone, ""))
    if row.status:
        what.append(f"  {row.status}", STYLES.get(row.status, ""))
    if row.detail:
        what.append("  ").append(printable(row.detail), "dim")
    took = "" if row.until is None else span_text((row.until or end) - row.at) + ("" if row.until else " …")
    place = Text(bar(row, start, end, columns), "cyan")
    return Text(f"+{span_text(row.at - start)}"), Text(took), place, Text(row.kind), what


def bar(row: Row, start: int, end: int, columns: int = BAR_COLUMNS) -> str:
    """Return a row's place between *start* and *end*, which are so many columns apart."""
    scale = columns / max(1, end - start)
    first = min(columns - 1, max(0, int((row.at - start) * scale)))
    if row.until is None:
        return " " * first + "·"
    last = min(columns, max(first + 1, round(((row.until or end) - start) * scale)))
    return " " * first + "━" * (last - first)


def _show_events(found: RunDetails, full: bool) -> None:
    start = found.run.created_at
    shown = found.events if full else found.events[-ROWS_MAX:]
    if len(shown) < len(found.events):
        say((f"the last {len(shown)} of {len(found.events)} events; --all shows them all", "dim"))
    rows = []
    for event in shown:
        data = event_data(event, start)
        said = [f"attempt {event.attempt}" if data["attempt"] else "", event.name, event.ref]
        said += [f"due {data['due']}" if data["due"] else "", summary(data["payload"], 200) if event.payload else ""]
        offset = f"+{span_text(event.at - start)}"
        rows.append((str(event.seq), offset, event.type, event.id, "  ".join(filter(None, said))))
    show_table("seq", "at", "event", "id", "", rows=rows, right=frozenset({"seq", "at"}))


def _show_logs(found: RunDetails) -> None:
    for entry in sorted(found.logs, key=lambda entry: entry.at):
        style = STYLES.get(entry.level, "")
        say((f"{iso(entry.at)}  ", "dim"), (f"{entry.level:<5}  ", style), (entry.text, style))


def _show_error(found: RunDetails) -> None:
    if found.run.status != "failed":
        return
    error = found.summary.error
    say()
    say((f"{found.run.error_code}: ", "bold red"), (stack_of(error) or summary(error, VALUE_CHARS_MAX), "red"))


def _show_lacks(found: RunDetails) -> None:
    """Say what keeps the run from going on, other than time and the outside."""
    for each in found.unmet:
        say((f"waits for {each.steps.name} since {clock_text(each.steps.since)}: {each.reason}", "yellow"))
    if found.is_stuck:
        say(("waits for nothing: no step, timer, hook or message can wake it", "yellow"))
    if not found.run.ended_at and found.run.guest not in LANGUAGES:
        say((f"waits for workers that have the guest {found.run.guest}; this installation lacks it", "yellow"))


def _stack_data(run: RunInfo, tasks: list[TaskStack]) -> dict[str, Any]:
    """Return tasks as JSON data."""
    return {"run": run.id, "status": run.status, "tasks": msgspec.to_builtins(tasks)}


def _show_stack(run: RunInfo, tasks: list[TaskStack]) -> None:
    say((run.id, "bold"), f"  {run.status}, looked at after event {run.head}; the run was not woken")
    show_tasks(tasks)
