"""``torpor serve``: answer HTTP requests, and work on runs, until told to stop."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from torpor import Torpor
from torpor.cli import event_loop, logs
from torpor.cli.leaving import leave_soon
from torpor.cli.opening import app_on
from torpor.cli.options import AppArgument, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.cli.stopping import StopRequest
from torpor.errors import ConfigurationError

if TYPE_CHECKING:  # an extra, which not everybody has
    import socket

PORT_DEFAULT = 8585


@command
def serve(
    app: AppArgument = None,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="0: any that is free.", min=0, max=65_535)] = PORT_DEFAULT,
    no_worker: Annotated[bool, typer.Option("--no-worker", help="Work on no runs; workers elsewhere do.")] = False,
    log_level: logs.LogLevelOption = None,
    world: WorldOption = None,
) -> None:
    """
    Answer HTTP requests, and work on runs, until told to stop.

    The first lines say where, and a token that is valid as long as this process lives. SIGTERM or Ctrl-C ends it:
    requests that wait are answered, runs are parked.

    Example: torpor serve app.py --port 8585
    """
    logs.check_level(log_level)
    try:
        from torpor.http import serving  # noqa: PLC0415  # an extra, which not everybody has
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"torpor serve needs {error.name}: pip install 'torpor[http]'") from error
    stop = StopRequest()
    application = app_on(app, world)
    listening = serving.listen(host, port)
    logs.set_up(log_level, follow=False)
    event_loop.run(_serve(application, listening, stop, works=not no_worker))
    say(("stopped", "dim"), err=True)


async def _serve(application: Torpor, listening: socket.socket, stop: StopRequest, *, works: bool) -> None:
    """Serve until it is to stop."""
    from torpor.http.asgi import asgi  # noqa: PLC0415  # as above
    from torpor.http.auth import make_token  # noqa: PLC0415  # as above
    from torpor.http.service import Service  # noqa: PLC0415  # as above
    from torpor.http.serving import serving, url_of  # noqa: PLC0415  # as above

    own = make_token(application.clock.now(), ("operate", "decrypt"), name="this server's")
    service = Service(application)
    served = asgi(application, tokens=[own.token], service=service)
    working = application.worker() if works else contextlib.nullcontext()
    async with application, working, serving(served, service, listening):
        say(f"serving {url_of(listening)}, world {application.world.url}")
        say(f"token {own.text}")
        await stop.wait()
        say(("stopping: requests that wait are answered, runs are parked", "dim"), err=True)
    leave_soon()
