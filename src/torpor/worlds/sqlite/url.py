"""What a ``sqlite://`` URL says."""

from __future__ import annotations

import difflib
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from torpor.errors import ConfigurationError

SYNCHRONOUS: Final = ("full", "normal")
_PARAMETERS: Final = ("synchronous", "busy_timeout_ms")


class Settings(msgspec.Struct, frozen=True):
    """
    A parsed URL.

    Attributes:
        path: of the file; relative ones are relative to the working directory at opening.
        synchronous: ``full`` (the default) waits for the disk at every commit; ``normal`` does not, so that a power
            failure may undo the newest commits. Neither can damage the file.
        busy_timeout_ms: how long to wait for another process that is writing.
    """

    path: str
    synchronous: str = "full"
    busy_timeout_ms: int = 5_000


def parse(url: str) -> Settings:
    """
    Return the settings in *url*, such as ``sqlite:///torpor.db?synchronous=normal``.

    Raises:
        ConfigurationError: no path, an unknown parameter, or a value that the parameter does not have.
    """
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not path or path.endswith("/"):
        raise ConfigurationError(
            f"world URL {url!r} names no file; write sqlite:///relative.db (three slashes) or "
            "sqlite:////absolute/path.db (four)"
        )
    if path == ":memory:":
        raise ConfigurationError(f"world URL {url!r}: for a world in memory use memory://")
    values = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in values:
        if name not in _PARAMETERS:
            raise _unknown(url, name)
    synchronous = values.get("synchronous", "full")
    if synchronous not in SYNCHRONOUS:
        raise ConfigurationError(f"world URL {url!r}: synchronous is full or normal, not {synchronous!r}")
    timeout = values.get("busy_timeout_ms", "5000")
    if not (timeout.isascii() and timeout.isdigit()):
        raise ConfigurationError(f"world URL {url!r}: busy_timeout_ms is a whole number, not {timeout!r}")
    return Settings(path, synchronous, int(timeout))


def _unknown(url: str, name: str) -> ConfigurationError:
    close = difflib.get_close_matches(name, _PARAMETERS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "."
    return ConfigurationError(
        f"world URL {url!r} has the unknown parameter {name!r}{hint} Known are {', '.join(_PARAMETERS)}"
    )
