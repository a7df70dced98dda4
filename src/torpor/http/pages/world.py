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
from torpor.inspection.timestamps import span_text
from torpor.lifecycle import RunStatus
from torpor.queues import limits_text
from torpor.retention import Policy
from torpor.run_info import RunInfo

router = pages("pages")

HOOKS: Final = 100
"""Hooks of one page, the newest."""


@router.get("/waiting", "read", media=(HTML,))
async def show_waiting(call: Call) -> Response:
    """Show what waits for whom: hooks for the outside, steps for a worker, runs for an application."""
    reader = call.service.reader(decrypt=False)
    hooks = await reader.hooks(limit=HOOKS)
    call.secrets.add_hooks(hook.token for hook in hooks)
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
    return page(call, "deployments.html", deployments=deployments, others=others, kept=_kept(call))


def _kept(call: Call) -> list[tuple[str, dict[str, str]]]:
    """Return what the application of this server keeps of runs, workflow by workflow, ``""`` for all others."""
    policies = call.service.what_is_kept()
    if policies is None:
        return []
    return [(name, _policy_words(policy)) for name, policy in (*policies.own.items(), ("", policies.default))]


def _policy_words(policy: Policy) -> dict[str, str]:
    kept = policy.retention.kept_ms() if policy.retention is not None else {}
    ended: tuple[RunStatus, ...] = ("completed", "failed", "cancelled")
    words: dict[str, str] = {status: span_text(kept[status]) if status in kept else "for ever" for status in ended}
    log, rules = policy.log, list[str]()
    if log is not None and log.events is not None:
        rules.append(f"the newest {log.events} events")
    if log is not None and log.age is not None:
        rules.append(f"what is younger than {span_text(log.age_ms())}")
    return {**words, "log": ", ".join(rules) or "all of it"}
