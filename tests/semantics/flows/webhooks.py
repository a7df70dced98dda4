"""Webhooks: see webhooks.js."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from tests.semantics.flows.webhook_steps import answer, answer_in_thread, answer_nothing, answer_twice, describe
from torpor import Response, StepError, hook, sleep
from torpor import webhook as make_webhook


@app.workflow
async def webhook(token: str) -> Any:
    """The three ways to answer, one after the other."""
    seen = []
    plain = make_webhook(token=f"{token}-plain")
    fixed = make_webhook(
        token=f"{token}-static",
        respond_with=Response("Hello from static response!", status=402, headers={"X-Kind": "static"}),
    )
    manual = make_webhook(token=f"{token}-manual", respond_with="manual", metadata={"what": token})
    for each in (plain, fixed, manual):
        request = await each
        kind = request.headers.get("content-type")
        seen.append({"method": request.method, "url": request.url, "kind": kind, "text": request.text()})
        seen.append(await describe(request))
        if each is manual:
            await answer(request, "Hello from webhook!")
    return {"urls": [each.url for each in (plain, fixed, manual)], "seen": seen}


@app.workflow
async def webhook_answers(token: str) -> list[str]:
    """Answer in workflow code, and in a step on a thread."""
    requests = make_webhook(token=token, respond_with="manual")
    first = await requests
    await first.respond_with(Response.of_json({"got": first.json()}, status=207))
    await answer_in_thread(await requests)
    told = []
    for step in (answer_twice, answer_nothing):
        try:
            await step(await requests)
        except StepError as error:
            told.append(type(error).__name__)
    return told


@app.workflow
async def webhook_requests(options: dict[str, Any], last: str) -> list[Any]:
    """Take requests until one says that it is the last, and answer none."""
    seen = []
    async for request in make_webhook(**options):
        seen.append([request.method, len(request.bytes()), request.body is None])
        if request.text() == last:
            break
    return seen


@app.workflow
async def webhook_echoes(options: dict[str, Any]) -> int:
    """Tell two callers which of the deliveries theirs is."""
    requests = make_webhook(**options, respond_with="manual")
    for n in (1, 2):
        request = await requests
        await request.respond_with(Response(str(n)))
    return 2


@app.workflow
async def webhook_ends(token: str) -> None:
    """Keep a caller waiting, and end."""
    await make_webhook(token=token, respond_with="manual")


@app.workflow
async def webhook_refused(options: dict[str, Any]) -> None:
    """Make a webhook that there cannot be."""
    await make_webhook(**options)
    await sleep("1h")


@app.workflow
async def webhook_not_manual(token: str) -> None:
    """Answer a request that was answered."""
    request = await make_webhook(token=token)
    await request.respond_with(Response("too late"))


@app.workflow
async def hook_not_public(token: str) -> Any:
    """Wait for a payload by a plain hook."""
    return await hook(token)
