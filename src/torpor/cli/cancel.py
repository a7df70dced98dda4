"""``torpor cancel``: end runs before they end by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import typer

from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import FAILED, command, report
from torpor.cli.runs import StatusOption, WorkflowOption, matching_runs, parse_status
from torpor.cli.session import client_on
from torpor.client import Client
from torpor.errors import EntityConflictError, RunNotFoundError, TorporError, UsageError
from torpor.lifecycle import RUN_TERMINAL


@command
async def cancel(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]", help="Their ids.")] = None,
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept in the runs' logs.")] = "",
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Cancel runs by their ids, their status or their workflow.

    Example: torpor cancel --workflow checkout --reason "wrong prices"
    """
    if bool(runs) == (status is not None or workflow is not None):
        raise UsageError("name runs, or select them with --status or --workflow; not both, not neither")
    async with client_on(app, world) as client:
        chosen = list(runs) if runs else [run_id async for run_id in _selected(client, status, workflow)]
        cancelled, refused = [], []
        for run_id in chosen:
            try:
                await client.run(run_id).cancel(reason)
            except (EntityConflictError, RunNotFoundError) as error:
                refused.append((run_id, error))
            else:
                cancelled.append(run_id)
                if not json:
                    say(run_id)
    if json:
        print_json({"cancelled": cancelled, "refused": [_refusal(run_id, why) for run_id, why in refused]})
    elif not chosen:
        say(f"no such run in world {client.world.url}", err=True)
    # A run that was only selected, and ended by itself in between, is no mistake of anybody.
    if runs and refused:
        for _, why in refused:
            report(why)
        raise typer.Exit(FAILED)


async def _selected(client: Client, status: str | None, workflow: str | None) -> AsyncIterator[str]:
    wanted = parse_status(status)
    if wanted in RUN_TERMINAL:
        raise UsageError(f"runs that are {wanted} have ended; select --status pending or running")
    async for run in matching_runs(client, wanted, workflow):
        if run.status not in RUN_TERMINAL:
            yield run.id


def _refusal(run_id: str, error: TorporError) -> dict[str, str]:
    return {"id": run_id, "code": error.code, "message": str(error)}
