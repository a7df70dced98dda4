"""
Torpor in Litestar.

::

    @post("/orders/{order:str}")
    async def place(order: str, torpor: Torpor) -> str:
        return (await torpor.start(checkout, order, 4200)).id

    site = Litestar([place], plugins=[TorporPlugin(app, worker=True)])
"""

from __future__ import annotations

from typing import Any, Unpack

from litestar import Request, Response, asgi
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import InitPluginProtocol

from torpor.app import Torpor
from torpor.client import Client
from torpor.errors import TorporError
from torpor.integrations.answering import ANSWERED, problem_of
from torpor.integrations.mounting import Mount, Options


class TorporPlugin(InitPluginProtocol):
    """
    Lets an application live with a site, and answer below a prefix of it. Handlers get it as ``torpor: Torpor``, and
    its client as ``torpor_client: Client``. The site answers errors of :data:`ANSWERED`.

    Args:
        app: the application.
        options: of :class:`torpor.integrations.mounting.Mount`.

    Raises:
        ConfigurationError: as :class:`torpor.integrations.mounting.Mount`.
    """

    def __init__(self, app: Torpor, **options: Unpack[Options]) -> None:
        self.mount = Mount(app, **options)

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan = [self.mount.lifespan, *app_config.lifespan]
        app_config.route_handlers.append(asgi(self.mount.prefix, is_mount=True, copy_scope=True)(self._answer))
        app_config.dependencies["torpor"] = Provide(self._torpor, sync_to_thread=False)
        app_config.dependencies["torpor_client"] = Provide(self._client, sync_to_thread=False)
        app_config.signature_types.extend((Torpor, Client))
        for kind in ANSWERED:
            app_config.exception_handlers[kind] = _problem
        return app_config

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self.mount(scope, receive, send)

    def _torpor(self) -> Torpor:
        return self.mount.here()

    def _client(self) -> Client:
        return self.mount.client


def _problem(_request: Request[Any, Any, Any], error: TorporError) -> Response[bytes]:
    told = problem_of(error)
    return Response(told.body, status_code=told.status, media_type=told.media_type)
