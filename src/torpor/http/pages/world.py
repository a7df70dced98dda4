"""The world as a whole: what waits for whom, workers, queues, schedules, deployments, and what is kept how long."""

from __future__ import annotations

from typing import Final

from starlette.responses import RedirectResponse, Response

from torpor.http.pages.acting import fields
from torpor.http.pages.rendering import HTML, page, pages, query
from torpor.http.problems import BadRequestError
from torpor.http.routing import Call
from torpor.http.schedules import known_schedule, may_see_schedule
from torpor.inspection.deployments import deployment_views
from torpor.inspection.reading import WaitingHook
from torpor.queues import limits_text
from torpor.run_info import RunInfo

router = pages("pages")

HOOKS: Final = 100
"""Hooks of one page, the newest."""


@router.get("/waiting", "read", media=(HTML,))
async def show_waiting(call: Call) -> Response:
    """Show what waits for whom: hooks for the outside, steps for a worker, runs for an application."""
    reader = call.service.reader(decrypt=False)
    hooks = await reader.hooks(limit=HOOKS)
    whole = call.grant.is_whole
    return page(
        call,
        "waiting.html",
        hooks=[each for each in hooks if whole or await _covers(call, each)],
        unmet=await reader.unmet() if whole else [],
        unserved=await reader.unserved() if whole else {},
        most=HOOKS,
    )


async def _covers(call: Call, hook: WaitingHook) -> bool:
    info: RunInfo = await call.service.reader(decrypt=False).info(hook.run_id)
    return call.grant.covers(info.workflow, info.queue)


@router.get("/workers", "read", media=(HTML,))
async def show_workers(call: Call) -> Response:
    """Show who works."""
    call.grant.require_whole()
    workers, silent = await call.service.reader(decrypt=False).workers()
    return page(call, "workers.html", workers=workers, silent=silent)


@router.get("/queues", "read", media=(HTML,))
async def show_queues(call: Call) -> Response:
    """Show queues: what they allow, what goes on and what waits."""
    call.grant.require_whole()
    found = await call.service.queues.list()
    return page(call, "queues.html", queues=[(info, limits_text(info.limits)) for info in found])


@router.get("/schedules", "read", media=(HTML,))
async def show_schedules(call: Call) -> Response:
    """Show what starts runs by the clock."""
    found = [info for info in await call.service.schedules.list() if may_see_schedule(call, info.workflow)]
    return page(call, "schedules.html", schedules=found)


@router.post("/schedules/{schedule}/act", "operate", media=(HTML,))
async def act_on_schedule(call: Call) -> Response:
    """Pause a schedule, let it go on, or start a run now."""
    name = (await known_schedule(call)).name
    given = await fields(call)
    schedules, done = call.service.schedules, given.get("act", "")
    match done:
        case "pause":
            await schedules.pause(name, given.get("note", ""))
        case "unpause":
            await schedules.unpause(name)
        case "trigger":
            run = await schedules.trigger(name)
            done = "trigger: the run before has not ended" if run is None else f"trigger: {run.id}"
        case _:
            raise BadRequestError(f"act={done:.50}: pause, unpause or trigger")
    return RedirectResponse(call.address("schedules") + query(said=f"{name}: {done}"), 303)


@router.get("/deployments", "read", media=(HTML,))
async def show_deployments(call: Call) -> Response:
    """Show what is deployed, what still has runs, and how long runs are kept."""
    call.grant.require_whole()
    deployments, others = await deployment_views(call.service.client.world)
    return page(call, "deployments.html", deployments=deployments, others=others)
