"""``torpor pause``, ``unpause`` and ``wake``: what people do to runs that have not ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import counted, say
from torpor.cli.reporting import FAILED, command, report
from torpor.client import Client, RunHandle
from torpor.errors import EntityConflictError, RunNotFoundError, TorporError

RunsArgument = Annotated[list[str], typer.Argument(metavar="RUN…", help="Ids of runs.")]


@command
def pause(runs: RunsArgument, app: AppOption = None, world: WorldOption = None) -> None:
    """
    Let nothing happen in runs for now, and print the ids of those that are paused.

    Workflow code gets nothing and no step begins; what arrives is kept, and steps that run end and are recorded. A
    deadline passes all the same.

    Example: torpor pause order-17
    """
    _each(runs, app, world, RunHandle.pause)


@command
def unpause(runs: RunsArgument, app: AppOption = None, world: WorldOption = None) -> None:
    """
    Let paused runs go on, and print their ids.

    Example: torpor unpause order-17
    """
    _each(runs, app, world, RunHandle.unpause)


@command
def wake(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id.")],
    wait: Annotated[
        list[str] | None,
        typer.Option("--wait", metavar="ID", help="Only this timer; inspect --json has the ids; may be repeated."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    End sleeps and other timers of a run before their time, and say how many.

    Example: torpor wake order-17
    """
    ended = with_client(app, world, lambda client: client.run(run).wake_up(wait))
    say(f"{counted(len(ended), 'timer')} ended")


def _each(run_ids: list[str], app: str | None, world: str | None, act: Callable[[RunHandle], Awaitable[None]]) -> None:
    """Do something to each of some runs, print the ids of those to which it was done, and report the others."""
    refused: list[TorporError] = []

    async def carried_out(client: Client) -> None:
        for run_id in run_ids:
            try:
                await act(client.run(run_id))
            except (EntityConflictError, RunNotFoundError) as error:
                refused.append(error)
            else:
                say(run_id)

    with_client(app, world, carried_out)
    for error in refused:
        report(error)
    if refused:
        raise typer.Exit(FAILED)
