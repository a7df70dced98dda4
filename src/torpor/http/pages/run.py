"""One run: its story, its log, where it stands, its streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response

from torpor.engine.stream_reading import Part
from torpor.errors import TorporError, UsageError
from torpor.http.pages.picture import Scaling, picture_of
from torpor.http.pages.rendering import HTML, page, pages
from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, audit
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.travellers import Travellers
from torpor.inspection.family import Family, read_family
from torpor.inspection.history import HookStory
from torpor.inspection.reading import Reader
from torpor.lifecycle import RUN_TERMINAL
from torpor.run_info import RunInfo
from torpor.vm.guest import TaskStack

router = pages("pages")

EVENTS: Final = 200
"""Events of one page: a part of a long log is told at a time."""

LINES: Final = 500
"""Lines of one page of a log."""

CHUNKS: Final = 200
"""Chunks of a stream that are shown, the newest."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a run is looked at.

    Attributes:
        after: seq of the event that the page begins behind; the newest part of the log by default.
        scale: of the picture.
        open: what is encrypted is to be shown.
    """

    after: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] | None = None
    scale: Scaling = "auto"
    open: bool = False
    said: str = ""


def opened(call: Call, info: RunInfo, look: Look) -> Reader:
    """
    Return what reads a run as it is looked at; that it is decrypted is asked for, and audited.

    Raises:
        ForbiddenError: who asks may not see what is encrypted.
    """
    if look.open and info.key_id:
        if not call.grant.decrypts:
            raise ForbiddenError("what is encrypted is shown to tokens with the role decrypt")
        audit.info("%s: decrypts run %s: %s", call.grant.who, info.id, call.request.scope["path"])
    return call.service.reader(decrypt=look.open and bool(info.key_id))


def _part(info: RunInfo, after: int | None) -> int:
    """Return behind which event a page begins: the newest full page by default."""
    return max(info.base, info.head - EVENTS) if after is None else max(info.base, min(after, info.head))


@router.get("/runs/{run}", "read", media=(HTML,))
async def show_run(call: Call, query: Look) -> Response:
    """Show what happened in a run, and what it waits for."""
    info = await known_run(call)
    after = _part(info, query.after)
    found = await opened(call, info, query).story(info.id, after=after, limit=EVENTS)
    return page(
        call,
        "story.html",
        tab="story",
        found=found,
        run=found.run,
        picture=picture_of(found, query.scale),
        family=await _family(call, found.run, found.history.hooks.values()),
        look=query,
        after=after,
        until=found.events[-1].seq if found.events else after,
        size=EVENTS,
    )


async def _family(call: Call, info: RunInfo, hooks: Iterable[HookStory]) -> Family | None:
    """Return a run's family if it has any, as far as the token is about it."""
    if not info.parent and not any(hook.watch for hook in hooks):
        return None
    grant = call.grant
    family = await read_family(
        call.service.reader(decrypt=False), info, lambda each: grant.covers(each.workflow, each.queue)
    )
    call.secrets.add_runs(each for _, each in family.rows)
    return family


@router.get("/runs/{run}/events", "read", media=(HTML,))
async def show_events(call: Call, query: Look) -> Response:
    """Show a run's log, event by event."""
    info = await known_run(call)
    after = _part(info, query.after)
    events = await opened(call, info, query).events(info.id, after=after, limit=EVENTS)
    until = events[-1].seq if events else after
    return page(
        call, "events.html", tab="events", run=info, events=events, look=query, after=after, until=until, size=EVENTS
    )


@router.get("/runs/{run}/log", "read", media=(HTML,))
async def show_log(call: Call, query: Look) -> Response:
    """Show what a run's code wrote."""
    info = await known_run(call)
    entries = await opened(call, info, query).logs(info.id, after=query.after, limit=LINES)
    return page(call, "log.html", tab="log", run=info, entries=entries, look=query, is_full=len(entries) == LINES)


@router.get("/runs/{run}/stack", "read", media=(HTML,))
async def show_stack(call: Call, query: Look) -> Response:
    """Show where a run stands: source, tasks and their variables, read from a copy that is thrown away."""
    info = await known_run(call)
    reader = opened(call, info, query)
    tasks: Sequence[TaskStack] = ()
    sources: dict[str, list[str]] = {}
    problem, raised, after = "", None, info.head
    try:
        tasks, after = await _tasks(call, reader, info)
        sources = await reader.sources(info.id)
        if info.status == "failed":
            [summary] = await reader.summaries([info])
            raised = summary.error
    except TorporError as error:
        problem = str(error)
    return page(
        call,
        "stack.html",
        tab="stack",
        run=info,
        tasks=[{**msgspec.structs.asdict(task), "frames": task.frames[::-1]} for task in tasks],
        sources=sources,
        problem=problem,
        raised=raised,
        after=after,
        look=query,
        around=7,
    )


async def _tasks(call: Call, reader: Reader, info: RunInfo) -> tuple[Sequence[TaskStack], int]:
    """
    Return where a run stands and after which event: as its snapshot says; of one that failed, where that was raised, or
    where it stood before.
    """
    if info.status not in RUN_TERMINAL:
        async with call.service.asking:
            return (await reader.stack(info.id))[1], info.head
    if info.status != "failed":
        return (), info.head
    async with call.service.part(Travellers).of(call.service, reader, info.id) as traveller:
        moment = await traveller.ending()
    return moment.tasks, moment.seq


class WhichStream(Look, frozen=True, kw_only=True):
    """Which stream is looked at, by its name."""

    name: Annotated[str, msgspec.Meta(max_length=256)] = ""


@router.get("/runs/{run}/streams", "read", media=(HTML,))
async def show_streams(call: Call, query: WhichStream) -> Response:
    """Show a run's streams, and the newest of one of them."""
    info = await known_run(call)
    reader = opened(call, info, query)
    streams = await reader.streams(info.id)
    chunks: list[Any] = []
    problem = ""
    if any(stream.name == query.name for stream in streams):
        try:
            chunks = [chunk async for chunk in reader.stream(info.id, query.name, Part(start=-CHUNKS, until="now"))]
        except (UsageError, TorporError) as error:
            problem = str(error)
    return page(
        call, "streams.html", tab="streams", run=info, streams=streams, chunks=chunks, look=query, problem=problem
    )
