"""Tools of an MCP server: a real one, by HTTP and by standard input and output."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
import uvicorn

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from tests.agents_room.library_server import library
from torpor.agents import McpServer, ToolResult
from torpor.agents.mcp_calls import call_tool, list_tools
from torpor.errors import ConfigurationError, FatalError
from torpor.testing import Testbed
from torpor.testing.model_server import Said

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def url() -> AsyncIterator[str]:
    """Serve the library."""
    server = uvicorn.Server(uvicorn.Config(library.streamable_http_app(), log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # who connects waits until it answers
        serving = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
        server.should_exit = True
        await serving


async def test_an_agent_uses_them(bed: Testbed, model: Model, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are listed by a step and called by steps; what fails is told to the model."""
    monkeypatch.setattr(flows.library, "url", url)
    model.says("books", Said(calls=[("lib_add", {"a": 1, "b": 2}), ("lib_fail", {"why": "closed"})]), Said("3"))
    run = await bed.start(flows.read, "books")
    result = await run.result()
    assert result.output == "3"
    told = [(each.outcome, each.content) for each in result.messages if isinstance(each, ToolResult)]
    assert told[0] == ("success", {"result": 3})
    assert told[1][0] == "failed"
    assert "closed" in told[1][1]
    first = model.asked("books")[0]
    assert sorted(first.tools) == ["lib_add", "lib_fail"]
    assert first.body["tools"][0]["function"]["description"] == "Add two numbers."
    names = [each.name for each in await run.events() if each.type == "step_created"]
    assert names.count("step//torpor//mcp") == 2


async def test_a_server_that_is_started() -> None:
    """A command's process is there as long as it is asked; tools that are not named are not offered."""
    McpServer("started", command=[sys.executable, str(Path(__file__).parent / "library_server.py")], tools=["add"])
    assert [name for name, _ in await list_tools("started")] == ["add"]
    assert await call_tool("started", "add", {"a": 2, "b": 3}) == {"result": 5}
    with pytest.raises(FatalError, match="offers agents no tool fail"):
        await call_tool("started", "fail", {"why": "x"})


async def test_servers_that_are_not_there() -> None:
    """One that does not answer may answer later; one that nobody has declared is a mistake."""
    McpServer("gone", url="http://127.0.0.1:1/mcp")
    with pytest.raises(ConnectionError, match="McpServer\\('gone'\\)"):
        await list_tools("gone")
    with pytest.raises(ConfigurationError, match="declare it at module level"):
        await list_tools("unknown")
    with pytest.raises(ConfigurationError, match="give a url, or a command"):
        McpServer("both", url="http://127.0.0.1:1/mcp", command=["x"])
