"""``torpor mcp``: let a model look at runs, and act on them as far as it is allowed, by the Model Context Protocol."""

from __future__ import annotations

import asyncio
import importlib
from typing import Annotated, Any, cast

import typer

from torpor.cli.opening import with_client
from torpor.cli.options import AppArgument, WorldOption
from torpor.cli.output import say
from torpor.cli.reporting import command
from torpor.client import Client
from torpor.errors import ConfigurationError, UsageError
from torpor.http.tokens import ROLES, Role
from torpor.tenant_names import checked_tenant, queue_of

PORT_DEFAULT = 8586


@command
def mcp(
    app: AppArgument = None,
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="read (the default), operate or decrypt; may be repeated."),
    ] = None,
    queue: Annotated[
        list[str] | None, typer.Option("--queue", metavar="NAME", help="Only runs in this queue; may be repeated.")
    ] = None,
    workflow: Annotated[
        list[str] | None,
        typer.Option("--workflow", metavar="NAME", help="Only runs of this one; may be repeated."),
    ] = None,
    tenant: Annotated[
        list[str] | None, typer.Option("--tenant", metavar="NAME", help="Only runs of this tenant; may be repeated.")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Serve HTTP at /mcp; each caller brings a token.")] = False,
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Of HTTP.", min=1, max=65_535)] = PORT_DEFAULT,
    world: WorldOption = None,
) -> None:
    """
    Let a model look at runs, by the Model Context Protocol.

    On standard input and output it may read, or what --role says. Over HTTP each caller may what its token may.

    Example: torpor mcp app.py --role operate
    """
    roles = tuple(dict.fromkeys(role or ["read"]))
    if unknown := [each for each in roles if each not in ROLES or each in ("work", "steps")]:
        raise UsageError(f"there is no role {unknown[0]!r} here; use read, operate or decrypt")
    if http and (role or queue or workflow or tenant):
        raise UsageError("over HTTP the token of each caller says what it may: torpor tokens create --role read")
    try:
        serving = importlib.import_module("torpor.mcp.serving")
        auth = importlib.import_module("torpor.http.auth")
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"torpor mcp needs {error.name}: pip install 'torpor[mcp]'") from error
    queues = (*(queue or ()), *(queue_of(checked_tenant(each)) for each in tenant or ()))
    may = frozenset[str]().union(*(auth.IMPLIED[cast("Role", each)] for each in roles))
    grant = None if http else auth.Grant("torpor mcp", may, queues, tuple(workflow or ()))

    async def serve(client: Client) -> None:
        server = serving.Server(client, grant)
        if not http:
            await server.serve_stdio()
            return
        uvicorn: Any = importlib.import_module("uvicorn")
        listening = importlib.import_module("torpor.http.serving").listen(host, port)
        say(f"http://{host}:{port}/mcp  (with a token: Authorization: Bearer tpr_…)", err=True)
        await uvicorn.Server(uvicorn.Config(server.asgi(host), log_level="warning")).serve([listening])

    try:
        with_client(app, world, serve)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return
