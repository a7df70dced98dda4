"""``torpor health``: does a worker take work?"""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppOption, JsonOption, WorldOption
from torpor.cli.output import print_json, say
from torpor.cli.reporting import FAILED, command
from torpor.errors import TorporError, UsageError
from torpor.health import check_health


@command
def health(
    queue: Annotated[
        str, typer.Option("--queue", metavar="NAME", help="Through which queue to ask.", show_default=False)
    ] = "",
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="How long to wait for an answer, such as 1m.")
    ] = "30s",
    app: AppOption = None,
    app_name: Annotated[
        str | None,
        typer.Option("--app-name", metavar="NAME", help="Of which application a worker is to answer; else of any."),
    ] = None,
    world: WorldOption = None,
    json: JsonOption = False,
) -> None:
    """
    Ask the workers whether they take work, and say who has answered.

    The question is a run without a program, which waits in the queue as others do, before all of them, and is gone
    afterwards. The exit code is 1 when none has answered in time, or the world does not.

    Example: torpor health --queue mail --timeout 5s
    """
    try:
        found = with_client(app, world, lambda client: check_health(client, queue, timeout), of_app=app_name)
    except TorporError as error:
        if isinstance(error, UsageError) or not json:
            raise
        print_json({"ok": False, "code": error.code, "detail": str(error)})
        raise typer.Exit(FAILED) from None
    if json:
        print_json({"ok": True, **msgspec.to_builtins(found)})
        return
    whose = f" of application {found.app}" if found.app else ""
    through = f" through queue {found.queue}" if found.queue else ""
    say(f"{found.worker}{whose} has answered{through} after {found.ms} ms")
