"""``torpor start``: begin a run."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any, cast

import typer

from torpor import Torpor
from torpor.app import WORLD_DEFAULT
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.readable import place_of, readable
from torpor.cli.reporting import command
from torpor.cli.session import app_on
from torpor.cli.workers import alive
from torpor.client import RunHandle
from torpor.errors import ConfigurationError, RunFailedError
from torpor.model import Runtime


@command
def start(
    workflow: Annotated[str, typer.Argument(metavar="WORKFLOW", help="Its short or full name.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ARG]", help="Its arguments: JSON, or else text as it is."),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the end and print the result as JSON.")] = False,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", metavar="ID", help="Your own id, wrun_<ULID>; asked again, it starts no second run."),
    ] = None,
    runtime: Annotated[
        str | None, typer.Option("--runtime", metavar="RUNTIME", help="snapshot (the default) or replay.")
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start a run of a workflow, and print its id.

    A worker carries it out, in this process's absence too.

    Example: torpor start checkout o-1 4200 '{"gift": true}' --wait
    """
    application = app_on(app, world)
    if not application.world.capabilities.durable:
        raise ConfigurationError(
            f"world {application.world.url} ends with this command, and the run with it; "
            f"give a durable one, such as --world {WORLD_DEFAULT}"
        )
    values = [argument(text) for text in arguments or ()]

    async def started() -> None:
        async with application:
            # An unknown runtime is the application's to refuse.
            run = await application.start(workflow, *values, run_id=run_id, runtime=cast("Runtime | None", runtime))
            if not wait:
                say(run.id)
                return
            await _announce(application, run)
            try:
                print_json(readable(await run.result()))
            except RunFailedError as error:
                raise _placed(error) from error.__cause__

    asyncio.run(started())


def _placed(error: RunFailedError) -> RunFailedError:
    """Return the error with the place in the author's files that it comes from, if it names one."""
    place = place_of(readable(error.__cause__))
    said = f"{error} (at {place})" if place else str(error)
    return RunFailedError(said, run_id=error.run_id, failure=error.failure)


def argument(text: str) -> Any:
    """Return an argument's value: what it says as JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text


def _refuse(constant: str) -> Any:
    """Refuse NaN and Infinity, which Python's parser takes and JSON does not have."""
    raise ValueError(f"{constant} is not JSON")


async def _announce(app: Torpor, run: RunHandle) -> None:
    say((f"started {run.id}, waiting for its end", "dim"), err=True)
    if not alive(await app.world.workers(), app.clock.now()):
        say(("no worker is at work in this world; start one with: torpor worker", "yellow"), err=True)
