"""The route of webhooks: open to everybody, since the token in the address, and a signature if wanted, count here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response as Answer

from torpor.codec.requests import Response
from torpor.errors import ConfigurationError, HookNotFoundError, NoAnswerError
from torpor.http.problems import BadRequestError, Problem, problem_response
from torpor.http.routing import Call, Handler, Router
from torpor.limits import WEBHOOK_BODY_BYTES_MAX
from torpor.model.webhooks import ROUTE
from torpor.webhooks.receiving import Incoming, Receiver

router = Router("webhooks")

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

_HOP_BY_HOP: Final = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)
"""Headers that are the server's business."""

_NOT_HERE: Final = Problem(
    "urn:torpor:error:CONFIGURATION",
    "The server is not set up for this request.",
    503,
    "the server lacks a secret or a key that this takes, as its log tells; nothing was received, try again later",
    "CONFIGURATION",
)
"""In place of an error that names what is missing, which is nobody's business outside."""

_log: Final = logging.getLogger("torpor.webhooks")

T = TypeVar("T")


async def _receive(call: Call) -> Answer:
    """Hand the request to the run whose webhook has this token."""
    # The body is read whatever the token is, so that neither the time nor the work tells of one that is right.
    body = await call.bytes(WEBHOOK_BODY_BYTES_MAX)
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in call.request.headers.raw]
    incoming = Incoming(call.request.method, _address(call.request), headers, body)
    receiver = Receiver(call.service.client)
    try:
        token = call.part("token")
        return _answer(await _unless_stopped(call, receiver.receive(token, incoming)))
    except (HookNotFoundError, BadRequestError):
        return Answer(status_code=404)
    except ConfigurationError as error:
        _log.error("a webhook cannot receive a request: %s", error)
        return problem_response(_NOT_HERE)


def _address(request: Request) -> str:
    """Return all of the request's URL, with the prefix under which we are mounted, and its escapes."""
    scope = request.scope
    path = (scope.get("raw_path") or b"").partition(b"?")[0].decode("ascii", "replace") or scope["path"]
    query = scope["query_string"].decode("ascii", "replace")
    return f"{request.url.scheme}://{request.url.netloc}{path}{f'?{query}' if query else ''}"


async def _unless_stopped(call: Call, work: Coroutine[Any, Any, T]) -> T:
    """
    Return what comes of it, unless the server stops before, or the caller leaves.

    Raises:
        NoAnswerError: it does.
    """
    working = asyncio.ensure_future(work)
    others = [asyncio.ensure_future(call.service.stopping.wait()), asyncio.ensure_future(_gone(call.request))]
    try:
        await asyncio.wait([working, *others], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise NoAnswerError("the server stops, or the caller has left; the run may have the request, and goes on")
    finally:
        for each in (working, *others):
            each.cancel()
        await asyncio.gather(working, *others, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _answer(response: Response) -> Answer:
    content = response.bytes()
    answer = Answer(content or None, response.status)
    if not content:
        answer.raw_headers = [pair for pair in answer.raw_headers if pair[0] == b"content-length"]
    given = [pair for pair in response.headers if pair[0] not in _HOP_BY_HOP and _is_sound(*pair)]
    answer.raw_headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in given]
    return answer


def _is_sound(name: str, value: str) -> bool:
    """Tell whether a header can be sent as it is: one that could end the headers, or begin others, is left out."""
    text = f"{name}{value}"
    return bool(name) and not any(each in text for each in "\r\n\0") and all(ord(each) < 256 for each in text)


def _handler(method: str) -> Handler:
    async def receive(call: Call) -> Answer:
        return await _receive(call)

    receive.__name__ = f"receive_{method.lower()}"
    receive.__doc__ = _receive.__doc__
    return receive


for _method in METHODS:
    _answers = {404: "No webhook has this token.", 200: "What the run answers; it may have any status."}
    router.route(_method, f"{ROUTE}{{token}}", "open", status=202, media=(), others=_answers)(_handler(_method))
