"""``torpor prune``: delete what ended long ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import command
from torpor.cli.runs import StatusOption, WorkflowOption, parse_status
from torpor.client import Client
from torpor.durations import milliseconds
from torpor.engine.pruning import prune as prune_runs
from torpor.errors import UsageError
from torpor.inspection.timestamps import clock_text
from torpor.lifecycle import RUN_TERMINAL, RunStatus
from torpor.model import EndedFilter, Run
from torpor.programs.catalogue import short_name
from torpor.retention import NAMES_KEPT_MS, archive_of

_PAGE = 200
_LISTED_MAX = 100_000

Told = Callable[[Run, bool], None]


@command
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="TIME", help="Runs that ended longer ago, such as 30d.")
    ],
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    archive: Annotated[
        str | None, typer.Option("--archive", metavar="FOLDER", help="Write their logs there before they go.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list them.")] = False,
    app: AppOption = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Delete runs that ended long ago, with everything of them.

    Workers do not wait for it: a few hundred rows go at a time. Of a run that ended within the last seven days its name
    and how it ended stay until then, so that nobody starts it a second time.

    Example: torpor prune --older-than 30d --status completed
    """
    wanted = parse_status(status)
    if wanted is not None and wanted not in RUN_TERMINAL:
        raise UsageError(f"runs that are {wanted} have not ended; select --status completed, failed or cancelled")
    try:
        kept_ms = milliseconds(older_than)
    except ValueError as error:
        raise UsageError(f"--older-than {older_than}: {error}") from error
    statuses: tuple[RunStatus, ...] = ("completed", "failed", "cancelled") if wanted is None else (wanted,)
    pruned: list[dict[str, Any]] = []

    def told(run: Run, named: bool) -> None:
        pruned.append(_data(run, named))
        if not json:
            _say(run, named, dry_run=dry_run)

    async def carried_out(client: Client) -> None:
        for name in await _full_names(client, workflow):
            where = EndedFilter(0, None, name, statuses, limit=_PAGE)
            if dry_run:
                await _list(client, where, kept_ms, told)
            else:
                await prune_runs(client.world, where, kept_ms, archive=archive_of(archive), told=told)

    with_client(app, world, carried_out)
    if json:
        print_json({"pruned": pruned, "dry_run": dry_run})
    else:
        say(f"{len(pruned)} runs {'would be' if dry_run else 'were'} deleted")


async def _full_names(client: Client, workflow: str | None) -> list[str | None]:
    """Return the full names that a short or a full one means; None, for any workflow, when none is given."""
    if workflow is None:
        return [None]
    known = {name for deployment in await client.world.deployments() for name in deployment.workflows}
    found: list[str | None] = [name for name in sorted(known) if workflow in (name, short_name(name))]
    return found or [workflow]


async def _list(client: Client, where: EndedFilter, kept_ms: int, told: Told) -> None:
    """Tell what would be deleted."""
    now = client.world.clock.now()
    asked = EndedFilter(now - kept_ms, where.app, where.workflow, where.statuses, limit=_LISTED_MAX)
    for run in await client.world.ended_runs(asked):
        named = run.ended_at >= now - NAMES_KEPT_MS
        if not named or run.base < run.head - 1:
            told(run, named)


def _data(run: Run, named: bool) -> dict[str, Any]:
    return {"id": run.id, "workflow": run.workflow, "status": run.status, "ended_at": run.ended_at, "name_kept": named}


def _say(run: Run, named: bool, *, dry_run: bool) -> None:
    what = "would be deleted" if dry_run else "deleted"
    kept = ", its name stays for now" if named else ""
    say(f"{run.id}  {short_name(run.workflow)}  {run.status} {clock_text(run.ended_at)}  {what}{kept}")
