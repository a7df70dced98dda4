"""``torpor deployments`` and ``torpor deploy check``: what workers bring, and what runs would wait for."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import typer

from torpor import Torpor
from torpor.cli.opening import app_on, require_durable, with_client, world_is_missing
from torpor.cli.options import AppArgument, AppOption, JsonOption, WorldOption
from torpor.cli.output import counted, print_json, say
from torpor.cli.reporting import FAILED, command
from torpor.inspection.deployments import DeployCheck, DeploymentView, Wanting, check_deploy, deployment_views
from torpor.inspection.timestamps import clock_text, iso
from torpor.programs.catalogue import short_name

_UNKNOWN = "(…)"


@command
def deployments(app: AppOption = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    List what is deployed, and what still has runs.

    Of each application the workflows and steps that living workers bring, and the older versions that runs have begun
    with which have not ended.

    Example: torpor deployments --world sqlite:////var/lib/shop/torpor.db
    """
    found, others = with_client(app, world, lambda client: deployment_views(client.world))
    if json:
        print_json({"deployments": [_view_data(view) for view in found], "others": msgspec.to_builtins(others)})
        return
    for view in found:
        _show_view(view)
    for use in others:
        whose = f" of application {use.app!r}" if use.app else ""
        what = f"{counted(use.count, 'run')}{whose} (e.g. {use.run_id}) with program {use.program[:12]}"
        say((f"not ended, and of no deployment that is known: {what}", "yellow"))
    if not (found or others):
        say("no worker is at work, and no run waits for one; start one with: torpor worker", err=True)


@command
def check(app: AppArgument = None, world: WorldOption = None, json: JsonOption = False) -> None:
    """
    Say, before a deploy, which runs would wait for what.

    They would wait for steps that the application does not have any more, or that do not take what they pass. Nothing
    is changed. The exit code is 1 when a run would wait, or when that cannot be told because a key is missing.

    Example: torpor deploy check app.py --world sqlite:////var/lib/shop/torpor.db
    """
    application = app_on(app, world)
    require_durable(application.world)
    found = asyncio.run(_checked(application))
    if json:
        print_json({"ok": _is_ok(found), **msgspec.to_builtins(found)})
    else:
        _show_check(found, application)
    if not _is_ok(found):
        raise typer.Exit(FAILED)


async def _checked(app: Torpor) -> DeployCheck:
    if world_is_missing(app.world.url):
        return DeployCheck((), (), 0)  # nothing has run there yet
    async with app:
        return await check_deploy(app.world, app.keyring, await app.deployment())


def _is_ok(found: DeployCheck) -> bool:
    return not found.wanting and not any(each.needs_key for each in found.unread)


# Printed


def _show_view(view: DeploymentView) -> None:
    state = ("live", "green") if view.workers else ("not live", "yellow")
    say((view.app or "(no name)", "bold"), "  ", state, (f"  since {clock_text(view.since)}  {view.id[:12]}", "dim"))
    for kind, names in (("workflows", view.workflows), ("steps", view.steps)):
        said = ", ".join(f"{short_name(name)}{text or _UNKNOWN}" for name, text in names.items())
        say((f"  {kind:<10}", "dim"), said or "none")
    if view.workers:
        workers = ", ".join(f"{worker.id} (pid {worker.pid})" for worker in view.workers)
        say(("  workers   ", "dim"), workers)
    say(("  runs      ", "dim"), f"{view.runs} not ended")
    say()


def _view_data(view: DeploymentView) -> dict[str, Any]:
    return {
        "app": view.app,
        "id": view.id,
        "live": bool(view.workers),
        "since": iso(view.since),
        "workflows": view.workflows,
        "steps": view.steps,
        "workers": [{"id": worker.id, "machine": worker.machine, "pid": worker.pid} for worker in view.workers],
        "runs": view.runs,
    }


def _show_check(found: DeployCheck, app: Torpor) -> None:
    for each in found.unread:
        where = f"{counted(each.use.count, 'run')} (e.g. {each.use.run_id})"
        say((f"the program of {where} cannot be looked at: {each.why}", "red" if each.needs_key else "yellow"))
    for wanting in found.wanting:
        say(("step ", ""), (short_name(wanting.name), "bold"), f": {_complaint(wanting)}")
    if found.wanting:
        say(("keep what they ask for, or let a step that replaces another answer to its name: ", "dim"), "renamed=")
    elif _is_ok(found):
        whose = f" of application {app.name!r}" if app.name else ""
        say(f"{counted(found.runs, 'run')}{whose} {'has' if found.runs == 1 else 'have'} not ended; none would wait")


def _complaint(wanting: Wanting) -> str:
    if wanting.found is None:
        what = f"the application has no {wanting.name}"
    else:
        what = f"it is {wanting.found} in the application, and {wanting.expected or _UNKNOWN} to the runs"
    waits = f"{counted(wanting.waiting, 'call')} of it {'waits' if wanting.waiting == 1 else 'wait'} now"
    may = f"{counted(wanting.runs, 'run')} may call it"
    said = ", ".join(text for text, count in ((waits, wanting.waiting), (may, wanting.runs)) if count)
    return f"{what}; {said} (e.g. run {wanting.run_id})"
