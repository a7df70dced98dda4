"""Time travel: a run as it was at any place of its log, and what had changed since another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from starlette.responses import Response

from torpor.http.pages.rendering import HTML, page, pages
from torpor.http.pages.run import Look, opened
from torpor.http.pages.sparks import outline
from torpor.http.routing import Call
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.travellers import Travellers
from torpor.moments import Difference, FrameChange, Moment, VariableChange
from torpor.programs.catalogue import short_name
from torpor.vm.guest import TaskStack

router = pages("pages")

MARKS_MAX: Final = 400
"""Events that are marked above the slider, at most; of more, some."""


MEASURED_MAX: Final = 2_000
"""Events of a log that is replayed as a whole to tell how large the run was; of a longer one what is passed is told."""

STEPS_MAX: Final = 200
"""Steps of which one may be given another result in a fork: those that were asked for last."""


class Place(Look, frozen=True, kw_only=True):
    """
    Which moment.

    Attributes:
        at: seq of the event that it is after; the newest by default.
        since: seq of the moment that it is compared with; the one before by default.
    """

    at: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)] | None = None
    since: Annotated[int, msgspec.Meta(ge=1, le=NUMBER_MAX)] | None = None


class Variable(msgspec.Struct, frozen=True):
    """A variable as it is shown; *change* says what it was, None when it is as it was."""

    name: str
    value: str
    change: VariableChange | None


class Frame(msgspec.Struct, frozen=True):
    """A function that waits, with what has changed in it."""

    function: str
    file: str
    line: int
    source: str
    variables: list[Variable]
    entered: bool
    column: int


class Task(msgspec.Struct, frozen=True):
    """A task with its frames, the innermost first."""

    name: str
    waits_for: str
    parent: str
    frames: list[Frame]


class Mark(msgspec.Struct, frozen=True):
    """An event above the slider."""

    x: float
    seq: int
    kind: str
    text: str


@router.get("/runs/{run}/travel", "read", media=(HTML,))
async def show_moment(call: Call, query: Place) -> Response:
    """Show a run as it was at a place of its log; the run itself is not touched."""
    info = await known_run(call)
    if info.key_id and not query.open:
        return page(call, "sealed.html", tab="travel", run=info, look=query)
    reader = opened(call, info, query)
    travellers = call.service.part(Travellers)
    async with travellers.of(call.service, reader, info.id) as traveller:
        moment = await traveller.at(query.at or -1)
        since = min(query.since or moment.seq - 1, moment.last)
        if since < moment.first or since == moment.seq:
            changes = Difference(info.id, since, moment.seq)
        else:
            changes = await traveller.difference(since, moment.seq)
        is_short = moment.last - moment.first < MEASURED_MAX
        sizes = await traveller.sizes(whole=is_short)
        step = max(1, (moment.last - moment.first + 1) // MARKS_MAX)
        known = await traveller.events(moment.first, moment.last)
    events = [each for each in known if not each.seq % step]
    told = [each for each in known if each.seq <= moment.seq]
    [event] = await reader.events(info.id, after=moment.seq - 1, limit=1)
    span = max(1, moment.last - moment.first)
    return page(
        call,
        "travel.html",
        tab="travel",
        run=info,
        look=query,
        moment=moment,
        event=event,
        since=since,
        tasks=tasks_of(moment, changes),
        left=[change for change in changes.frames if change.change == "left"],
        written=changes.output,
        sources=await reader.sources(info.id),
        around=7,
        sizes=sizes,
        is_measured=is_short,
        outline=outline(sizes, moment.first, moment.last),
        steps=[(each.op, short_name(each.name)) for each in told if each.type == "step_created"][-STEPS_MAX:],
        marks=[
            Mark(
                round(100 * (each.seq - moment.first) / span, 3),
                each.seq,
                each.type.partition("_")[2],
                f"{each.seq} {each.type} {short_name(each.name)}",
            )
            for each in events
        ],
    )


def tasks_of(moment: Moment, changes: Difference) -> list[Task]:
    """Return the tasks of a moment, with what has changed in them."""
    by_place: Mapping[tuple[str, int], FrameChange] = {
        (change.task, change.depth): change for change in changes.frames if change.change != "left"
    }
    return [Task(task.name, task.waits_for, task.parent, [*reversed(_frames(task, by_place))]) for task in moment.tasks]


def _frames(task: TaskStack, changes: Mapping[tuple[str, int], FrameChange]) -> Sequence[Frame]:
    found = []
    for depth, frame in enumerate(task.frames):
        change = changes.get((task.name, depth))
        changed = {each.name: each for each in change.variables} if change else {}
        variables = [Variable(each.name, each.value, changed.get(each.name)) for each in frame.variables]
        entered = change is not None and change.change == "entered"
        found.append(Frame(frame.function, frame.file, frame.line, frame.source, variables, entered, frame.column))
    return found
