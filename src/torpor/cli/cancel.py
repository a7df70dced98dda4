"""``torpor cancel``: end runs before they end by themselves."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import FAILED, command, report
from torpor.cli.runs import StatusOption, WorkflowOption, parse_status
from torpor.client import Client
from torpor.errors import EntityConflictError, RunNotFoundError, TorporError, UsageError
from torpor.inspection.reading import Reader
from torpor.lifecycle import RUN_TERMINAL, RunStatus

Refusal = tuple[str, EntityConflictError | RunNotFoundError]


@command
def cancel(
    runs: Annotated[list[str] | None, typer.Argument(metavar="[RUN]", help="Their ids.")] = None,
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept in the runs' logs.")] = "",
    force: Annotated[bool, typer.Option("--force", help="End them at once: their code cleans nothing up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before all that match are cancelled.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Cancel runs by their ids, their status or their workflow, and the runs that they have started.

    Their code is told and may clean up for a while; until then they are running.

    Example: torpor cancel --workflow checkout --reason "wrong prices"
    """
    if bool(runs) == (status is not None or workflow is not None):
        raise UsageError("name runs, or select them with --status or --workflow; not both, not neither")
    wanted = parse_status(status)
    if wanted in RUN_TERMINAL:
        raise UsageError(f"runs that are {wanted} have ended; select --status pending or running")

    async def carried_out(client: Client) -> tuple[list[str], list[Refusal]]:
        chosen = runs or await _selected(Reader(client), wanted, workflow)
        if not chosen:
            say(f"no such run in world {client.world.url}", err=True)
        elif not (runs or yes):
            _confirm(len(chosen), client.world.url)
        return await _cancel(client, chosen, reason, force=force, tell=not json)

    cancelled, refused = with_client(app, world, carried_out)
    if json:
        print_json({"cancelled": cancelled, "refused": [_refusal(run_id, why) for run_id, why in refused]})
    # A run that was only selected, and ended by itself in between, is no mistake of anybody.
    if runs and refused:
        for _, why in refused:
            report(why)
        raise typer.Exit(FAILED)


def _confirm(count: int, url: str) -> None:
    """
    Ask whether so many runs are to be cancelled.

    Raises:
        UsageError: there is nobody to be asked.
        typer.Abort: they are not.
    """
    what = f"{count} run{'s' * (count > 1)} of world {url}"
    if not sys.stdin.isatty():
        raise UsageError(f"this would cancel {what}, and nobody is here to be asked; say --yes")
    typer.confirm(f"Cancel {what}?", abort=True, err=True)


async def _cancel(
    client: Client, run_ids: Sequence[str], reason: str, *, force: bool, tell: bool
) -> tuple[list[str], list[Refusal]]:
    """Cancel runs and return those that were, and those that could not be."""
    cancelled: list[str] = []
    refused: list[Refusal] = []
    for run_id in run_ids:
        try:
            await client.run(run_id).cancel(reason, force=force)
        except EntityConflictError:
            status = await client.run(run_id).status()
            refused.append((run_id, EntityConflictError(f"run {run_id} is already {status}")))
        except RunNotFoundError as error:
            refused.append((run_id, error))
        else:
            cancelled.append(run_id)
            if tell:
                say(run_id)
    return cancelled, refused


async def _selected(reader: Reader, status: RunStatus | None, workflow: str | None) -> list[str]:
    """Return the runs that match and have not ended."""
    statuses = [status] if status is not None else [each for each in get_args(RunStatus) if each not in RUN_TERMINAL]
    return [run_id for each in statuses for run_id in await reader.ids(status=each, workflow=workflow)]


def _refusal(run_id: str, error: TorporError) -> dict[str, str]:
    return {"id": run_id, "code": error.code, "message": str(error)}
