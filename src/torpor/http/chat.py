"""
A chat with an agent for the AI SDK's ``useChat``: each message begins a run, and what its agent says is streamed.

::

    chat = chat_application(app, converse)  # an ASGI application; mount it at /api/chat, behind your own sign-in

``POST /`` takes what ``useChat`` sends, ``GET /{id}/stream`` goes on where a connection was lost, and ``POST
/{id}/approval`` decides on a call that waits for a person. The protocol is the UI message stream, version 1, with the
headers of the Workflow SDK's transport.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from torpor.agents.messages import Message, Prompt, Reply, ToolCall, ToolResult
from torpor.errors import HookNotFoundError, RunNotFoundError
from torpor.http.streams import EVENTS, batches
from torpor.model import RunFilter
from torpor.run_handle import RunHandle

if TYPE_CHECKING:
    from torpor.app import Torpor
    from torpor.workflow import Workflow

CHAT: Final = "chat"
"""The attribute of runs that says which chat they belong to."""

_HEADERS: Final = {"x-vercel-ai-ui-message-stream": "v1", "cache-control": "no-cache", "x-accel-buffering": "no"}


class Sent(msgspec.Struct):
    """
    What ``useChat`` sends.

    Attributes:
        messages: the conversation as the browser has it; the last one is new.
        id: of the chat.
    """

    messages: list[dict[str, Any]]
    id: str = ""


class Decision(msgspec.Struct):
    """
    What a person says of a call that waits.

    Attributes:
        id: the ``approvalId`` that the stream told.
        approved: whether it is to be carried out.
        reason: why not.
    """

    id: str
    approved: bool
    reason: str = ""


def chat_application(app: Torpor, workflow: Workflow[..., Any], *, stream: str = "") -> Starlette:
    """
    Return an ASGI application that lets browsers talk to a workflow.

    Args:
        app: the application; it must be open while this serves.
        workflow: takes a prompt and the messages before it, ``(prompt: str, messages: list[Message])``.
        stream: the run's stream that its agent tells.
    """
    chat = _Chat(app, workflow, stream)
    return Starlette(
        routes=[
            Route("/", chat.send, methods=["POST"]),
            Route("/{id}/stream", chat.resume, methods=["GET"]),
            Route("/{id}/approval", chat.decide, methods=["POST"]),
        ]
    )


def conversation(sent: Sequence[Mapping[str, Any]]) -> tuple[str, list[Message]]:
    """
    Return the prompt and the messages before it that a browser's conversation has.

    Texts and calls of tools that have ended are taken; reasoning, files and data are left out.

    Raises:
        ValueError: the last message is no text of a user.
    """
    messages: list[Message] = []
    for each in sent:
        parts = each.get("parts") or [{"type": "text", "text": each.get("content", "")}]
        text = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
        if each.get("role") == "user":
            messages.append(Prompt(text))
        elif each.get("role") == "assistant":
            messages += _said(text, parts)
    if not messages or not isinstance(last := messages.pop(), Prompt) or not last.text:
        raise ValueError("the last message is no text of a user")
    return last.text, messages


def _said(text: str, parts: Sequence[Mapping[str, Any]]) -> list[Message]:
    calls: list[ToolCall] = []
    results: list[Message] = []
    for part in parts:
        kind = str(part.get("type", ""))
        name = str(part.get("toolName", "")) if kind == "dynamic-tool" else kind.removeprefix("tool-")
        if name == kind or part.get("state") not in ("output-available", "output-error"):
            continue
        call = ToolCall(str(part.get("toolCallId")), name, part.get("input") or {})
        failed = part["state"] == "output-error"
        calls.append(call)
        told = part.get("errorText") if failed else part.get("output")
        results.append(ToolResult(call.id, name, told, "failed" if failed else "success"))
    if not calls:
        return [Reply(text)] if text else []
    return [Reply("", calls), *results, *([Reply(text)] if text else [])]


class _Chat:
    def __init__(self, app: Torpor, workflow: Workflow[..., Any], stream: str) -> None:
        self._app = app
        self._workflow = workflow
        self._stream = stream

    async def send(self, request: Request) -> Response:
        try:
            sent = msgspec.json.decode(await request.body(), type=Sent)
            prompt, messages = conversation(sent.messages)
        except (msgspec.MsgspecError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 400)
        attributes = {CHAT: sent.id} if sent.id else {}
        run = await self._app.start(self._workflow, prompt, messages, attributes=attributes)
        return self._answer(run, 0, {})

    async def resume(self, request: Request) -> Response:
        run = await self._found(request.path_params["id"])
        if run is None:
            return Response(status_code=204)  # which tells useChat that there is nothing to go on with
        try:
            start = int(request.query_params.get("startIndex", 0))
        except ValueError:
            return JSONResponse({"error": "startIndex is no number"}, 400)
        tail = await run.stream(self._stream).tail_index()
        start = max(0, tail + 1 + start) if start < 0 else start
        return self._answer(run, start, {"x-workflow-stream-tail-index": str(tail)})

    async def decide(self, request: Request) -> Response:
        run = await self._found(request.path_params["id"])
        try:
            said = msgspec.json.decode(await request.body(), type=Decision)
            if run is None or (await self._app.get_hook(said.id)).run.id != run.id:
                return JSONResponse({"error": "nothing of this chat waits for that"}, 404)
            await self._app.resume_hook(said.id, {"approved": said.approved, "reason": said.reason})
        except msgspec.MsgspecError as error:
            return JSONResponse({"error": str(error)}, 400)
        except HookNotFoundError:
            return JSONResponse({"error": "nothing of this chat waits for that"}, 404)
        return Response(status_code=204)

    async def _found(self, id: str) -> RunHandle[Any] | None:  # noqa: A002  # the protocol's word
        """Return the run of an id, or the newest one of the chat of that id; only of the chat's workflow."""
        run = self._app.run(id)
        try:
            return run if (await run.info()).workflow == self._workflow.name else None
        except RunNotFoundError:
            wanted = RunFilter(workflow=self._workflow.name, attributes={CHAT: id}, limit=1)
            newest = await self._app.world.list_runs(wanted)
            return self._app.run(newest[0].id) if newest and newest[0].status in ("pending", "running") else None

    def _answer(self, run: RunHandle[Any], start: int, headers: Mapping[str, str]) -> Response:
        known = {**_HEADERS, "x-workflow-run-id": run.id, **headers}
        return StreamingResponse(self._events(run, start), media_type=EVENTS, headers=known)

    async def _events(self, run: RunHandle[Any], start: int) -> AsyncIterator[bytes]:
        chunks = run.stream(self._stream, start=start).chunks()
        async with aclosing(batches(asyncio.Event(), chunks)) as coming:
            async for batch in coming:
                yield b"".join(_event(chunk.value) for chunk in batch) or b": nothing new\n\n"
        if await run.status() == "failed":
            yield _event({"type": "error", "errorText": "the answer failed"})  # why is its owner's to know
        yield b"data: [DONE]\n\n"


def _event(value: Any) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode(value)
