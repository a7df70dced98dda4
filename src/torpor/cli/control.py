"""``torpor pause``, ``unpause``, ``wake``, ``retry`` and ``rerun``: what people do to runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import counted, say
from torpor.cli.reporting import FAILED, command, report
from torpor.client import Client
from torpor.errors import TorporError
from torpor.run_handle import RunHandle

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


@command
def retry(runs: RunsArgument, app: AppOption = None, world: WorldOption = None) -> None:
    """
    Take failed runs up again, and print their ids.

    The step that failed a run gets new attempts, and the run goes on as if it had not failed; its log keeps both. One
    that failed by its own code is refused: rerun it once the code is mended.

    Example: torpor retry order-17
    """
    _each(runs, app, world, RunHandle.retry)


@command
def rerun(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id.")],
    run_id: Annotated[str | None, typer.Option("--run-id", metavar="ID", help="A name for the new run.")] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start a new run of the same workflow with the same input, and print its id.

    Example: torpor rerun order-17
    """
    say(with_client(app, world, lambda client: client.run(run).rerun(run_id=run_id)).id)


def _each(run_ids: list[str], app: str | None, world: str | None, act: Callable[[RunHandle], Awaitable[None]]) -> None:
    """Do something to each of some runs, print the ids of those to which it was done, and report the others."""
    refused: list[TorporError] = []

    async def carried_out(client: Client) -> None:
        for run_id in run_ids:
            try:
                await act(client.run(run_id))
            except TorporError as error:
                refused.append(error)
            else:
                say(run_id)

    with_client(app, world, carried_out)
    for error in refused:
        report(error)
    if refused:
        raise typer.Exit(FAILED)
