"""The worlds that a soak may have, by name: each sets a place up, and says what makes trouble there."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from tests.crash.soak.clock import SharedClock
from tests.crash.soak.database import Database
from tests.crash.soak.gateway import Gateway
from tests.crash.soak.keyvalue import KEPT, KeyValue
from tests.crash.soak.place import Place
from tests.crash.soak.trouble import Trouble
from tests.redis_server import started
from tests.servers.databases import folder
from torpor.http.tokens import make_token, store_token


class Stage(msgspec.Struct, frozen=True):
    """
    A world that is set up.

    Attributes:
        place: where, as workers are to know it.
        trouble: who makes trouble there, None when there is no process to trouble.
    """

    place: Place
    trouble: Trouble | None = None


@asynccontextmanager
async def _file(place: Place, _dice: random.Random) -> AsyncIterator[Stage]:
    yield Stage(place)


@asynccontextmanager
async def _http(place: Place, dice: random.Random) -> AsyncIterator[Stage]:
    world = place.world_itself()
    await world.open()
    made = make_token(SharedClock(place.clock).now(), ("work",))
    await store_token(world, made.token)
    await world.close()
    gateway = Gateway(place, dice)
    async with gateway.open() as url:
        yield Stage(replace(place, server=url, token=made.text), gateway)


@asynccontextmanager
async def _postgres(place: Place, dice: random.Random) -> AsyncIterator[Stage]:
    with folder() as home:
        database = Database(home, dice)
        try:
            await asyncio.to_thread(database.make)
            yield Stage(replace(place, database=database.url), database)
        finally:
            await asyncio.to_thread(database.stop)


@asynccontextmanager
async def _redis(place: Place, dice: random.Random) -> AsyncIterator[Stage]:
    with started(*KEPT) as server:
        yield Stage(replace(place, database=server.url), KeyValue(server, dice))


STAGES: Final[Mapping[str, Callable[[Place, random.Random], AbstractAsyncContextManager[Stage]]]] = {
    "sqlite": _file,
    "http": _http,
    "postgres": _postgres,
    "redis": _redis,
}
"""By the name that the command takes. A new world needs an entry here, and :class:`Trouble` if it is a process."""


def file_faults(path: Path) -> list[str]:
    """Return what SQLite finds wrong with a database, nothing where there is none."""
    if not path.exists():
        return []
    db = sqlite3.connect(path)
    try:
        rows = [*db.execute("PRAGMA integrity_check"), *db.execute("PRAGMA foreign_key_check")]
    finally:
        db.close()
    return [f"the file: {row}" for row in rows if row != ("ok",)]
