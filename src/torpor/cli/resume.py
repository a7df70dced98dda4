"""``torpor resume``: deliver a payload to a hook."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from torpor.cli.options import AppOption, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.session import with_client
from torpor.errors import UsageError


@command
def resume(
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="The hook's token; torpor inspect shows it.")],
    payload: Annotated[str, typer.Argument(metavar="JSON", help="What the workflow receives.")] = "null",
    resume_id: Annotated[
        str | None,
        typer.Option("--resume-id", metavar="ID", help="With the same id again, the payload is received once."),
    ] = None,
    app: AppOption = None,
    world: WorldOption = None,
) -> None:
    """
    Deliver a payload to a hook, and print the id of its run.

    Example: torpor resume approval-o-1 '{"approved": true}'
    """
    try:
        value = json.loads(payload)
    except ValueError as error:
        # A payload cannot be taken back, so a typing error must not become a string.
        raise UsageError(
            f"the payload is not JSON ({error}): {payload:.200}. A text is written with quotes: '\"text\"'"
        ) from error
    run = with_client(app, world, lambda client: client.resume_hook(token, value, resume_id=resume_id))
    say(run.id)
