"""What a ``postgres://`` URL says."""

from __future__ import annotations

import difflib
from typing import Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import msgspec
import psycopg
from psycopg.conninfo import conninfo_to_dict

from torpor.errors import ConfigurationError
from torpor.worlds.urls import connections_of, shown

CONNECTIONS_DEFAULT: Final = 4
EMBEDDED: Final = "postgres+embedded"
_PARAMETERS: Final = ("connections", "prepare", "listen")
_SWITCH: Final = {"on": True, "off": False}


class Settings(msgspec.Struct, frozen=True):
    """
    A parsed URL.

    Attributes:
        server: the URL for the driver, with what is libpq's to understand; ``""`` for an embedded server.
        folder: where the embedded server keeps its data, ``""`` for another server.
        connections: how many there are for the engine's work; those for queries and for listening come on top.
        prepare: statements are prepared. PgBouncer in transaction mode cannot have that.
        listen: notifications are listened for. PgBouncer in transaction mode cannot have that either.
    """

    server: str
    folder: str = ""
    connections: int = CONNECTIONS_DEFAULT
    prepare: bool = True
    listen: bool = True


def parse(url: str) -> Settings:
    """
    Return the settings in *url*, such as ``postgres://shop@db.internal/shop?connections=8``.

    Parameters that are not ours, such as ``sslmode``, are libpq's.

    Raises:
        ConfigurationError: a parameter has a value that it does not have, libpq does not take the rest, or an embedded
            server has no folder.
    """
    parts = urlsplit(url)
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    connections = connections_of(url, values.pop("connections", str(CONNECTIONS_DEFAULT)))
    switches = {name: _switch(url, name, values.pop(name, "on")) for name in ("prepare", "listen")}
    for name in values:
        if close := difflib.get_close_matches(name, _PARAMETERS, n=1, cutoff=0.8):
            raise ConfigurationError(
                f"world URL {shown(url)!r} has the unknown parameter {name!r}; did you mean {close[0]}?"
            )
    if parts.scheme == EMBEDDED:
        folder = unquote(parts.path)
        if parts.netloc or not folder.strip("/") or values:
            raise ConfigurationError(
                f"world URL {url!r} names no folder; write {EMBEDDED}:///absolute/folder, with no parameters but "
                f"{', '.join(_PARAMETERS)}"
            )
        return Settings("", folder, connections, **switches)
    query = f"?{urlencode(values, quote_via=quote)}" if values else ""  # libpq takes + for itself
    server = f"postgresql://{parts.netloc}{parts.path}{query}"
    try:
        conninfo_to_dict(server)
    except psycopg.ProgrammingError as error:
        said = " ".join(str(error).split()).replace(server, shown(server))
        raise ConfigurationError(f"world URL {shown(url)!r} is none that libpq takes: {said}") from error
    return Settings(server, "", connections, **switches)


def _switch(url: str, name: str, value: str) -> bool:
    if value not in _SWITCH:
        raise ConfigurationError(f"world URL {shown(url)!r}: {name} is on or off, not {value!r}")
    return _SWITCH[value]
