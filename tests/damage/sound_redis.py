"""A world on Redis in which nothing is damaged, and copies of it to damage."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import pytest
import redis

from tests.damage.story import make
from tests.redis_server import empty_redis, shared_server

WORLD: Final = b"{torpor}:"
"""With what the keys of the copy begin."""

_SOUND: Final = b"{sound}:"


@pytest.fixture(scope="module")
def sound() -> Any:
    """A server with a world, of another name, in which nothing is damaged."""
    url = empty_redis()
    asyncio.run(make(f"{url}?world=sound"))
    return redis.Redis(unix_socket_path=str(shared_server().socket))


def copy_sound(server: Any) -> None:
    """Have the sound world a second time, under the name that worlds have."""
    for key in server.keys(WORLD + b"*"):
        server.delete(key)
    for key in server.keys(_SOUND + b"*"):
        server.execute_command("COPY", key, WORLD + key.removeprefix(_SOUND))
