"""How a moment of a run is printed: its tasks as trees, what it had written, and what differs between two moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.text import Text
from rich.tree import Tree

from torpor.cli.opening import named_run, with_reader
from torpor.cli.options import AppOption, DecryptOption, JsonOption, WorldOption
from torpor.cli.output import STYLES, counted, line, print_json, say, show, show_table
from torpor.cli.reporting import command
from torpor.inspection.reading import Reader
from torpor.inspection.timestamps import bytes_text, iso
from torpor.moments import Difference, FrameChange, Line, Moment, SnapshotSize
from torpor.vm.guest import Frame, TaskStack

OUTPUT_SHOWN = 5
"""Lines of output that are printed below a moment's stack."""

BAR_COLUMNS = 30
"""What the largest snapshot has for a bar."""


@command
def diff(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")],
    before: Annotated[int, typer.Argument(metavar="SEQ", help="A place in its log; torpor inspect --events has them.")],
    after: Annotated[int, typer.Argument(metavar="SEQ", help="Another one.")],
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    Show what differs between two moments of a run: functions, variables and output.

    The log is replayed in a copy; the run is not touched. Variables are compared as torpor inspect --stack shows them.

    Example: torpor diff order-17 12 40
    """

    async def compared(reader: Reader) -> Difference:
        async with reader.travelling(await named_run(reader, run, last=False)) as traveller:
            return await traveller.difference(before, after)

    found = with_reader(app, world, compared, decrypt=decrypt)
    if json:
        print_json(msgspec.to_builtins(found))
    else:
        _show_difference(found)


def moment_data(moment: Moment) -> dict[str, Any]:
    """Return a moment as JSON data."""
    data: dict[str, Any] = msgspec.to_builtins(moment)
    return {"run": data.pop("run_id"), **data, "at": iso(moment.at) if moment.at else None}


def show_moment(moment: Moment) -> None:
    """Print a moment."""
    happened = f", {moment.event} at {iso(moment.at)}" if moment.at else ""
    say(
        (moment.run_id, "bold"),
        "  ",
        (moment.status, STYLES[moment.status]),
        f"  as it was after event {moment.seq} of {moment.last}{happened}",
    )
    show_tasks(moment.tasks)
    if moment.snapshot_bytes:
        say((f"its snapshot there has {bytes_text(moment.snapshot_bytes)}", "dim"))
    if moment.problem:
        say((moment.problem, "yellow"))
    elif not moment.tasks:
        say(("its code had ended, and nothing waits in it", "dim"))
    _show_output(moment.output[-OUTPUT_SHOWN:])


def sizes_data(run_id: str, sizes: Sequence[SnapshotSize]) -> dict[str, Any]:
    """Return sizes of snapshots as JSON data."""
    return {
        "run": run_id,
        "sizes": [{"seq": each.seq, "at": iso(each.at) if each.at else None, "bytes": each.bytes} for each in sizes],
    }


def show_sizes(run_id: str, sizes: Sequence[SnapshotSize]) -> None:
    """Print how large snapshots are, place by place, with bars."""
    say((run_id, "bold"), "  snapshots over its log, as a replay tells")
    most = max((each.bytes for each in sizes), default=1)
    rows = [
        (str(each.seq), iso(each.at) or "-", bytes_text(each.bytes), "━" * round(BAR_COLUMNS * each.bytes / most))
        for each in sizes
    ]
    show_table("seq", "at", "bytes", "", rows=rows, right=frozenset({"seq", "bytes"}))


def show_tasks(tasks: Sequence[TaskStack]) -> None:
    """Print tasks as trees: a task below the one that waits for it, its frames outermost first."""
    names = {task.name for task in tasks}
    for task in tasks:
        if task.parent not in names:
            show(_branch(task, tasks, None))


def _branch(task: TaskStack, tasks: Sequence[TaskStack], above: Tree | None) -> Tree:
    title = line(("task ", "dim"), (task.name, "bold"))
    if task.waits_for:
        title += line(("  waits for ", "dim"), (task.waits_for, "cyan"))
    tree = Tree(title) if above is None else above.add(title)
    for frame in task.frames:
        held = tree.add(_frame_text(frame))
        for variable in frame.variables:
            held.add(line((variable.name, "green"), " = ", variable.value))
    for child in tasks:
        if child.parent == task.name and child is not task:
            _branch(child, tasks, tree)
    return tree


def _frame_text(frame: Frame) -> Text:
    column = f":{frame.column}" if frame.column else ""
    place = line((frame.function, "bold"), ("  ", ""), (f"{frame.file}:{frame.line}{column}", "dim"))
    return place + line(f"  {frame.source.strip()}") if frame.source else place


def _show_output(lines: Sequence[Line]) -> None:
    for written in lines:
        style = STYLES.get(written.level, "")
        say((f"{iso(written.at)}  ", "dim"), (f"{written.level:<5}  ", style), (written.text, style))


def _show_difference(found: Difference) -> None:
    say((found.run_id, "bold"), f"  from event {found.before} to event {found.after}")
    if not found.frames and not found.output:
        say(("nothing differs that is shown", "dim"))
    for change in found.frames:
        show(_change_tree(change))
    if found.output:
        say(f"{counted(len(found.output), 'line')} written:")
        _show_output(found.output)


def _change_tree(change: FrameChange) -> Tree:
    place = f"{change.file}:{change.after or change.before}"
    if change.change == "changed" and change.before != change.after:
        place = f"{change.file}:{change.before} → {change.after}"
    styles = {"entered": "green", "left": "red", "changed": "yellow"}
    tree = Tree(
        line(
            ("task ", "dim"),
            (change.task, "bold"),
            ("  ", ""),
            (change.change, styles[change.change]),
            (" ", ""),
            (change.function, "bold"),
            ("  ", ""),
            (place, "dim"),
        )
    )
    for variable in change.variables:
        name = line((variable.name, "green"))
        if variable.before is None:
            tree.add(name + line(" = ", str(variable.after)))
        elif variable.after is None:
            tree.add(name + line((" is gone, it was ", "dim"), variable.before))
        else:
            tree.add(name + line(": ", variable.before, (" → ", "dim"), variable.after))
    return tree
