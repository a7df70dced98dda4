"""
Torpor in Django, by ASGI and by WSGI.

::

    INSTALLED_APPS = [..., "torpor.integrations.django"]                                # settings.py
    MIDDLEWARE = [..., "torpor.integrations.django.middleware.ProblemMiddleware"]
    TORPOR = {"APP": "shop.flows:app", "WORKER": True}

    application = asgi(get_asgi_application())                                          # asgi.py
    application = wsgi(get_wsgi_application())                                          # wsgi.py

    def place(request, item):                                                           # views.py
        with transaction.atomic():
            order = Order.objects.create(item=item)
            sync_torpor().start(fulfil, order.id, connection=connection)

``TORPOR`` has ``APP``, the application as ``package.module:name``, and if wanted ``PREFIX``, ``WORKER`` and
``PROCESSES``, which are options of :class:`torpor.integrations.mounting.Mount`. ``manage.py torpor_worker`` is a worker
in a process of its own.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from django.conf import settings
from django.utils.module_loading import import_string

from torpor.app import ASGIApplication, Message, Torpor
from torpor.errors import ConfigurationError
from torpor.integrations.mounting import Host, Mount, Options, Receive, Send
from torpor.integrations.wsgi import WsgiApplication, WsgiMount
from torpor.sync import SyncTorpor

_KEYS: Final = ("APP", "PREFIX", "WORKER", "PROCESSES")
_FORM: Final = 'say TORPOR = {"APP": "package.module:name"} in the settings'


def configured_app() -> Torpor:
    """
    Return the application that the settings name.

    Raises:
        ConfigurationError: they name none.
    """
    name = _settings()["APP"]
    try:
        found = import_string(str(name).replace(":", "."))
    except ImportError as error:
        raise ConfigurationError(f"TORPOR['APP'] is {name!r}, which cannot be had: {error}; {_FORM}") from error
    if not isinstance(found, Torpor):
        raise ConfigurationError(f"TORPOR['APP'] is {name!r}, which is no Torpor(…); {_FORM}")
    return found


def asgi(host: Host) -> ASGIApplication:
    """
    Return an ASGI application for servers: Django's, beside which Torpor's is answered below the prefix, and lives as
    long as the server. A server that tells nothing of that, such as Daphne, opens it with the first request.

    Args:
        host: what ``get_asgi_application()`` returns.

    Raises:
        ConfigurationError: the settings are wrong.
    """
    mounted = _mounted().mount
    both = mounted.beside(host)

    async def site(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # which Django knows nothing of
            await _live(mounted, receive, send)
        else:
            await mounted.ensure_open()
            await both(scope, receive, send)

    return site


def wsgi(host: WsgiApplication) -> WsgiApplication:
    """
    Return a WSGI application for servers: Django's, beside which Torpor's is answered below the prefix. It is opened by
    the first request.

    Args:
        host: what ``get_wsgi_application()`` returns.

    Raises:
        ConfigurationError: the settings are wrong.
    """
    return _mounted().beside(host)


def current_torpor() -> Torpor:
    """
    Return the application, for ``async def`` views of a site that is served by ASGI.

    Raises:
        UsageError: it is open on another event loop, as under WSGI.
        ConfigurationError: the settings are wrong.
    """
    return _mounted().mount.here()


def sync_torpor() -> SyncTorpor:
    """
    Return the application behind blocking calls, for ``def`` views, commands and scripts. Where nothing is served it
    is opened for this process, which does not work on runs then.

    Raises:
        ConfigurationError, WorldError: it cannot be opened.
    """
    found = _mounted()
    if found.is_served:
        return found.open()
    if found.mount.loop is not None:
        return SyncTorpor(found.mount.app, loop=found.mount.loop)
    return _alone().open()


@functools.cache
def _mounted() -> WsgiMount:
    given = _settings()
    options: Options = {}
    if "PREFIX" in given:
        options["prefix"] = given["PREFIX"]
    if "WORKER" in given:
        options["worker"] = given["WORKER"]
    if "PROCESSES" in given:
        options["processes"] = given["PROCESSES"]
    return WsgiMount(configured_app(), **options)


@functools.cache
def _alone() -> WsgiMount:
    return WsgiMount(configured_app(), prefix=_mounted().mount.prefix)


def _settings() -> dict[str, Any]:
    given = getattr(settings, "TORPOR", None)
    if not isinstance(given, dict) or "APP" not in given:
        raise ConfigurationError(f"no application is named: {_FORM}")
    if unknown := given.keys() - set(_KEYS):
        raise ConfigurationError(f"TORPOR has {sorted(unknown)}, which is unknown; it takes {', '.join(_KEYS)}")
    return given


async def _live(mounted: Mount, receive: Receive, send: Send) -> None:
    """Open and close as the server says."""
    for what, do in (("startup", mounted.open), ("shutdown", mounted.close)):
        await receive()
        try:
            await do()
        except Exception as error:
            await send({"type": f"lifespan.{what}.failed", "message": str(error)})
            raise
        await send({"type": f"lifespan.{what}.complete"})
