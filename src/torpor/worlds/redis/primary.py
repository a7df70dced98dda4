"""Connecting to the server that keeps the world: the one that the URL names, or the one that sentinels know."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Callable
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from torpor.worlds.redis.url import Sentinels, Settings

_TIMEOUT_SECONDS: Final = 20.0
_ANOTHER_SECONDS: Final = 3.0
"""How long who can ask for another server waits for one that does not answer."""

_SENTINEL_SECONDS: Final = 1.0
_KEEP_ALIVE: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 25_000}
"""Who only listens would not hear otherwise that the other machine is gone; the last one is in milliseconds."""


class NoPrimaryError(redis.ConnectionError):
    """No sentinel tells of a primary that is up, or the one that they tell of is none any more."""


def client_of(settings: Settings, **options: Any) -> redis.Redis:
    """
    Return a client with a connection of its own, which tries nothing twice by itself, and is over once that is lost.

    Raises:
        NoPrimaryError: there are sentinels, and the primary is being replaced.
    """
    given: dict[str, Any] = {
        "socket_timeout": _TIMEOUT_SECONDS,
        "socket_connect_timeout": _TIMEOUT_SECONDS if settings.sentinels is None else _ANOTHER_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "client_name": "torpor",
        "protocol": 2,
        "redis_connect_func": _once(),
        **options,
    }
    if not settings.server.startswith("unix:"):
        given |= {"socket_keepalive": True, "socket_keepalive_options": _keep_alive()}
    if settings.sentinels is None:
        return redis.Redis.from_url(settings.server, max_connections=1, **given)
    host, port = _told(settings.sentinels)
    client = redis.Redis.from_url(settings.server, max_connections=1, host=host, port=port, **given)
    try:
        about: dict[str, Any] = client.info("replication")
        if about["role"] != "master":  # sentinels hear of it somewhat later
            raise NoPrimaryError(f"{host}:{port} is a replica by now")
    except BaseException:
        client.close()
        raise
    return client


def _once() -> Callable[[Any], None]:
    """Return what the driver calls when it connects: it would do so again by itself, perhaps to another server."""
    times = itertools.count()

    def connected(connection: Any) -> None:
        if next(times):
            raise redis.ConnectionError("the connection was lost")
        connection.on_connect()

    return connected


def _told(sentinels: Sentinels) -> tuple[str, int]:
    """Return the address of the primary, as the first sentinel says that knows one that is up."""
    options: dict[str, Any] = {
        "socket_timeout": _SENTINEL_SECONDS,
        "socket_connect_timeout": _SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        **sentinels.options,
    }
    said = []
    for host, port in sentinels.addresses:
        try:
            with redis.Redis(host, port, **options) as sentinel:
                known: dict[str, dict[str, Any]] = sentinel.sentinel_masters()
        except (redis.RedisError, OSError) as error:
            said.append(f"{host}:{port}: {error}")
            continue
        state = known.get(sentinels.service)
        if state is not None and state["is_master"] and not (state["is_sdown"] or state["is_odown"]):
            return str(state["ip"]), int(state["port"])
        said.append(f"{host}:{port}: {'it is down' if state else 'it is not known'}")
    raise NoPrimaryError(f"no sentinel knows of a primary {sentinels.service!r} that is up ({'; '.join(said)})")


def _keep_alive() -> dict[int, int]:
    names = ((getattr(socket, name, None), value) for name, value in _KEEP_ALIVE.items())
    return {name: value for name, value in names if name is not None}
