"""``torpor mcp``, asked by the SDK's own client: over stdio and HTTP, in each role and scope."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from tests.engine.support import has_event
from torpor import Torpor
from torpor.cli.loading import load_app, parse_target
from torpor.http.tokens import make_token, store_token

SECONDS = 60
SHOP = """
from torpor import Torpor, hook
app = Torpor("sqlite:///torpor.db", name="shop")

@app.workflow
async def approve(order: str) -> str:
    return f"{order}: {await hook(f'approval-of-{order}')}"

@app.workflow
async def other() -> int:
    return 1
"""


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Torpor]:
    """An application in a folder, at work, with a run that waits for a hook."""
    (tmp_path / "mcp_shop.py").write_text(SHOP, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    app = load_app(parse_target("mcp_shop.py"))
    async with app, app.worker():
        await (await app.start("other", run_id="done")).result(timeout=SECONDS)
        waiting = await app.start("approve", "o-1", run_id="waiting")
        await has_event(app, waiting, "hook_created")
        yield app
    sys.modules.pop("mcp_shop", None)


@asynccontextmanager
async def over_stdio(*options: str) -> AsyncIterator[Client]:
    """Begin ``torpor mcp`` and connect to it."""
    command = ["-m", "torpor.cli", "mcp", "mcp_shop.py", *options]
    async with Client(StdioServerParameters(command=sys.executable, args=command, env={**os.environ})) as client:
        yield client


async def told(client: Client, tool: str, **arguments: Any) -> Any:
    """Return what a tool answers, or the text of its error."""
    answer = await client.call_tool(tool, arguments)
    return getattr(answer.content[0], "text", "") if answer.is_error else answer.structured_content


async def names(client: Client) -> set[str]:
    """Return the names of the tools."""
    return {tool.name for tool in (await client.list_tools()).tools}


@pytest.mark.usefixtures("shop")
async def test_a_reader_reads() -> None:
    """Lists, runs, events, stacks and hooks; tokens are not shown, and there is no tool that acts."""
    async with over_stdio() as client:
        assert await names(client) == {"list_runs", "inspect_run", "show_events", "show_stack", "list_hooks"}
        listed = await told(client, "list_runs", status="running")
        assert [run["id"] for run in listed["runs"]] == ["waiting"]
        assert (await told(client, "inspect_run", run="done"))["run"]["output"] == 1
        events = (await told(client, "show_events", run="waiting", after=1, limit=1))["events"]
        assert [event["type"] for event in events] == ["run_started"]
        [task] = (await told(client, "show_stack", run="waiting"))["tasks"]
        assert task["frames"][0]["function"] == "approve"
        assert (await told(client, "list_hooks"))["hooks"][0]["token"] == "***"
        assert "RUN_NOT_FOUND" in await told(client, "inspect_run", run="nobody")
        assert "Unknown tool" in await told(client, "cancel_run", run="waiting")


async def test_who_operates_acts(shop: Torpor) -> None:
    """Starts, resumes and cancels; what cannot be is told with its code."""
    async with over_stdio("--role", "operate") as client:
        assert await told(client, "start_run", workflow="approve", args=["o-2"], run_id="second") == {"id": "second"}
        [token] = [each["token"] for each in (await told(client, "list_hooks"))["hooks"] if each["run"] == "waiting"]
        assert await told(client, "resume_hook", token=token, payload={"by": "a model"}) == {"id": "waiting"}
        assert await shop.run("waiting").result(timeout=SECONDS) == "o-1: {'by': 'a model'}"
        assert (await told(client, "cancel_run", run="second", reason="no need"))["id"] == "second"
        assert "HOOK_NOT_FOUND" in await told(client, "resume_hook", token="nobody's")
        assert "WORKFLOW_NOT_REGISTERED" in await told(client, "start_run", workflow="nothing")


async def test_a_scope_narrows_what_there_is(shop: Torpor) -> None:
    """To the runs of a workflow, or to none; who may not see a run does not learn of it."""
    async with over_stdio("--role", "operate", "--workflow", "other") as client:
        assert [run["id"] for run in (await told(client, "list_runs"))["runs"]] == ["done"]
        for tool in ("inspect_run", "show_events", "show_stack", "cancel_run"):
            assert "RUN_NOT_FOUND" in await told(client, tool, run="waiting")
        assert (await told(client, "list_hooks"))["hooks"] == []
        assert "HOOK_NOT_FOUND" in await told(client, "resume_hook", token="approval-of-o-1")
        assert "RUN_NOT_FOUND" in await told(client, "start_run", workflow="approve", args=["o-3"])
    async with over_stdio("--tenant", "acme") as client:
        assert (await told(client, "list_runs"))["runs"] == []
    assert await shop.run("waiting").status() == "running"


@pytest.fixture
def address(shop: Torpor) -> Iterator[str]:
    """Where ``torpor mcp --http`` answers."""
    assert shop.name == "shop"
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "torpor.cli", "mcp", "mcp_shop.py", "--http", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while f"http://127.0.0.1:{port}/mcp" not in (line := process.stderr.readline()):
            assert line, "it ended"
        yield f"http://127.0.0.1:{port}/mcp"
        process.terminate()


@asynccontextmanager
async def over_http(address: str, token: str) -> AsyncIterator[Client]:
    """Connect with a token."""
    async with (
        create_mcp_http_client(headers={"authorization": f"Bearer {token}"}) as http,
        Client(streamable_http_client(address, http_client=http)) as client,
    ):
        yield client


async def test_over_http_a_token_says_what_one_may(shop: Torpor, address: str) -> None:
    """Each call is within its caller's role; without a valid token there is nothing."""
    texts = {}
    for role in ("read", "operate"):
        made = make_token(shop.clock.now(), (role,))
        await store_token(shop.world, made.token)
        texts[role] = made.text
    async with over_http(address, texts["read"]) as client:
        assert len((await told(client, "list_runs"))["runs"]) == 2
        assert "takes a token with the role operate" in await told(client, "cancel_run", run="waiting")
    async with over_http(address, texts["operate"]) as client:
        assert (await told(client, "cancel_run", run="waiting"))["id"] == "waiting"
    async with create_mcp_http_client(headers={"authorization": "Bearer tpr_nobody"}) as http:
        assert (await http.post(address, json={})).status_code == 401
