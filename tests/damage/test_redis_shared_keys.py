"""Damaged and foreign keys on Redis that belong to no run: doctor names them, and healthy runs go on where they can."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest

from tests.damage.sound_redis import WORLD, copy_sound, sound
from tests.damage.story import carry_on
from tests.redis_server import shared_server
from torpor.errors import ConfigurationError, DamagedError, WorldError
from torpor.testing.worlds.story import new_run
from torpor.testing.worlds.suite import opened
from torpor.worlds import open_world
from torpor.worlds.redis.keys import OF_RUN, SHARED

__all__ = ["sound"]

_JUNK: Final = b"\xc1\xff junk of somebody else's"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def server(sound: Any) -> Any:
    """A server with a copy of the sound world."""
    copy_sound(sound)
    return sound


def _keys(server: Any, kind: str) -> list[bytes]:
    """Return the keys of a kind; where the world has none, as one would be called."""
    first = WORLD + kind.encode()
    found = [key for key in server.keys(first + b"*") if key.removeprefix(WORLD).split(b":")[0] == kind.encode()]
    return sorted(found) or [first]


async def _named() -> set[str]:
    async with opened(open_world(shared_server().url)) as world:
        return {damage.row for damage in await world.damaged()}


def test_every_kind_of_key_is_known(server: Any) -> None:
    """What a world has is in one of the two lists, which say of which type it is; nothing of it is damaged."""
    kinds = {key[len(WORLD) :].split(b":")[0].decode(): server.type(key).decode() for key in server.keys(WORLD + b"*")}
    assert {kind: ({**OF_RUN, **SHARED}).get(kind) for kind in kinds} == kinds
    assert asyncio.run(_named()) == set()


@pytest.mark.parametrize("kind", sorted(SHARED.keys() - {"format"}))
def test_a_key_of_another_type_is_named(kind: str, server: Any) -> None:
    """Whatever else of the world can be looked at no more for that."""
    key = _keys(server, kind)[0]
    server.delete(key)
    server.hset(key, "a", "b") if SHARED[kind] != "hash" else server.set(key, "nonsense")
    assert f"key {kind}" in asyncio.run(_named())


def test_a_key_that_nobody_knows_is_named(server: Any) -> None:
    """It may be of another program, or of a newer version."""
    server.set(WORLD + b"strange:thing", "1")
    assert asyncio.run(_named()) == {"key strange"}


_LOOKED_AT: Final = (
    *("routes", "ready", "later", "runs", "status", "keys", "slots"),
    *("queues", "schedules", "deployments", "workers", "beats"),
)


@pytest.mark.parametrize("kind", _LOOKED_AT)
def test_who_does_not_belong_there_stops_nobody(kind: str, server: Any) -> None:
    """A member, or a field, that is none of ours is left aside: all runs end as ever."""
    for key in _keys(server, kind):
        if SHARED[kind] == "hash":
            server.hset(key, _JUNK, _JUNK)
        else:
            server.zadd(key, {_JUNK[:2]: 0})
    named, _ = asyncio.run(carry_on(shared_server().url, shared=False))
    assert named <= {f"key {kind}"}
    assert kind in ("ready", "slots") or named, "somebody is told"


@pytest.mark.parametrize("what", [b"", b"\xc1", b"12x"])
def test_a_counter_that_is_none_is_told(what: bytes, server: Any) -> None:
    """Runs are not started, and the error says where to read what to do."""
    server.set(WORLD + b"created", what)

    async def start() -> None:
        async with opened(open_world(shared_server().url)) as world:
            with pytest.raises((WorldError, DamagedError), match="a counter of the world is damaged; `torpor doctor`"):
                await world.create_run(new_run())
            [damage] = await world.damaged()
            assert "set it to" in damage.problem

    asyncio.run(start())


def test_a_format_that_is_none_is_told(server: Any) -> None:
    """It may be somebody else's key."""
    server.set(WORLD + b"format", b"mine")
    with pytest.raises(ConfigurationError, match="says b'mine' instead of a world's format"):
        asyncio.run(_named())
