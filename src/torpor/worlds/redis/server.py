"""What a world needs of its server, and what it tells of it."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from torpor.errors import ConfigurationError
from torpor.worlds.redis.store import Store

FORMAT: Final = 1
"""Of what is stored; it grows with what an older version could not read."""

VERSION_MIN: Final = (7, 0)
_log: Final = logging.getLogger("torpor.worlds")


def prepare(store: Store) -> None:
    """
    See whether a world may be kept there, and begin one where there is none.

    Raises:
        ConfigurationError: the server is too old, might forget what it has, is no primary or of a cluster, or has a
            world of a newer version.
    """
    about = tell(store)
    if problem := problem_of(about):
        raise ConfigurationError(f"world {store.url}: {problem}")
    [_, found] = store.connection.ask(("SETNX", store.keys.format, FORMAT), ("GET", store.keys.format))
    if int(found) > FORMAT:
        raise ConfigurationError(
            f"world {store.url} is of format {int(found)}, and this version of Torpor knows {FORMAT}; update Torpor"
        )
    if warning := warning_of(about):
        _log.warning("world %s: %s", store.url, warning)


def tell(store: Store) -> dict[str, Any]:
    """Return what the server tells of itself."""
    sections = ("server", "memory", "persistence", "replication")
    found = store.connection.ask(*(("INFO", section) for section in sections))
    return {name: value for section in found for name, value in section.items()}


def problem_of(about: dict[str, Any]) -> str:
    """Return why no world may be kept there, ``""`` when it may."""
    version = str(about.get("redis_version", "0"))
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < VERSION_MIN:
        return f"the server is Redis {version}; at least {'.'.join(map(str, VERSION_MIN))} is needed"
    policy = about.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return (
            f"the server's maxmemory-policy is {policy}, by which it would throw runs away when its memory is full; "
            "set it to noeviction, or take a server that is no cache"
        )
    if about.get("redis_mode") == "cluster":
        return "the server is one of a Redis Cluster, which is not served; name a single primary: see docs/redis.md"
    if about.get("role", "master") != "master":
        return "the server is a replica; name its primary"
    return ""


def warning_of(about: dict[str, Any]) -> str:
    """Return what of the server endangers what it keeps, ``""`` when nothing does."""
    if not int(about.get("aof_enabled", 0)):
        return "the server writes no log of what it stores; set appendonly yes, or a restart loses runs and steps"
    if about.get("aof_last_write_status", "ok") != "ok":
        return "the server could not write its log; see its own log"
    return ""
