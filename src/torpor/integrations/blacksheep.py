"""
Torpor in BlackSheep.

::

    site = Application()
    mount(site, app, worker=True)

    @site.router.post("/orders/{order}")
    async def place(order: str, torpor: Torpor) -> str:
        return (await torpor.start(checkout, order, 4200)).id
"""

from __future__ import annotations

from typing import Unpack

from blacksheep import Application, Content, Request, Response

from torpor.app import Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Mount, Options


def mount(site: Application, app: Torpor, **options: Unpack[Options]) -> Mount:
    """
    Let an application live with a site, and answer below a prefix of it. Handlers get it as ``torpor: Torpor``. The
    site answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)

    async def begin(_site: Application) -> None:
        await made.open()

    async def end(_site: Application) -> None:
        await made.close()

    site.on_start += begin
    site.on_stop += end
    site.mount(made.prefix, made.below)
    site.services.register(Torpor, instance=app)
    for kind in ANSWERED:
        site.exceptions_handlers[kind] = _answer
    return made


async def _answer(_site: Application, _request: Request, error: TorporError) -> Response:
    told = problem_of(error)
    return Response(told.status, content=Content(told.media_type.encode(), told.body))
