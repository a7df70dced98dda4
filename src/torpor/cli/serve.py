"""``torpor serve``: answer HTTP requests, and work on runs, until told to stop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from torpor import Torpor
from torpor.cli import event_loop, logs
from torpor.cli.leaving import leave_soon
from torpor.cli.opening import app_on
from torpor.cli.options import AppArgument, PromptOption, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest
from torpor.errors import ConfigurationError
from torpor.http.tokens import make_token

if TYPE_CHECKING:  # an extra, which not everybody has
    import socket

PORT_DEFAULT = 8585
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@command
def serve(
    app: AppArgument = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any that is free.", min=0, max=65_535)] = PORT_DEFAULT,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Work on no runs; workers elsewhere do.")] = False,
    dev: Annotated[
        bool, typer.Option("--dev", help="Print a token and a link for one browser; on a loopback address only.")
    ] = False,
    prompt: PromptOption = False,
    log_level: logs.LogLevelOption = None,
    log_format: logs.LogFormatOption = "text",
    world: WorldOption = None,
) -> None:
    """
    Answer HTTP requests, and work on runs, until told to stop.

    Nothing but health is open to who brings no token; torpor tokens create makes one. SIGTERM or Ctrl-C ends it:
    requests that wait are answered, runs are parked.

    Example: torpor serve app.py --dev
    """
    logs.check(log_level, log_format)
    try:
        from torpor.http import serving  # noqa: PLC0415  # an extra, which not everybody has
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"torpor serve needs {error.name}: pip install 'torpor[http]'") from error
    if dev and host not in LOOPBACK:
        raise ConfigurationError(f"--dev lets in whoever sees the link, so it listens on {' or '.join(LOOPBACK)} only")
    stop = StopRequest()
    application = app_on(app, world)
    listening = serving.listen(host, port)
    logs.set_up(log_level, log_format, follow=False)
    event_loop.run(_serve(application, listening, stop, works=not no_worker, dev=dev, prompt=prompt))
    say(("stopped", "dim"), err=True)


async def _serve(
    application: Torpor, listening: socket.socket, stop: StopRequest, *, works: bool, dev: bool, prompt: bool
) -> None:
    """Serve until it is to stop."""
    from torpor.http.asgi import EVERY_ROUTE, asgi  # noqa: PLC0415  # as above
    from torpor.http.dev import OneTimeLink  # noqa: PLC0415  # as above
    from torpor.http.service import Service  # noqa: PLC0415  # as above
    from torpor.http.serving import serving, url_of  # noqa: PLC0415  # as above

    service, url = Service(application, prompts=prompt), url_of(listening)
    own = make_token(application.clock.now(), ("operate", "decrypt", "work"), name="--dev")
    link = OneTimeLink(own.text)
    if dev:
        served = asgi(application, tokens=[own.token], routes=(*EVERY_ROUTE, *link.router), service=service)
    else:
        served = asgi(application, service=service)
    working = application.worker() if works else contextlib.nullcontext()
    async with application, working, serving(served, service, listening):
        say(f"serving {url}, world {application.world.url}")
        if dev:
            say(f"token {own.text}")
            say(f"open once {url}{link.path}")
        await stop.wait()
        say(("stopping: requests that wait are answered, runs are parked", "dim"), err=True)
    leave_soon()
