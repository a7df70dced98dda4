"""
Torpor in Falcon (``falcon.asgi``).

::

    api = falcon.asgi.App()
    site = mount(api, app, worker=True)  # what is served

    class Orders:
        async def on_post(self, req, resp, order):
            resp.media = (await torpor_of(req).start(checkout, order, 4200)).id
"""

from __future__ import annotations

from typing import Any, Unpack

from falcon.asgi import App, Request, Response

from torpor.app import ASGIApplication, Torpor
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Mount, Options, mount_of


def mount(site: App[Any, Any], app: Torpor, **options: Unpack[Options]) -> ASGIApplication:
    """
    Let an application live with a site, and return what is served: both, the application below a prefix. The site
    answers errors of :data:`ANSWERED`.

    Args:
        site: before it is served.
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """
    made = Mount(app, **options)
    site.add_middleware(_Life(made))
    for kind in ANSWERED:
        site.add_error_handler(kind, _answer)
    return made.beside(site)


def torpor_of(req: Request) -> Torpor:
    """
    Return the application that lives with the site which this request came to.

    Raises:
        UsageError: there is none.
    """
    return mount_of(req.scope).here()


class _Life:
    """Lives as long as the server."""

    def __init__(self, mounted: Mount) -> None:
        self._mount = mounted

    async def process_startup(self, scope: Any, event: Any) -> None:
        await self._mount.open()

    async def process_shutdown(self, scope: Any, event: Any) -> None:
        await self._mount.close()


async def _answer(_req: Request, resp: Response, error: TorporError, _params: Any, **_more: Any) -> None:
    told = problem_of(error)
    resp.status, resp.data, resp.content_type = told.status, told.body, told.media_type
