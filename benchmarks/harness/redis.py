"""A Redis world for benchmarks: keys of its own for every set of samples, and what its server has counted."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.primary import client_of
from torpor.worlds.redis.url import parse

_PREFIX: Final = "torpor-benchmark-"
_PAGE: Final = 1_000


class Counters(msgspec.Struct, frozen=True):
    """
    What a server has counted up to now.

    Attributes:
        calls: of scripts, which are what stores and what looks for work.
        commands: that clients and scripts have carried out.
        log: bytes of its log, None where it writes none, or writes it anew just now; that makes it smaller.
        rewrites: of its log.
        cpu: seconds of its processor time.
    """

    calls: int
    commands: int
    log: int | None
    rewrites: int
    cpu: float


@contextmanager
def scratch(world: str) -> Iterator[str]:
    """Yield the URL of a world of another name on the same server, whose keys go with the block."""
    name = f"{_PREFIX}{secrets.token_hex(4)}"
    bare, _, query = world.partition("?")
    kept = [each for each in query.split("&") if each and not each.startswith("world=")]
    try:
        yield f"{bare}?{'&'.join([*kept, f'world={name}'])}"
    finally:
        with client_of(parse(world)) as client:
            for key in client.scan_iter(match=Keys(name).prefix + b"*", count=_PAGE):
                client.unlink(key)


def counters(world: str) -> Counters:
    """Return what the server of a world has counted."""
    with client_of(parse(world)) as client:
        stats: dict[str, Any] = client.info("commandstats")
        persistence: dict[str, Any] = client.info("persistence")
        cpu: dict[str, Any] = client.info("cpu")
        rewrites: dict[str, Any] = client.info("stats")
    return Counters(
        int(stats.get("cmdstat_evalsha", {}).get("calls", 0)),
        sum(int(each["calls"]) for each in stats.values()),
        _log_bytes(persistence),
        int(rewrites.get("aof_rewrites", 0)),
        float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"]),
    )


def _log_bytes(persistence: dict[str, Any]) -> int | None:
    is_rewritten = int(persistence.get("aof_rewrite_in_progress", 0)) or int(
        persistence.get("aof_rewrite_scheduled", 0)
    )
    if not int(persistence.get("aof_enabled", 0)) or is_rewritten:
        return None
    return int(persistence["aof_current_size"])
