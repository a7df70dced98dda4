"""
Torpor in Sanic.

::

    site = Sanic("shop")
    mount(site, app, worker=True)

    @site.post("/orders/<order>")
    async def place(request, order: str):
        return text((await torpor_of(request).start(checkout, order, 4200)).id)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final, Unpack

from sanic import HTTPResponse, Request, Sanic

from torpor.app import Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.bridge import Asked, Headers, carry
from torpor.integrations.mounting import Mount, Options, required

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def mount(site: Sanic[Any, Any], app: Torpor, **options: Unpack[Options]) -> Mount:
    """
    Let an application live with a site, and answer below a prefix of it. The site answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)

    async def begin(_site: Any) -> None:
        await made.open()

    async def stop(_site: Any) -> None:
        made.end_waits()

    async def end(_site: Any) -> None:
        await made.close()

    async def answer(request: Request[Any, Any], **_below: str) -> None:
        await _carried(made, request)

    site.register_listener(begin, "before_server_start")
    site.register_listener(stop, "before_server_stop")
    site.register_listener(end, "after_server_stop")
    for name, path in (("torpor", made.prefix), ("torpor_below", f"{made.prefix}/<below:path>")):
        site.add_route(answer, path, methods=_METHODS, name=name, stream=True)
    for kind in ANSWERED:
        site.error_handler.add(kind, _answer)
    site.ctx.torpor = made
    return made


def torpor_of(request: Request[Any, Any]) -> Torpor:
    """
    Return the application that lives with the site which this request came to.

    Raises:
        UsageError: there is none.
    """
    return required(getattr(request.app.ctx, "torpor", None)).here()


async def _carried(made: Mount, request: Request[Any, Any]) -> None:
    response: Any = None

    async def start(status: int, headers: Headers) -> None:
        nonlocal response
        kind = next((value for name, value in headers if name.lower() == "content-type"), None)
        response = await request.respond(status=status, content_type=kind)
        for name, value in headers:
            if name.lower() != "content-type":
                response.headers.add(name, value)

    async def write(piece: bytes) -> None:
        await response.send(piece)

    target = request.raw_url.decode("latin-1")
    asked = Asked(request.method, target, request.headers.items(), request.scheme, _pieces(request))
    await carry(made, asked, start, write)
    await response.eof()


async def _pieces(request: Request[Any, Any]) -> AsyncIterator[bytes]:
    stream: Any = request.stream  # its class says less than it is
    while (piece := await stream.read()) is not None:
        yield piece


def _answer(_request: Request[Any, Any], error: TorporError) -> HTTPResponse:
    told = problem_of(error)
    return HTTPResponse(told.body, told.status, content_type=told.media_type)
