"""What a ``redis://`` URL says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import msgspec

from torpor.errors import ConfigurationError
from torpor.worlds.urls import connections_of, shown

CONNECTIONS_DEFAULT: Final = 4
REPLICAS_MAX: Final = 100
SOCKET: Final = "redis+unix"
SENTINELS: Final = ("redis+sentinel", "rediss+sentinel")
SENTINEL_PORT: Final = 26379
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_ADDRESS: Final = re.compile(r"(?P<host>[^:\[\],@/]+)(?::(?P<port>[0-9]{1,5}))?")
_OURS: Final = ("world", "connections", "replicas")
_OF_SENTINELS: Final = ("sentinel_username", "sentinel_password")
_FILES: Final = ("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile")
_TLS: Final = (*_FILES, "ssl_cert_reqs", "ssl_check_hostname", "ssl_password")
_DRIVERS: Final = ("db", *_TLS)


class Sentinels(msgspec.Struct, frozen=True):
    """
    Who knows which server is the primary.

    Attributes:
        addresses: host and port of each.
        service: the name under which they watch the primary.
        options: for the driver's connections to them.
    """

    addresses: tuple[tuple[str, int], ...]
    service: str
    options: Mapping[str, Any] = {}


class Settings(msgspec.Struct, frozen=True):
    """
    A parsed URL.

    Attributes:
        server: the URL for the driver; with sentinels it has no host.
        name: of the world on that server; its keys begin with it.
        connections: how many there are for the engine's work; those for queries and for listening come on top.
        replicas: how many must have what is stored before it counts as stored.
        sentinels: who is asked for the server, None when the URL says it.
    """

    server: str
    name: str = "torpor"
    connections: int = CONNECTIONS_DEFAULT
    replicas: int = 0
    sentinels: Sentinels | None = None


def parse(url: str) -> Settings:
    """
    Return the settings in *url*, such as ``redis://:secret@cache.internal:6379/0?world=shop``.

    Raises:
        ConfigurationError: it has a parameter that it cannot have, or one has a value that it does not have.
    """
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    has_sentinels = parts.scheme in SENTINELS
    name = values.pop("world", "torpor")
    if not _NAME.fullmatch(name):
        raise _wrong(url, f"world is a name of up to 64 letters, digits, and any of _.-, not {name!r}")
    connections = connections_of(url, values.pop("connections", str(CONNECTIONS_DEFAULT)))
    replicas = _replicas(url, values.pop("replicas", "0"))
    known = (*_OURS, *_DRIVERS, *(_OF_SENTINELS if has_sentinels else ()))
    if unknown := sorted(values.keys() - set(known)):
        raise ConfigurationError(
            f"world URL {shown(url)!r} has the unknown parameter {unknown[0]!r}; there are {', '.join(known)}"
        )
    if has_sentinels:
        server, sentinels = _with_sentinels(url, values)
        return Settings(server, name, connections, replicas, sentinels)
    path = parts.path.strip("/")
    is_socket = parts.scheme == SOCKET
    if is_socket and (not path or parts.hostname):
        raise ConfigurationError(f"world URL {shown(url)!r} names no socket; write {SOCKET}:///run/redis/redis.sock")
    if not is_socket and path and not path.isdigit():
        raise _wrong(url, f"a database of Redis is a number, not {path!r}; a world's name goes into ?world=")
    scheme = "unix" if is_socket else parts.scheme
    return Settings(f"{scheme}://{parts.netloc}{parts.path}{_query(values)}", name, connections, replicas)


def _with_sentinels(url: str, values: dict[str, str]) -> tuple[str, Sentinels]:
    """Return the URL of the primary without its host, and who knows it."""
    parts = urlsplit(url)
    user, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service:
        raise _wrong(url, f"it names no primary; write {parts.scheme}://host:{SENTINEL_PORT},host:{SENTINEL_PORT}/name")
    if database and not database.isdigit():
        raise _wrong(url, f"a database of Redis is a number, not {database!r}; a world's name goes into ?world=")
    addresses = tuple(_address(url, each) for each in hosts.split(","))
    options: dict[str, Any] = {"username": values.pop(_OF_SENTINELS[0], None)}
    options["password"] = values.pop(_OF_SENTINELS[1], None)
    scheme = parts.scheme.removesuffix("+sentinel")
    if scheme == "rediss":
        options |= {"ssl": True, **{key: value for key, value in values.items() if key in _TLS}}
        if "ssl_check_hostname" in options:
            options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() in ("1", "true", "yes")
    sentinels = Sentinels(addresses, unquote(service), options)
    return f"{scheme}://{user}{'@' if user else ''}/{database}{_query(values)}", sentinels


def _address(url: str, text: str) -> tuple[str, int]:
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise _wrong(
            url, f"{text!r} is no address of a sentinel; write host:{SENTINEL_PORT}, with commas between several"
        )
    return found["host"], int(found["port"] or SENTINEL_PORT)


def _replicas(url: str, given: str) -> int:
    if not (given.isascii() and given.isdigit() and int(given) <= REPLICAS_MAX):
        raise _wrong(url, f"replicas is a number from 0 to {REPLICAS_MAX}, not {given!r}")
    return int(given)


def _query(values: dict[str, str]) -> str:
    return f"?{urlencode(values)}" if values else ""


def _wrong(url: str, problem: str) -> ConfigurationError:
    return ConfigurationError(f"world URL {shown(url)!r}: {problem}")


def check_files(settings: Settings, url: str) -> None:
    """
    See that the files are there that a URL names: the driver does not say which one is missing.

    Args:
        settings: in which they are named.
        url: without its password.

    Raises:
        ConfigurationError: one of them is not there.
    """
    values = dict(parse_qsl(urlsplit(settings.server).query))
    for name in _FILES:
        if name in values and not Path(values[name]).exists():
            raise ConfigurationError(f"world {url}: {name} names {values[name]}, which is not there")
