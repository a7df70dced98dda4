"""What a ``redis://`` URL says."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import msgspec

from torpor.errors import ConfigurationError
from torpor.worlds.urls import connections_of, shown

CONNECTIONS_DEFAULT: Final = 4
SOCKET: Final = "redis+unix"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_OURS: Final = ("world", "connections")
_DRIVERS: Final = ("db", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile")


class Settings(msgspec.Struct, frozen=True):
    """
    A parsed URL.

    Attributes:
        server: the URL for the driver.
        name: of the world on that server; its keys begin with it.
        connections: how many there are for the engine's work; those for queries and for listening come on top.
    """

    server: str
    name: str = "torpor"
    connections: int = CONNECTIONS_DEFAULT


def parse(url: str) -> Settings:
    """
    Return the settings in *url*, such as ``redis://:secret@cache.internal:6379/0?world=shop``.

    Raises:
        ConfigurationError: it has a parameter that it cannot have, or one has a value that it does not have.
    """
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    name = values.pop("world", "torpor")
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"world URL {shown(url)!r}: world is a name of up to 64 letters, digits, and any of _.-, not {name!r}"
        )
    connections = connections_of(url, values.pop("connections", str(CONNECTIONS_DEFAULT)))
    if unknown := sorted(values.keys() - set(_DRIVERS)):
        raise ConfigurationError(
            f"world URL {shown(url)!r} has the unknown parameter {unknown[0]!r}; there are "
            f"{', '.join((*_OURS, *_DRIVERS))}"
        )
    is_socket = parts.scheme == SOCKET
    if is_socket and (not parts.path.strip("/") or parts.hostname):
        raise ConfigurationError(f"world URL {shown(url)!r} names no socket; write {SOCKET}:///run/redis/redis.sock")
    if not is_socket and parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise ConfigurationError(
            f"world URL {shown(url)!r}: a database of Redis is a number, not {parts.path.strip('/')!r}; a world's name "
            "goes into ?world="
        )
    query = f"?{urlencode(values)}" if values else ""
    scheme = "unix" if is_socket else parts.scheme
    return Settings(f"{scheme}://{parts.netloc}{parts.path}{query}", name, connections)
