"""Workflows with webhooks, served in the process of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torpor import Request, Response, Torpor, hook, webhook

app = Torpor("memory://", name="webhooked", root=Path(__file__).parent)


@app.step
async def answer(request: Request) -> None:
    """Answer a request, also with headers that could not be sent."""
    headers = {"Content-Length": "7", "Transfer-Encoding": "chunked", "X-Evil": "a\r\nX-More: b"}
    await request.respond_with(Response("Hello from webhook!", headers=headers))


@app.workflow
async def three_answers(token: str) -> dict[str, Any]:
    """The three ways to answer, one after the other."""
    fixed = Response("Hello from static response!", status=402, headers={"X-Kind": "static"})
    hooks = [
        webhook(token=f"{token}/plain"),
        webhook(token=f"{token}/static", respond_with=fixed),
        webhook(token=f"{token}/manual", respond_with="manual"),
    ]
    seen = []
    for each in hooks:
        request = await each
        seen.append([request.method, request.url, request.text()])
    await answer(request)
    return {"urls": [each.url for each in hooks], "seen": seen}


@app.workflow
async def plain_hook(token: str) -> Any:
    """Wait for a payload."""
    return await hook(token)


@app.workflow
async def signed(token: str) -> list[str | None]:
    """Take two deliveries, and return what they are called."""
    deliveries = webhook(token=token, verify="github", secret="HUB_SECRET")
    return [(await deliveries).headers.get("x-github-delivery") for _ in range(2)]


@app.workflow
async def answers_nobody(token: str) -> str:
    """Keep a caller waiting, and end."""
    return (await webhook(token=token, respond_with="manual")).text()


@app.workflow
async def answers_later(token: str) -> str:
    """Answer once somebody says so."""
    request = await webhook(token=token, respond_with="manual")
    await hook(f"{token}-go")
    await request.respond_with(Response("late"))
    return request.text()
