"""``torpor web``: pages of a world for one browser of this machine, until told to stop."""

from __future__ import annotations

import webbrowser
from typing import TYPE_CHECKING, Annotated

import typer

from torpor.cli import logs
from torpor.cli.opening import run_or_capsule, with_client
from torpor.cli.options import PromptOption, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest
from torpor.client import Client
from torpor.errors import ConfigurationError, UsageError
from torpor.http.tokens import Role, make_token

if TYPE_CHECKING:  # an extra, which not everybody has
    import socket


@command
def web(
    app: Annotated[
        str | None,
        typer.Argument(
            metavar="[APP]",
            show_default=False,
            help="The application, as for torpor serve, or the file of a capsule, which is shown and no more.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="0: any that is free.", min=0, max=65_535)] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the pages in a browser.")] = False,
    prompt: PromptOption = False,
    log_level: logs.LogLevelOption = "warning",
    world: WorldOption = None,
) -> None:
    """
    Show runs in a browser of this machine.

    What happened in them, where they stand, what they wait for. It prints a link that works once, and works on no runs:
    workers do. From the world alone; the application is asked for its keys only. Ctrl-C ends it. For others, torpor
    serve shows the same pages to who has a token.

    Example: torpor web --world sqlite:///torpor.db --open
    """
    logs.check(log_level)
    try:
        from torpor.http import serving  # noqa: PLC0415  # an extra, which not everybody has
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"torpor web needs {error.name}: pip install 'torpor[http]'") from error
    roles: tuple[Role, ...] = ("operate", "decrypt")
    _, shown = run_or_capsule(app, world)
    if shown != world:
        if prompt:
            raise UsageError(f"the pages of a capsule take no --prompt; torpor repl {app} is one in a terminal")
        app, world, roles = None, shown, ("read", "decrypt")
    stop = StopRequest()
    listening = serving.listen("127.0.0.1", port)
    logs.set_up(log_level, follow=False)
    with_client(app, world, lambda client: _show(client, listening, stop, roles, opens=open_browser, prompt=prompt))


async def _show(
    client: Client,
    listening: socket.socket,
    stop: StopRequest,
    roles: tuple[Role, ...],
    *,
    opens: bool,
    prompt: bool,
) -> None:
    from torpor.http.asgi import EVERY_ROUTE, asgi  # noqa: PLC0415  # as above
    from torpor.http.dev import OneTimeLink  # noqa: PLC0415  # as above
    from torpor.http.service import Service  # noqa: PLC0415  # as above
    from torpor.http.serving import serving, url_of  # noqa: PLC0415  # as above

    service, url = Service(client, prompts=prompt), url_of(listening)
    own = make_token(client.world.clock.now(), roles, name="torpor web")
    link = OneTimeLink(own.text)
    served = asgi(client, tokens=[own.token], routes=(*EVERY_ROUTE, *link.router), service=service)
    async with serving(served, service, listening):
        say(f"pages of world {client.world.url}; Ctrl-C ends them")
        say(f"open once {url}{link.path}")
        if opens:
            webbrowser.open(f"{url}{link.path}")
        await stop.wait()
