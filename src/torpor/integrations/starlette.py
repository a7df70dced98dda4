"""
Torpor in Starlette.

::

    site = Starlette(routes=[...])
    mount(site, app, worker=True)

    async def order(request):
        await torpor_of(request).start(checkout, "o-1", 4200)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Unpack

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from torpor.app import Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Mount, Options, required


def mount(site: Starlette, app: Torpor, **options: Unpack[Options]) -> Mount:
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
    inner = site.router.lifespan_context

    @asynccontextmanager
    async def lifespan(host: Any) -> AsyncIterator[Any]:
        async with made, inner(host) as state:
            yield state

    site.router.lifespan_context = lifespan
    site.mount(made.prefix, made.below, name="torpor")
    for kind in ANSWERED:
        site.add_exception_handler(kind, _answer)
    site.state.torpor = made
    return made


def torpor_of(connection: HTTPConnection) -> Torpor:
    """
    Return the application that lives with the site which this request came to.

    Raises:
        UsageError: there is none.
    """
    return required(getattr(connection.app.state, "torpor", None)).here()


async def _answer(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TorporError), "it is registered for these"
    told = problem_of(error)
    return Response(told.body, told.status, media_type=told.media_type)
