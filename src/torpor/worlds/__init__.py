"""
Storage and queue back ends, one file or folder each, and the door to them: :func:`open_world`.

A scheme's module is imported only when its URL is asked for, so a back end's driver is nobody else's dependency.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from torpor.clock import Clock
from torpor.errors import ConfigurationError
from torpor.world import World

WORLD_DEFAULT: Final = "sqlite:///torpor.db"
"""The world of who names none."""


def _memory(url: str, clock: Clock | None) -> World:
    from torpor.worlds.memory import MemoryWorld  # noqa: PLC0415  # a scheme is imported when it is asked for

    if "?" in url:
        raise ConfigurationError(f"world URL {url!r} has parameters, and a world in memory has none; leave them out")
    return MemoryWorld(url, clock)


def _sqlite(url: str, clock: Clock | None) -> World:
    from torpor.worlds.sqlite import SqliteWorld  # noqa: PLC0415  # a scheme is imported when it is asked for

    return SqliteWorld(url, clock)


def _http(url: str, clock: Clock | None) -> World:
    try:
        from torpor.worlds.http import HttpWorld  # noqa: PLC0415  # a scheme is imported when it is asked for
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"world URL {url!r} is a server's, which needs {error.name}: pip install 'torpor[remote]'"
        ) from error
    return cast(World, HttpWorld(url, clock))  # its methods are made of the contract


def _postgres(url: str, clock: Clock | None) -> World:
    try:
        from torpor.worlds.postgres import PostgresWorld  # noqa: PLC0415  # a scheme is imported when it is asked for
    except ImportError as error:
        if error.name is None or not error.name.startswith("psycopg"):
            raise
        raise ConfigurationError("a world in Postgres needs its driver; pip install 'torpor[postgres]'") from error
    return PostgresWorld(url, clock)


def _redis(url: str, clock: Clock | None) -> World:
    try:
        from torpor.worlds.redis import RedisWorld  # noqa: PLC0415  # a scheme is imported when it is asked for
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "redis":
            raise
        raise ConfigurationError("a world in Redis needs its client; pip install 'torpor[redis]'") from error
    return RedisWorld(url, clock)


def address_of(world: World) -> str:
    """Return the URL that opens a world, with the password that :attr:`torpor.world.World.url` may leave out."""
    address: str = getattr(world, "address", world.url)
    return address


_SCHEMES: Final[dict[str, Callable[[str, Clock | None], World]]] = {
    "http": _http,
    "https": _http,
    "memory": _memory,
    "postgres": _postgres,
    "postgres+embedded": _postgres,
    "postgresql": _postgres,
    "redis": _redis,
    "redis+sentinel": _redis,
    "redis+unix": _redis,
    "rediss": _redis,
    "rediss+sentinel": _redis,
    "sqlite": _sqlite,
}


def open_world(url: str, clock: Clock | None = None) -> World:
    """
    Return the world at *url*, not yet opened: ``await world.open()`` connects it.

    ``memory://`` is a world of its own that ends with the object, ``memory://name`` one that the process shares by
    name; ``sqlite:///torpor.db`` is a file relative to the working directory, ``sqlite:////var/lib/torpor.db`` an
    absolute one (see :mod:`torpor.worlds.sqlite.url` for its parameters). ``https://torpor.example.com`` is what
    ``torpor serve`` has there, for who has its token as ``TORPOR_TOKEN``; ``http://`` is for servers on this machine.

    Args:
        url: which world.
        clock: decides about time there, as far as this process is asked; by default the world's own: a file's is the
            clock of its machine, a server's the server's.

    Raises:
        ConfigurationError: no back end has this scheme, or the rest of the URL makes no sense to it.
    """
    scheme, separator, _ = url.partition("://")
    if separator and scheme in _SCHEMES:
        try:
            urlsplit(url)
        except ValueError as error:  # it may have a password, so it is not shown
            raise ConfigurationError(f"the world URL that begins with {scheme}:// is none: {error}") from error
        return _SCHEMES[scheme](url, clock)
    known = ", ".join(f"{name}://" for name in sorted(_SCHEMES))
    if not separator:
        raise ConfigurationError(f"world URL {url!r} has no scheme; write one of {known}, such as sqlite:///torpor.db")
    close = difflib.get_close_matches(scheme.lower(), _SCHEMES, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]}://?" if close else "."
    raise ConfigurationError(f"world URL {url!r} has the unknown scheme {scheme!r}{hint} Known are {known}")
