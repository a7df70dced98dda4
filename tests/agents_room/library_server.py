"""An MCP server to test with."""

from __future__ import annotations

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

library = MCPServer("library")


@library.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@library.tool()
def fail(why: str) -> str:
    """Fail."""
    raise ToolError(why)


@library.tool()
def secret() -> str:
    """Tell what agents are not to know."""
    return "secret"


if __name__ == "__main__":
    library.run()
