"""Whatever is damaged in whatever key of a run on Redis: nothing but this run is stopped, and doctor names it."""

from __future__ import annotations

import asyncio
import random
from typing import Any, Final

import pytest

from tests.damage.sound_redis import WORLD, copy_sound, sound
from tests.damage.story import VICTIM, carry_on
from tests.redis_server import shared_server
from torpor.worlds.redis.keys import OF_RUN

__all__ = ["sound"]

_HOW: Final = ("gone", "of another type", "cut", "flipped", "a field less")

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def _damage(server: Any, key: bytes, how: str, dice: random.Random) -> str:
    """Damage one key; return what was done in words, "" when that cannot be done with it."""
    kind = server.type(key)
    if how == "gone":
        server.delete(key)
        return f"{key!r} is gone"
    if how == "of another type":
        server.delete(key)
        server.set(key, b"nonsense")
        return f"{key!r} is a text"
    if kind == b"list":
        at = dice.randrange(server.llen(key))
        old = server.lindex(key, at)
        if how == "a field less":
            server.lset(key, at, b"-")
            server.lrem(key, 1, "-")
        else:
            server.lset(key, at, _changed(old, how, dice))
        return f"{key!r}[{at}] is {how}"
    if kind == b"hash":
        field = dice.choice(sorted(server.hkeys(key)))
        if how == "a field less":
            server.hdel(key, field)
        else:
            server.hset(key, field, _changed(server.hget(key, field), how, dice))
        return f"{field!r} of {key!r} is {how}"
    return ""


def _changed(old: Any, how: str, dice: random.Random) -> bytes:
    if how == "cut" or not old:
        return bytes(old[: len(old) // 2])
    data = bytearray(old)
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(data)


@pytest.mark.parametrize("kind", OF_RUN)
def test_a_damaged_key_stops_nothing_but_its_run(kind: str, sound: Any, rounds: int) -> None:
    """It crashes and hangs nobody, claims and commits of others go on, and its run is never failed for it."""
    for number in range(rounds):
        dice = random.Random(f"{kind}-{number}")  # repeatable
        copy_sound(sound)
        keys = sorted(sound.keys(WORLD + f"{kind}:{VICTIM}*".encode()))
        if not keys:
            continue
        how = _HOW[number % len(_HOW)] if rounds <= len(_HOW) else dice.choice(_HOW)
        told = _damage(sound, dice.choice(keys), how, dice)
        if not told:
            continue
        try:
            named, end = asyncio.run(carry_on(shared_server().url, shared=False))
        except Exception as error:
            raise AssertionError(f"{told}: {error!r}") from error
        if how in ("gone", "of another type", "cut"):
            assert end in ("as ever", "given back", "damaged", "gone", "waits"), f"{told}: {end}"
            assert end == "as ever" or named, f"{told}: it {end}, and nobody is told"
