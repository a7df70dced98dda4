"""
The server, by the official SDK: over stdio for one caller with the roles that the command gives, and over HTTP for
whoever brings a token of the world.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse

from torpor.client import Client
from torpor.errors import TorporError
from torpor.http.auth import Grant, Guard
from torpor.http.problems import ForbiddenError, UnauthorizedError
from torpor.http.tokens import read_token
from torpor.mcp.tools import TOOLS, Tool, Tools

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_INSTRUCTIONS = (
    "Torpor runs durable workflows. A run sleeps while it waits for steps, timers, hooks (payloads from outside) or "
    "messages. Look with list_runs, inspect_run, show_events and show_stack before you act."
)


class Server:
    """
    The tools of a world.

    Args:
        client: of an open world.
        grant: what a caller without a token may; None when each brings one.
    """

    def __init__(self, client: Client, grant: Grant | None) -> None:
        self._client = client
        self._grant = grant
        self._guard = Guard(functools.partial(read_token, client.world), client.world.clock.now)
        self.mcp: MCPServer[Any] = MCPServer("torpor", instructions=_INSTRUCTIONS, log_level="ERROR")
        for tool in TOOLS:
            if grant is None or tool.role in grant.roles:
                hints = ToolAnnotations(read_only_hint=tool.role == "read", destructive_hint=tool.name == "cancel_run")
                self.mcp.add_tool(
                    self._called(tool), tool.name, description=inspect.getdoc(tool.act), annotations=hints
                )

    async def serve_stdio(self) -> None:
        """Answer one caller on standard input and output, until it goes."""
        await self.mcp.run_stdio_async()

    def asgi(self, host: str) -> Callable[[Message, Receive, Send], Awaitable[None]]:
        """Return what answers at ``/mcp``; whoever brings no valid token gets 401."""
        inner = self.mcp.streamable_http_app(host=host)

        async def guarded(scope: Message, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                try:
                    await self._guard.grant(HTTPConnection(scope), acts=True)
                except (UnauthorizedError, ForbiddenError) as error:
                    status = 401 if isinstance(error, UnauthorizedError) else 403
                    await PlainTextResponse(str(error), status, {"www-authenticate": "Bearer"})(scope, receive, send)
                    return
            await inner(scope, receive, send)

        return guarded

    def _called(self, tool: Tool) -> Callable[..., Awaitable[Any]]:
        """Return a tool as the SDK wants it: with the context in place of the caller's grant."""

        async def call(ctx: Context[Any, Any], **arguments: Any) -> Any:
            grant = self._grant if self._grant is not None else await self._of(ctx)
            try:
                grant.require(tool.role)  # type: ignore[arg-type]  # a role of the table
                return await tool.act(Tools(self._client, grant), **arguments)
            except (TorporError, ForbiddenError) as error:
                code = getattr(error, "code", "FORBIDDEN")
                raise ToolError(f"{code}: {error}") from None

        signature = inspect.signature(tool.act, eval_str=True)
        context = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=Context)
        own = [each for each in signature.parameters.values() if each.name != "self"]
        call.__signature__ = signature.replace(parameters=[*own, context])  # type: ignore[attr-defined]  # the SDK reads it
        call.__annotations__ = {each.name: each.annotation for each in (*own, context)} | {"return": dict[str, Any]}
        call.__name__ = tool.name
        return call

    async def _of(self, ctx: Context[Any, Any]) -> Grant:
        request = ctx.request_context.request
        assert isinstance(request, Request), "it came by HTTP"
        return await self._guard.grant(request, acts=True)
