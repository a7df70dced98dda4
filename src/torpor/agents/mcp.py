"""MCP servers whose tools an agent may use: declared here, spoken to by steps on the host."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from torpor.errors import ConfigurationError

_declared: dict[str, McpServer] = {}


class McpServer:
    """
    A server of the Model Context Protocol. Declare it at module level, where every worker has it; workflow code only
    names it, so that no run can make a worker connect to something else.

    Args:
        name: what steps call it by; unique in the process.
        url: where it is, for the streamable HTTP transport.
        command: or what to start, for the transport by standard input and output, such as ``["uvx", "a-server"]``.
        headers: of its requests; a secret stays in the worker.
        env: variables of the process that is started.
        tools: names of the tools that are offered; None for all.
        prefix: in front of the names that the model sees.

    Raises:
        ConfigurationError: there is neither *url* nor *command*, or both.
    """

    def __init__(
        self,
        name: str,
        *,
        url: Any = None,
        command: Any = None,
        headers: Mapping[str, Any] | None = None,
        env: Mapping[str, Any] | None = None,
        tools: Collection[str] | None = None,
        prefix: str = "",
    ) -> None:
        if (url is None) == (command is None):
            raise ConfigurationError(f"McpServer({name!r}): give a url, or a command that starts the server")
        self.name = name
        self.url = url
        self.command = command
        self.headers = headers
        self.env = env
        self.tools = tools
        self.prefix = prefix
        _declared[name] = self

    def __repr__(self) -> str:
        return f"<McpServer {self.name}>"


def declared(name: str) -> McpServer:
    """
    Return a server by its name.

    Raises:
        ConfigurationError: no module that is loaded here has declared it.
    """
    if name not in _declared:
        raise ConfigurationError(f"no McpServer({name!r}) is declared here; declare it at module level")
    return _declared[name]
