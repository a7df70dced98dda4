"""Tools of MCP servers as steps use them: each asks in a connection of its own, so that no worker has to keep one."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from torpor.agents.mcp import McpServer, declared
from torpor.agents.messages import ToolSpec
from torpor.errors import ConfigurationError, FatalError


async def list_tools(name: str) -> list[tuple[str, ToolSpec]]:
    """
    Return the tools of a server that agents may use: each with its own name, and as models are told of it.

    Raises:
        ConfigurationError: no such server is declared here, or the library is not installed.
        ConnectionError: it does not answer.
    """
    server = declared(name)
    listed: list[tuple[str, ToolSpec]] = []
    async with _connected(server) as client:
        cursor = None
        while True:
            page = await client.list_tools(cursor=cursor)
            for each in page.tools:
                if server.tools is None or each.name in server.tools:
                    spec = ToolSpec(f"{server.prefix}{each.name}", each.description or "", each.input_schema)
                    listed.append((each.name, spec))
            cursor = page.next_cursor
            if cursor is None:
                return listed


async def call_tool(name: str, tool: str, arguments: dict[str, Any]) -> Any:
    """
    Call a tool of a server, and return what it returned: structured content, else its texts.

    Raises:
        FatalError: the tool says that it failed, or it is not one that agents may use.
        ConfigurationError, ConnectionError: as :func:`list_tools`.
    """
    server = declared(name)
    if server.tools is not None and tool not in server.tools:
        raise FatalError(f"McpServer({name!r}) offers agents no tool {tool}")
    async with _connected(server) as client:
        result = await client.call_tool(tool, arguments)
    texts = [each.text if each.type == "text" else f"({each.type})" for each in result.content]
    if result.is_error:
        raise FatalError("\n".join(texts) or f"{tool} failed")
    if result.structured_content is not None:
        return result.structured_content
    return "\n".join(texts)


@asynccontextmanager
async def _connected(server: McpServer) -> AsyncIterator[Any]:
    """
    Connect to a server, and end the connection behind the block.

    Raises:
        ConnectionError: it cannot be reached, or its answers make no sense; another attempt may help.
    """
    library = _library("mcp")
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(library.Client(await _transport(server, stack)))
        except Exception as error:
            raise ConnectionError(f"McpServer({server.name!r}): {_first(error)}") from error
        yield client


async def _transport(server: McpServer, stack: AsyncExitStack) -> Any:
    if server.command is not None:
        command, *args = server.command
        env = None if server.env is None else dict(server.env)
        return _library("mcp").StdioServerParameters(command=command, args=args, env=env)
    if not server.headers:
        return server.url
    transport = _library("mcp.client.streamable_http")
    http = _library("mcp.shared._httpx_utils").create_mcp_http_client(headers=dict(server.headers))
    return transport.streamable_http_client(server.url, http_client=await stack.enter_async_context(http))


def _first(error: BaseException) -> str:
    """Return what went wrong in the innermost of the groups that tasks raise."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


def _library(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"tools of MCP servers need the package mcp in workers: pip install 'torpor[agents]' ({error})"
        ) from error
