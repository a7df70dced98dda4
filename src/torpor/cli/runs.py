"""``torpor runs``: which runs there are."""

from __future__ import annotations

from typing import Annotated, Any, cast, get_args

import typer
from rich.text import Text

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, DecryptOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say, show, status_text, table
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.clock import SystemClock
from torpor.errors import UsageError
from torpor.inspection.reading import matching_runs, run_data
from torpor.inspection.redaction import Redactor
from torpor.inspection.timestamps import clock_text, span_text
from torpor.lifecycle import RunStatus
from torpor.model import Run
from torpor.programs.catalogue import short_name

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
        redactor = Redactor(client.keyring, decrypt=decrypt)
        return found, [await run_data(client, run, redactor) for run in found] if json else [], client.world.url

    found, data, url = with_client(app, world, listed)
    if json:
        print_json(data)
    elif found:
        _show(found, limit)
    else:
        say(f"no such run in world {url}", err=True)


def parse_status(status: str | None) -> RunStatus | None:
    """
    Return the status of that name.

    Raises:
        UsageError: there is none.
    """
    if status is not None and status not in get_args(RunStatus):
        raise UsageError(f"there is no status {status!r}; use one of {', '.join(get_args(RunStatus))}")
    return cast("RunStatus | None", status)


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
