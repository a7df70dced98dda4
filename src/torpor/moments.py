"""What a run was like at one place of its log, and what differs between two places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from torpor.lifecycle import RunStatus
from torpor.vm.guest import Frame, TaskStack


class Line(msgspec.Struct, frozen=True):
    """A line that workflow code wrote: its number in the run, when (epoch milliseconds), how grave, and what."""

    n: int
    at: int
    level: str
    text: str


class Position(msgspec.Struct, frozen=True):
    """Where the workflow's own task stood: the innermost function that is the author's, its file, line and source."""

    function: str
    file: str
    line: int
    source: str = ""


class Moment(msgspec.Struct, frozen=True):
    """
    A run as it was when its code had got the events up to one place of its log, and waited for the next one.

    Attributes:
        run_id: whose.
        seq: the place: the seq of the last event that its code had got.
        at: when that event happened, epoch milliseconds.
        event: its type.
        status: the run's state after it.
        tasks: what was suspended, the workflow's own task first: task → frames, outermost first → variables. Of a run
            whose code had failed, where that was raised. Empty when its code had ended otherwise.
        position: where the workflow's own task stood, None when it had ended.
        output: the lines that it had written, at most the newest :data:`torpor.travelling.LINES_MAX`.
        lines_before: how many lines there were before those.
        first, last: the places that the run can be shown at.
        problem: why there are no tasks although its code had not ended, ``""`` when there is no problem.
        snapshot_bytes: what a snapshot that is taken there is stored in, as the replay has it; 0 when its code had
            ended, or the VM could not be brought there.
    """

    run_id: str
    seq: int
    at: int
    event: str
    status: RunStatus
    tasks: tuple[TaskStack, ...] = ()
    position: Position | None = None
    output: tuple[Line, ...] = ()
    lines_before: int = 0
    first: int = 1
    last: int = 1
    problem: str = ""
    snapshot_bytes: int = 0


class SnapshotSize(msgspec.Struct, frozen=True):
    """
    How large a run was at a place of its log: measured in a replay, for the world keeps its newest snapshot only.

    Attributes:
        seq: the place.
        at: when its event happened, epoch milliseconds; 0 where the log has lost it.
        bytes: what a snapshot that is taken there is stored in.
    """

    seq: int
    at: int
    bytes: int


class VariableChange(msgspec.Struct, frozen=True):
    """A variable that differs, as it was shown before and after; None where it was not there."""

    name: str
    before: str | None
    after: str | None


class FrameChange(msgspec.Struct, frozen=True):
    """
    A function that differs between two moments.

    Attributes:
        task: name of its task.
        depth: its place in the stack of the task, 0 outermost.
        function, file: which.
        change: ``entered``, ``left``, or ``changed``.
        before, after: the line where it stood; 0 where it was not there.
        variables: those that differ.
    """

    task: str
    depth: int
    function: str
    file: str
    change: Literal["entered", "left", "changed"]
    before: int = 0
    after: int = 0
    variables: tuple[VariableChange, ...] = ()


class Difference(msgspec.Struct, frozen=True):
    """
    What differs between two moments of a run.

    Attributes:
        run_id: whose.
        before, after: their places.
        frames: the functions that differ, task by task.
        output: the lines written from the one to the other, as far as the later moment has them.
    """

    run_id: str
    before: int
    after: int
    frames: tuple[FrameChange, ...] = ()
    output: tuple[Line, ...] = ()


def position_of(tasks: Sequence[TaskStack]) -> Position | None:
    """Return where the first of some tasks stands."""
    if not tasks or not tasks[0].frames:
        return None
    frame = tasks[0].frames[-1]
    return Position(frame.function, frame.file, frame.line, frame.source)


def difference(before: Moment, after: Moment) -> Difference:
    """
    Return what differs between two moments, the earlier one first.

    Variables are compared as they are shown: two long values that are shortened to the same text do not differ here.
    """
    then, now = _frames(before), _frames(after)
    changes = [_change(place, then.get(place), now.get(place)) for place in dict.fromkeys([*then, *now])]
    last = before.output[-1].n if before.output else 0
    return Difference(
        after.run_id,
        before.seq,
        after.seq,
        tuple(change for change in changes if change is not None),
        tuple(line for line in after.output if line.n > last),
    )


_Place = tuple[str, int, str, str]
"""Task, depth, function and file."""


def _frames(moment: Moment) -> dict[_Place, Frame]:
    return {
        (task.name, depth, frame.function, frame.file): frame
        for task in moment.tasks
        for depth, frame in enumerate(task.frames)
    }


def _change(place: _Place, before: Frame | None, after: Frame | None) -> FrameChange | None:
    then = {variable.name: variable.value for variable in before.variables} if before else {}
    now = {variable.name: variable.value for variable in after.variables} if after else {}
    variables = tuple(
        VariableChange(name, then.get(name), now.get(name))
        for name in dict.fromkeys([*then, *now])
        if then.get(name) != now.get(name)
    )
    lines = (before.line if before else 0, after.line if after else 0)
    if before and after:
        return FrameChange(*place, "changed", *lines, variables) if variables or lines[0] != lines[1] else None
    return FrameChange(*place, "entered" if after else "left", *lines, variables)
