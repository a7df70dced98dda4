"""A chat as browsers have it: what is sent begins a run, and what its agent says is streamed, again if it was cut."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from tests.agents_room import flows
from tests.agents_room.conftest import Model
from torpor.agents import Prompt, Reply, ToolCall, ToolResult
from torpor.http.chat import chat_application, conversation
from torpor.testing import Testbed
from torpor.testing.model_server import Said

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser(bed: Testbed) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the chat, and return what asks it as a browser does."""
    server = uvicorn.Server(uvicorn.Config(chat_application(bed.app, flows.converse), log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # who connects waits until it answers
        serving = asyncio.create_task(server.serve([listening]))
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as client:
            yield client
        server.should_exit = True
        await serving


def user(text: str) -> dict[str, Any]:
    """Return a message of a user as the AI SDK has it."""
    return {"id": "m", "role": "user", "parts": [{"type": "text", "text": text}]}


def chunks(body: str) -> list[Any]:
    """Return what a stream of events has, up to its mark of the end."""
    events = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


async def test_a_message_and_a_lost_connection(browser: httpx.AsyncClient, model: Model) -> None:
    """The answer comes with the headers of the protocol; from an index on it comes again, by run and by chat."""
    model.says("hello", Said("Good morning to you!"))
    sent = {"id": "chat-1", "trigger": "submit-message", "messages": [user("hello")]}
    answer = await browser.post("/", json=sent)
    assert answer.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = chunks(answer.text)
    assert [each["type"] for each in told[:2]] == ["start", "start-step"]
    assert told[-1] == {"type": "finish"}
    assert "".join(each["delta"] for each in told if each["type"] == "text-delta") == "Good morning to you!"

    run = answer.headers["x-workflow-run-id"]
    rest = await browser.get(f"/{run}/stream", params={"startIndex": 3})
    assert chunks(rest.text) == told[3:]
    assert rest.headers["x-workflow-stream-tail-index"] == str(len(told) - 1)
    assert chunks((await browser.get(f"/{run}/stream", params={"startIndex": -2})).text) == told[-2:]
    assert (await browser.get("/chat-1/stream")).status_code == 204  # nothing goes on there


async def test_an_approval(browser: httpx.AsyncClient, bed: Testbed, model: Model) -> None:
    """What waits for a person is told, and decided on by who is in the chat; nobody else's hooks are."""
    model.says("write to Ann", Said(calls=[("send", {"to": "Ann", "text": "hi"})]), Said("It was refused."))
    async with browser.stream("POST", "/", json={"id": "chat-2", "messages": [user("write to Ann")]}) as answer:
        run = answer.headers["x-workflow-run-id"]
        lines = answer.aiter_lines()
        async for line in lines:
            if "tool-approval-request" in line:
                break
        asked = json.loads(line.removeprefix("data: "))
        by_chat = asyncio.create_task(browser.get("/chat-2/stream"))
        other = await bed.start(flows.approving, "another")
        await other.waiting_for(hook="another")
        assert (await browser.post(f"/{run}/approval", json={"id": "another", "approved": True})).status_code == 404
        said = {"id": asked["approvalId"], "approved": False, "reason": "no letters"}
        assert (await browser.post(f"/{run}/approval", json=said)).status_code == 204
        rest = [line async for line in lines]
    assert '{"type":"tool-output-denied","toolCallId":"call_1_0"}' in "\n".join(rest)
    assert chunks((await by_chat).text)[-1] == {"type": "finish"}
    await bed.resume_hook("another", True)


async def test_what_fails(browser: httpx.AsyncClient, model: Model) -> None:
    """A run that fails ends in an error that tells no secrets; what is no message is refused."""
    model.says("fail", Said(status=401, text="key sk-secret is wrong"))
    answer = await browser.post("/", json={"messages": [user("fail")]})
    assert chunks(answer.text)[-1] == {"type": "error", "errorText": "the answer failed"}
    assert "secret" not in answer.text
    assert (await browser.post("/", json={"messages": []})).status_code == 400
    assert (await browser.post("/", content=b"{")).status_code == 400


async def test_only_runs_of_the_chat(browser: httpx.AsyncClient, bed: Testbed, model: Model) -> None:
    """An id leads to no other workflow's run."""
    model.says("private", Said("secret"))
    run = await bed.start(flows.talk, ["private"], [], "")
    await run.result()
    assert (await browser.get(f"/{run.id}/stream")).status_code == 204


async def test_a_conversation() -> None:
    """What a browser has of it becomes messages, tools and all."""
    parts = [
        {"type": "tool-search", "toolCallId": "c", "state": "output-available", "input": {"q": "x"}, "output": [1]},
        {"type": "tool-send", "toolCallId": "d", "state": "input-available", "input": {}},
        {"type": "reasoning", "text": "hm"},
        {"type": "text", "text": "found"},
    ]
    prompt, messages = conversation([user("one"), {"role": "assistant", "parts": parts}, user("two")])
    assert prompt == "two"
    called = Reply("", [ToolCall("c", "search", {"q": "x"})])
    assert messages == [Prompt("one"), called, ToolResult("c", "search", [1]), Reply("found")]
