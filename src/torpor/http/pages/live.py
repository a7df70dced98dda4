"""When a page has become old: server-sent events without anything in them, whereupon the page asks for itself again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from starlette.responses import Response, StreamingResponse

from torpor.errors import RunNotFoundError, TorporError
from torpor.http.pages.rendering import pages
from torpor.http.routing import Call
from torpor.http.streams import EVENTS, KEEP_ALIVE_SECONDS
from torpor.model import Run

router = pages("pages")

PAUSE_SECONDS: Final = 0.5
"""Least time between two events."""

_CHANGED: Final = b"event: changed\ndata: \n\n"


class Which(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What is looked at.

    Attributes:
        run: id of a run; all of the world by default.
    """

    run: str = ""


@router.get("/live", "read", media=(EVENTS,))
async def live(call: Call, query: Which) -> Response:
    """Tell whenever something has changed that a page shows: ``changed``."""
    if query.run:
        info = await call.service.reader(decrypt=False).info(query.run)
        if not call.grant.covers(info.workflow, info.queue):
            raise RunNotFoundError(f"no run {query.run!r} that this token is about")
    return StreamingResponse(_changes(call, query.run), media_type=EVENTS)


async def _changes(call: Call, run_id: str) -> AsyncIterator[bytes]:
    service, world = call.service, call.service.client.world
    noticed = asyncio.Event()
    unsubscribe = world.subscribe(
        lambda notice: noticed.set() if notice.run_id in (None, run_id) or not run_id else None
    )
    try:
        known = await _state(call, run_id)
        yield b": listening\n\n"
        while not service.stopping.is_set():
            told = await service.until_stopping(noticed.wait(), KEEP_ALIVE_SECONDS)
            noticed.clear()
            state = await _state(call, run_id) if told else known
            if told and (not run_id or state != known):
                known = state
                yield _CHANGED
                await service.until_stopping(asyncio.Event().wait(), PAUSE_SECONDS)
            else:
                yield b": nothing new\n\n"
    finally:
        unsubscribe()


async def _state(call: Call, run_id: str) -> object:
    """Return what a run's page depends on, None of no run."""
    if not run_id:
        return None
    try:
        run: Run = await call.service.client.world.get_run(run_id)
        streams = await call.service.client.world.streams(run_id)
    except TorporError as error:
        return str(error)
    written = tuple((each.name, each.count) for each in streams)
    return run.status, run.head, run.paused, run.snoozed, run.attributes, run.received, run.worker, written
