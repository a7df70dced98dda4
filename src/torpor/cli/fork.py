"""``torpor fork``: a new run that goes on from a place of another one's log."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from torpor.cli.loading import load_app, parse_target
from torpor.cli.opening import named_run, with_client
from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.start import value_of
from torpor.client import Client
from torpor.errors import UsageError
from torpor.inspection.reading import Reader


@command
def fork(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Its id, or the beginning of it.")],
    at: Annotated[
        int,
        typer.Option("--at", metavar="SEQ", help="The last event that the new run has; -1 is the newest."),
    ],
    result: Annotated[
        list[str] | None,
        typer.Option("--result", metavar="OP=JSON", help="What a step returned instead, by its op; may be repeated."),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(
            "--code",
            metavar="APP",
            show_default=False,
            help="Go on with this application's code, such as app.py, if its replay up to there agrees.",
        ),
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Keep the tokens of hooks that are open; nobody must have them any more."),
    ] = False,
    run_id: Annotated[str | None, typer.Option("--run-id", metavar="ID", help="A name for the new run.")] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Start a new run that goes on from a place of another one's log, and print its id.

    It has the log up to there, and from then on its own id, entropy and names for steps; the other run is not touched.
    Open steps begin anew in it, timers keep their due times, open hooks get new tokens. Where other code does not agree
    with the log, the error says at which op.

    Example: torpor fork order-17 --at 12 --result 3=true
    """
    results = dict(_result(text) for text in result or ())
    loaded = None if code is None else load_app(parse_target(code))

    async def forked(client: Client) -> str:
        handle = client.run(await named_run(Reader(client), run, last=False))
        if loaded is None:
            return (await handle.fork(at=at, results=results, take_over=take_over, run_id=run_id)).id
        loaded.use_world(client.world.url)
        async with loaded:
            made = await handle.fork(at=at, results=results, code=loaded, take_over=take_over, run_id=run_id)
        return made.id

    say(with_client(app, world, forked))


def _result(text: str) -> tuple[int, Any]:
    """
    Return what ``--result`` says.

    Raises:
        UsageError: it is not ``OP=JSON``.
    """
    op, equals, value = text.partition("=")
    if not equals or not op.isdecimal():
        raise UsageError(f"--result is OP=JSON, such as 3=true, with the number of a step's op, not {text!r}")
    return int(op), value_of(value)
