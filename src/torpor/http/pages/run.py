"""One run: its story, its log, where it stands, its streams."""

from __future__ import annotations

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
from torpor.inspection.reading import Reader
from torpor.lifecycle import RUN_TERMINAL
from torpor.run_info import RunInfo

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
        look=query,
        after=after,
        until=found.events[-1].seq if found.events else after,
        size=EVENTS,
    )


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
    tasks: list[Any] = []
    sources: dict[str, list[str]] = {}
    problem = ""
    if info.status not in RUN_TERMINAL:
        try:
            async with call.service.asking:
                _, tasks = await reader.stack(info.id)
            sources = await reader.sources(info.id)
        except TorporError as error:
            problem = str(error)
    return page(
        call, "stack.html", tab="stack", run=info, tasks=tasks, sources=sources, problem=problem, look=query, around=7
    )


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
