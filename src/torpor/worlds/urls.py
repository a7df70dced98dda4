"""What URLs of worlds on a server have in common."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from torpor.errors import ConfigurationError

CONNECTIONS_MAX: Final = 100
_SECRET: Final = re.compile(r"((?:^|&)[a-z_]*password=)[^&]*")


def connections_of(url: str, given: str) -> int:
    """
    Return how many connections a URL asks for.

    Raises:
        ConfigurationError: that is no such number.
    """
    if not (given.isascii() and given.isdigit() and 1 <= int(given) <= CONNECTIONS_MAX):
        raise ConfigurationError(
            f"world URL {shown(url)!r}: connections is a number from 1 to {CONNECTIONS_MAX}, not {given!r}"
        )
    return int(given)


def shown(url: str) -> str:
    """Return a URL without its passwords, for messages and logs."""
    parts = urlsplit(url)
    query = _SECRET.sub(r"\1***", parts.query)
    if not parts.password:
        return url if query == parts.query else urlunsplit(parts._replace(query=query))
    user, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}:***@{host}", query=query))
