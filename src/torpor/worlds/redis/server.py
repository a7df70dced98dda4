"""What a world needs of its server, and what it tells of it."""

from __future__ import annotations

import logging
import re
from typing import Any, Final, Literal, NamedTuple

from redis.exceptions import ResponseError

from torpor.clock import SystemClock
from torpor.errors import ConfigurationError
from torpor.worlds.redis.store import Store
from torpor.worlds.redis.url import Settings

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
    if not found.isdigit():
        raise ConfigurationError(
            f"world {store.url}: {store.keys.format.decode()} says {found!r} instead of a world's format; if it is "
            f"yours and nobody else's, set it to {FORMAT}"
        )
    if int(found) > FORMAT:
        raise ConfigurationError(
            f"world {store.url} is of format {int(found)}, and this version of Torpor knows {FORMAT}; update Torpor"
        )
    replicas = _replicas(about, store.connection.settings)
    for warning in (warning_of(about), replicas.text if _has_few(about, store.connection.settings) else ""):
        if warning:
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


class Told(NamedTuple):
    """How something of a server is, for people."""

    status: Literal["ok", "note"]
    text: str


_FULL_SHARE: Final = 0.8
_APART_MS: Final = 1_000


def examine(store: Store) -> dict[str, Told]:
    """Return what there is to say of the server of an open world, by what it is about."""
    own = SystemClock()
    asked = own.now()
    [(seconds, micros)] = store.connection.ask(("TIME",))
    took = own.now() - asked
    apart = int(seconds) * 1000 + int(micros) // 1000 - asked - took // 2
    about = tell(store)
    return {
        "server": Told("ok", f"Redis {about['redis_version']}, a primary, up {_days(about)}; it answers in {took} ms"),
        "persistence": _persistence(about, _fsync(store)),
        "replicas": _replicas(about, store.connection.settings),
        "server memory": _memory(about),
        "clock": _clock(apart),
    }


def _days(about: dict[str, Any]) -> str:
    seconds = int(about["uptime_in_seconds"])
    return (
        f"{seconds} s"
        if seconds < 3_600
        else f"{seconds // 3_600} h"
        if seconds < 172_800
        else f"{seconds // 86_400} d"
    )


def _fsync(store: Store) -> str:
    """Return what the server says of ``appendfsync``, ``""`` when it tells this user nothing."""
    try:
        [found] = store.connection.ask(("CONFIG", "GET", "appendfsync"))
    except ResponseError:
        return ""
    values = found if isinstance(found, dict) else dict(zip(found[::2], found[1::2], strict=True))
    text = next(iter(values.values()), b"")
    return text.decode() if isinstance(text, bytes) else str(text)


def _persistence(about: dict[str, Any], fsync: str) -> Told:
    if warning := warning_of(about):
        return Told("note", warning)
    lost = {
        "always": "a crash loses nothing that was answered",
        "everysec": "a crash loses up to two seconds",
        "no": "a crash of the machine loses up to half a minute; set appendfsync everysec",
    }
    status: Literal["ok", "note"] = "note" if fsync == "no" else "ok"
    told = f", appendfsync {fsync}: {lost[fsync]}" if fsync in lost else "; the server does not tell appendfsync"
    return Told(status, f"it writes a log of what it stores{told}")


def _has_few(about: dict[str, Any], settings: Settings) -> bool:
    return int(about.get("connected_slaves", 0)) < settings.replicas


def _replicas(about: dict[str, Any], settings: Settings) -> Told:
    count = int(about.get("connected_slaves", 0))
    of = {name: each for name, each in about.items() if isinstance(each, dict) and re.fullmatch(r"slave\d+", name)}
    behind = max((int(each.get("lag", 0)) for each in of.values()), default=0)
    text = f"{count} connected{f', last heard of {behind} s ago' if of else ''}"
    if _has_few(about, settings):
        return Told("note", f"{text}, and ?replicas={settings.replicas}: nothing is stored before there are as many")
    if settings.replicas:
        return Told("ok", f"{text}; what is stored has been acknowledged by {settings.replicas} of them")
    if count or settings.sentinels is not None:
        status: Literal["ok", "note"] = "note" if settings.sentinels is not None else "ok"
        return Told(status, f"{text}; nobody waits for them, so that a failover may lose what came last: ?replicas=1")
    return Told("ok", text)


def _memory(about: dict[str, Any]) -> Told:
    used, most = int(about["used_memory"]), int(about.get("maxmemory", 0))
    text = f"{used / 2**20:.1f} MiB used"
    if not most:
        return Told("ok", f"{text}, no maxmemory; policy {about.get('maxmemory_policy', 'unknown')}")
    text += f" of {most / 2**20:.1f}; policy {about.get('maxmemory_policy', 'unknown')}"
    if used < _FULL_SHARE * most:
        return Told("ok", text)
    return Told("note", f"{text}; once it is full nothing is stored: raise maxmemory, or prune runs")


def _clock(apart: int) -> Told:
    how = "ahead of" if apart >= 0 else "behind"
    text = f"the server's clock is {abs(apart)} ms {how} this machine's"
    if abs(apart) < _APART_MS:
        return Told("ok", text)
    return Told("note", f"{text}; the server's decides what is due, and times that workers log differ from it")
