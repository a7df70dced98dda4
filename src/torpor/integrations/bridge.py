"""ASGI for hosts that speak something else: one request is carried to an ASGI application, and its answer back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import NamedTuple
from urllib.parse import unquote

from torpor.app import ASGIApplication, Message

Headers = list[tuple[str, str]]
Start = Callable[[int, Headers], Awaitable[None]]
Write = Callable[[bytes], Awaitable[None]]


class Asked(NamedTuple):
    """
    A request.

    Attributes:
        method: in capitals.
        target: path and query as they came, escapes and all.
        headers: names and values, in any spelling.
        scheme: ``http`` or ``https``.
        body: its pieces.
        gone: is set when the caller has left; None where the host tells nobody.
        root: path that the host is itself below, with its escapes undone.
    """

    method: str
    target: str
    headers: Iterable[tuple[str, str]]
    scheme: str
    body: AsyncIterator[bytes]
    gone: asyncio.Event | None = None
    root: str = ""


async def carry(app: ASGIApplication, asked: Asked, start: Start, write: Write) -> None:
    """
    Let an ASGI application answer a request.

    Args:
        app: what answers.
        asked: the request.
        start: is called once, with status and headers, before anything is written.
        write: is called with each piece of the answer, none of them empty.

    Raises:
        Exception: what *app*, *start* or *write* raise.
    """
    has_come = False

    async def receive() -> Message:
        nonlocal has_come
        if has_come:
            await (asked.gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        async for piece in asked.body:
            if piece:
                return {"type": "http.request", "body": piece, "more_body": True}
        has_come = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            await start(message["status"], told)
        elif piece := message.get("body"):
            await write(piece)

    await app(_scope(asked), receive, send)


def _scope(asked: Asked) -> Message:
    path, _, query = asked.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},  # 2.4: an answer that nobody reads raises OSError
        "http_version": "1.1",
        "method": asked.method,
        "scheme": asked.scheme,
        "path": unquote(path),
        "raw_path": path.encode("latin-1", "replace"),
        "query_string": query.encode("latin-1", "replace"),
        "root_path": asked.root,
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in asked.headers],
        "client": None,
        "server": None,
    }
