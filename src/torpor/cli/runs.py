"""``torpor runs``: which runs there are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, cast, get_args

import typer
from rich.text import Text

from torpor.cli.moments import clock_text, iso, span_text
from torpor.cli.options import AppOption, DecryptOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show, status_text, table
from torpor.cli.readable import readable_payload
from torpor.cli.reporting import command
from torpor.cli.session import with_client
from torpor.cli.veil import Veil
from torpor.client import Client
from torpor.clock import SystemClock
from torpor.errors import UsageError, WorldError
from torpor.lifecycle import RunStatus
from torpor.model import Run
from torpor.programs import short_name

_PAGE = 200

DAMAGE = (LookupError, TypeError, ValueError)
"""What reading a world raises that meets values which no version has stored."""

LIMIT_DEFAULT = 50

StatusOption = Annotated[
    str | None,
    typer.Option("--status", "-s", metavar="STATUS", help="Only runs in this state: " + ", ".join(get_args(RunStatus))),
]
WorkflowOption = Annotated[
    str | None,
    typer.Option("--workflow", "-w", metavar="NAME", help="Only runs of this workflow, by its short or full name."),
]


@command
def runs(
    status: StatusOption = None,
    workflow: WorkflowOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = LIMIT_DEFAULT,
    before: Annotated[
        str | None,
        typer.Option("--before", metavar="RUN", help="Continue after this run, the last one of the previous page."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
    decrypt: DecryptOption = False,
    json: JsonOption = False,
) -> None:
    """
    List runs, newest first.

    Example: torpor runs --status failed --workflow checkout
    """
    wanted = parse_status(status)

    async def listed(client: Client) -> tuple[list[Run], list[dict[str, Any]], str]:
        found = []
        async for run in matching_runs(client, wanted, workflow, before):
            found.append(run)
            if len(found) == limit:
                break
        veil = Veil(client.keyring, decrypt=decrypt)
        return found, [await run_data(client, run, veil) for run in found] if json else [], client.world.url

    found, data, url = with_client(app, world, listed)
    if json:
        print_json(data)
    elif found:
        _show(found, limit)
    else:
        say(f"no such run in world {url}", err=True)


async def matching_runs(
    client: Client, status: RunStatus | None, workflow: str | None, before: str | None = None
) -> AsyncIterator[Run]:
    """
    Yield runs, newest first, reading them in pages.

    Args:
        client: the world.
        status: their state.
        workflow: the full name of their workflow; or its short one, which takes a look at every run, since worlds
            know full names only.
        before: the run to continue after.

    Raises:
        WorldError: a page of runs cannot be read.
    """
    full = workflow if workflow is not None and "//" in workflow else None
    while True:
        try:
            page = await client.list_runs(status=status, workflow=full, before=before, limit=_PAGE)
        except DAMAGE as error:
            raise WorldError(
                f"a run in world {client.world.url} is damaged, so that the page with it cannot be listed: {error!r}; "
                f"list around it with --before and --limit"
            ) from error
        for run in page:
            if workflow is None or workflow in (run.workflow, short_name(run.workflow)):
                yield run
        if len(page) < _PAGE:
            return
        before = page[-1].id


def parse_status(status: str | None) -> RunStatus | None:
    """
    Return the status of that name.

    Raises:
        UsageError: there is none.
    """
    if status is not None and status not in get_args(RunStatus):
        raise UsageError(f"there is no status {status!r}; use one of {', '.join(get_args(RunStatus))}")
    return cast("RunStatus | None", status)


async def run_data(client: Client, run: Run, veil: Veil) -> dict[str, Any]:
    """Return a run as JSON data, with its decoded input and output as far as the veil lets them be seen."""
    handle = client.run(run.id)
    first = veil.events(run, await handle.events(limit=1))
    last = veil.events(run, await handle.events(after=run.head - 1)) if run.ended_at else []
    ending = readable_payload(last[-1].payload) if last else None
    return {
        "id": run.id,
        "name": short_name(run.workflow),
        "workflow": run.workflow,
        "status": run.status,
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "duration_ms": run.ended_at - run.created_at if run.ended_at else None,
        "runtime": run.runtime,
        "guest": run.guest,
        "program": run.program,
        "key": run.key or None,
        "parent": run.parent or None,
        "root": run.root or None,
        "input": readable_payload(first[0].payload) if first else None,
        "output": ending if run.status == "completed" else None,
        "error_code": run.error_code or None,
        "error": ending if run.status == "failed" else None,
        "cancel_reason": (last[-1].ref or None) if last and run.status == "cancelled" else None,
    }


def _show(found: list[Run], limit: int) -> None:
    now = SystemClock().now()
    rows = [
        (
            run.id,
            short_name(run.workflow),
            _status(run),
            clock_text(run.created_at),
            span_text((run.ended_at or now) - run.created_at),
        )
        for run in found
    ]
    show(table("run", "workflow", "status", "created", "took", rows=rows, right=frozenset({"took"})))
    if len(found) == limit:
        say((f"older ones: torpor runs --before {found[-1].id}", "dim"), err=True)


def _status(run: Run) -> Text:
    text = status_text(run.status)
    return text.append(f" {run.error_code}", "dim") if run.error_code else text
