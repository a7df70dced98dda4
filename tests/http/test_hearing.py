"""A server that was away, or stood still, takes nobody for dead who could not tell it that he lives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest

from torpor.client import Client
from torpor.http.asgi import asgi
from torpor.http.hearing import Hearing
from torpor.http.service import Service
from torpor.http.tokens import make_token
from torpor.model import WorkerRow
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import RUN, T, new_run, take, worker_row
from torpor.world import World
from torpor.worlds.http import HttpWorld
from torpor.worlds.memory import MemoryWorld

LEASE_MS = 15_000
FIRST, SECOND = "wrkr_first", "wrkr_second"


class Place:
    """A world behind a server that may be replaced, and two workers that have it so."""

    def __init__(self) -> None:
        self.clock = ManualClock(T)
        self._world = MemoryWorld("memory://", self.clock)
        self._made = make_token(T, ("work",))
        self.restart()

    def restart(self) -> None:
        """Put a new server in the place of the one that was."""
        self.service = Service(Client(self._world))
        self._app = asgi(self.service.client, tokens=[self._made.token], service=self.service)

    def world(self) -> World:
        """Return the world as a worker has it."""
        return cast(World, HttpWorld("http://127.0.0.1:1", self.clock, self._made.text, _Way(self)))

    async def answer(self, asked: httpx.Request) -> httpx.Response:
        """Answer as the server that is there now."""
        return await httpx.ASGITransport(self._app).handle_async_request(asked)


class _Way(httpx.AsyncBaseTransport):
    def __init__(self, place: Place) -> None:
        self._place = place

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._place.answer(request)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    """Yield a place."""
    made = Place()
    yield made
    made.service.stopping.set()
    await made.service.given_up()


@pytest.fixture
async def world(place: Place) -> AsyncIterator[World]:
    """Yield the world, open, where both workers are at work and the second one has a run."""
    world = place.world()
    await world.open()
    for worker in (FIRST, SECOND):
        await world.register(worker_row(worker, lease_ms=LEASE_MS))
    await world.create_run(new_run())
    await take(world, SECOND)
    yield world
    await world.close()


async def _expired(world: World) -> list[str]:
    """Return who is presumed dead, by the answer to a heartbeat of the first worker."""
    return [row.id for row in (await world.heartbeat(FIRST)).others if row.expired]


async def test_who_is_silent_has_expired(place: Place, world: World) -> None:
    """While the server is there all the time."""
    place.clock.advance(LEASE_MS + 1)
    assert await _expired(world) == [SECOND]
    assert await world.release([SECOND], expired_only=True) == 1
    assert (await world.get_run(RUN)).worker == ""


async def test_a_new_server_gives_everybody_a_lease(place: Place, world: World) -> None:
    """Nobody could tell it that he lives before it was there; who still does not is dead."""
    place.clock.advance(LEASE_MS + 1)
    place.restart()
    assert await _expired(world) == []
    assert [row.id for row in await world.workers() if row.expired] == []
    assert await world.release([SECOND], expired_only=True) == 0
    assert (await world.get_run(RUN)).worker == SECOND
    place.clock.advance(LEASE_MS + 1)
    assert await _expired(world) == [SECOND]
    assert await world.release([SECOND], expired_only=True) == 1


async def test_a_server_that_stood_still_does_so_too(place: Place, world: World) -> None:
    """It notices by its own looks, which are far apart then."""
    hearing = place.service.part(Hearing)
    place.clock.advance(LEASE_MS + 1)
    hearing.look(place.clock, 1.1)
    assert await _expired(world) == [SECOND]
    hearing.look(place.clock, 16.0)
    assert await _expired(world) == []


async def test_whoever_is_known_to_be_gone_is_released_at_once(place: Place, world: World) -> None:
    """A process that has ended, on whose machine somebody has looked, has no lease any more."""
    place.restart()
    assert await world.release([SECOND]) == 1


async def test_a_sign_of_life_counts_when_it_comes() -> None:
    """However long the world takes to note it."""
    clock, hearing = ManualClock(T), Hearing()
    hearing.begin(clock)
    clock.advance(LEASE_MS)
    noted = asyncio.Event()

    class Slow:
        """A world that is busy."""

        def __init__(self) -> None:
            self.clock = clock

        async def heartbeat(self, worker_id: str) -> None:
            """Note it later."""
            await noted.wait()

    slow: Any = Slow()
    waiting = asyncio.create_task(hearing.answer(slow, "heartbeat", {"worker_id": SECOND}))
    await asyncio.sleep(0)
    clock.advance(100)
    silent = WorkerRow(SECOND, "there", 1, 1, LEASE_MS, silent_ms=LEASE_MS + 100)
    assert hearing.known(silent, clock).silent_ms == 100
    assert hearing.known(WorkerRow(FIRST, "there", 1, 1, LEASE_MS, silent_ms=7), clock).silent_ms == 7
    noted.set()
    await waiting
