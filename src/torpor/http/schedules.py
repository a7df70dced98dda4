"""Schedules: what starts runs by the clock."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.responses import Response

from torpor.errors import ScheduleNotFoundError
from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router, json_response
from torpor.http.views import RunItem, run_item
from torpor.inspection.timestamps import iso
from torpor.model.schedules import Overlap
from torpor.schedules import ScheduleInfo

router = Router("schedules")

UPCOMING_MAX = 100
"""Coming slots that are told."""


class ScheduleView(msgspec.Struct, frozen=True, kw_only=True):
    """A schedule; see :class:`torpor.schedules.ScheduleInfo`. Times are ISO 8601."""

    name: str
    app: str
    workflow: str
    cron: str
    zone: str
    every_ms: int
    at: str | None
    overlap: Overlap
    catch_up: int
    jitter_ms: int
    slot_as: str
    declared: bool
    paused: bool
    note: str
    next_at: str | None
    waiting: str | None
    last_at: str | None
    last_run: str
    skipped: int
    problem: str
    created_at: str | None
    upcoming: list[str | None] = []


class NewSchedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """
    A schedule to make; see :class:`torpor.scheduling.ScheduleOptions`.

    Attributes:
        name: what it is called in its application.
        workflow: what it starts.
        args, kwargs: what with.
        cron, zone, every, at: when; one of the first, third and fourth.
        overlap, catch_up, jitter, slot_as: how.
        paused: start nothing before it is unpaused.
    """

    name: str
    workflow: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    cron: str | None = None
    zone: str = "UTC"
    every: str | float | None = None
    at: str | None = None
    overlap: Overlap = "skip"
    catch_up: int = 1
    jitter: str | float = 0
    slot_as: str = ""
    paused: bool = False


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why something was done, for those who look at it."""

    note: Annotated[str, msgspec.Meta(max_length=512)] = ""


class Trigger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    How a run is started beside the slots.

    Attributes:
        overlap: in place of the schedule's own.
    """

    overlap: Overlap | None = None


class Triggered(msgspec.Struct, frozen=True):
    """The run that was started, null when there is none because the one before has not ended."""

    run: RunItem | None


class Upcoming(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many coming slots to tell."""

    next: Annotated[int, msgspec.Meta(ge=0, le=UPCOMING_MAX)] = 5


@router.get("/v1/schedules", "read")
async def list_schedules(call: Call) -> list[ScheduleView]:
    """List schedules by name."""
    return [_view(info) for info in await call.service.schedules.list() if may_see_schedule(call, info.workflow)]


@router.post("/v1/schedules", "operate", status=201)
async def create(call: Call, body: NewSchedule) -> Response | ScheduleView:
    """Make a schedule that starts runs of a workflow."""
    found = await call.service.workflow_name(body.workflow)
    if not may_see_schedule(call, found):
        raise ForbiddenError(f"the token is not about schedules of {found}")
    info = await call.service.schedules.create(
        body.name,
        found,
        *body.args,
        kwargs=body.kwargs,
        paused=body.paused,
        cron=body.cron,
        zone=body.zone,
        every=body.every,
        at=body.at,
        overlap=body.overlap,
        catch_up=body.catch_up,
        jitter=body.jitter,
        slot_as=body.slot_as,
    )
    response = json_response(_view(info), 201)
    response.headers["Location"] = call.address("v1", "schedules", info.name)
    return response


@router.get("/v1/schedules/{schedule}", "read")
async def show(call: Call, query: Upcoming) -> ScheduleView:
    """Show a schedule, and when it starts its next runs."""
    info = await known_schedule(call)
    coming = await call.service.schedules.upcoming(info.name, query.next)
    return msgspec.structs.replace(_view(info), upcoming=[iso(slot) for slot in coming])


@router.route("DELETE", "/v1/schedules/{schedule}", "operate", status=204)
async def delete(call: Call) -> None:
    """Forget a schedule; its runs go on."""
    await call.service.schedules.delete((await known_schedule(call)).name)


@router.post("/v1/schedules/{schedule}/pause", "operate")
async def pause(call: Call, body: Note) -> ScheduleView:
    """Start nothing any more, until it is unpaused."""
    return _view(await call.service.schedules.pause((await known_schedule(call)).name, body.note))


@router.post("/v1/schedules/{schedule}/unpause", "operate")
async def unpause(call: Call) -> ScheduleView:
    """Go on with the next slot."""
    return _view(await call.service.schedules.unpause((await known_schedule(call)).name))


@router.post("/v1/schedules/{schedule}/trigger", "operate")
async def trigger(call: Call, body: Trigger) -> Triggered:
    """Start a run now, beside the slots."""
    run = await call.service.schedules.trigger((await known_schedule(call)).name, overlap=body.overlap)
    return Triggered(None if run is None else run_item(await run.info()))


async def known_schedule(call: Call) -> ScheduleInfo:
    """Return the schedule that the path names, if the token is about it."""
    info = await call.service.schedules.get(call.part("schedule"))
    if not may_see_schedule(call, info.workflow):
        raise ScheduleNotFoundError(f"no schedule {info.name!r} that this token is about")
    return info


def may_see_schedule(call: Call, workflow: str) -> bool:
    """Return whether a token is about schedules of a workflow; one for queues is about none: they are in no queue."""
    return not call.grant.queues and call.grant.covers(workflow, "")


def _view(info: ScheduleInfo) -> ScheduleView:
    times = {name: iso(getattr(info, name) or 0) for name in ("at", "next_at", "waiting", "last_at", "created_at")}
    return ScheduleView(**{**msgspec.structs.asdict(info), **times})
