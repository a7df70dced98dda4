"""
Torpor in aiohttp.

::

    site = web.Application()
    mount(site, app, worker=True)

    async def place(request: web.Request) -> web.Response:
        run = await request.app[TORPOR].start(checkout, request.match_info["order"], 4200)
        return web.json_response(run.id)
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Unpack

from aiohttp import web

from torpor.app import Torpor
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.bridge import Asked, Headers, carry
from torpor.integrations.mounting import Mount, Options

TORPOR: Final[web.AppKey[Torpor]] = web.AppKey("torpor", Torpor)
"""Where a site has the application that lives with it."""


def mount(site: web.Application, app: Torpor, **options: Unpack[Options]) -> Mount:
    """
    Let an application live with a site, and answer below a prefix of it. The site answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served; no subapplication of another one.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)

    async def lifespan(_site: web.Application) -> AsyncIterator[None]:
        async with made:
            yield

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _carried(made, request)

    async def stop(_site: web.Application) -> None:
        made.end_waits()

    site[TORPOR] = app
    site.on_shutdown.append(stop)
    site.cleanup_ctx.append(lifespan)
    site.middlewares.append(_problems)
    site.router.add_route("*", made.prefix + "{below:(/.*)?}", answer)
    return made


async def _carried(made: Mount, request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()

    async def start(status: int, headers: Headers) -> None:
        response.set_status(status)
        for name, value in headers:
            response.headers.add(name, value)
        await response.prepare(request)

    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    body = request.content.iter_any()
    await carry(made, Asked(request.method, request.raw_path, headers, request.scheme, body), start, response.write)
    return response


@web.middleware
async def _problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except ANSWERED as error:
        told = problem_of(error)
        return web.Response(status=told.status, body=told.body, content_type=told.media_type)
