"""Steps of workflows with webhooks."""

from __future__ import annotations

from typing import Any

from tests.semantics.application import app
from torpor import Request, Response


@app.step
async def describe(request: Request) -> dict[str, Any]:
    """Return what of a request a step sees."""
    return {
        "method": request.method,
        "url": request.url,
        "kind": request.headers.get("Content-Type"),
        "text": request.text(),
    }


@app.step
async def answer(request: Request, text: str) -> None:
    """Answer a request."""
    await request.respond_with(Response(text, headers={"X-From": "step"}))


@app.step
def answer_in_thread(request: Request) -> None:
    """Answer with what was asked, doubled."""
    request.respond_with(Response.of_json(request.json() * 2, status=201))


@app.step(max_retries=0)
async def answer_twice(request: Request) -> None:
    """Answer, and once more."""
    await request.respond_with(Response("first"))
    await request.respond_with(Response("second"))


@app.step(max_retries=0)
async def answer_nothing(request: Request) -> None:
    """Answer with what is no response."""
    await request.respond_with("text")  # type: ignore[arg-type]  # what authors may do
