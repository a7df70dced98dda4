"""A worker that has nothing to do hardly looks for work."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest

from tests.postgres_server import empty, server_url
from tests.redis_server import empty_redis
from torpor import Torpor
from torpor.testing.clock import ManualClock
from torpor.worlds import open_world
from torpor.worlds.postgres.connection import Connection as PostgresConnection
from torpor.worlds.redis.connection import Connection as RedisConnection

SECONDS = 60


def _empty_postgres() -> str:
    url = server_url()
    empty(url)
    return url


@pytest.mark.parametrize(
    ("make_url", "kind", "names"),
    [
        pytest.param(_empty_postgres, PostgresConnection, ("ask", "store"), id="postgres"),
        pytest.param(empty_redis, RedisConnection, ("ask", "ask_of_one_moment", "look", "store"), id="redis"),
    ],
)
async def test_an_idle_worker_looks_for_work_once_a_second_at_most(make_url: Any, kind: type, names: list[str]) -> None:
    """Round trips of a minute that its clock is moved by; signs of life go by real time, and are not counted here."""
    clock = ManualClock()
    asked: list[Any] = []

    def counting(name: str) -> Any:
        method = getattr(kind, name)

        def count(self: Any, *arguments: Any) -> Any:
            asked.append(arguments)
            return method(self, *arguments)

        return count

    app = Torpor(open_world(make_url(), clock), clock=clock)
    async with app, app.worker():
        await _settled(asked)
        with ExitStack() as patches:
            for name in names:
                patches.enter_context(mock.patch.object(kind, name, counting(name)))
            for _ in range(SECONDS):
                clock.advance(1000)
                await _settled(asked)
    assert 0 < len(asked) <= SECONDS


async def _settled(asked: list[Any]) -> None:
    """Return once the worker waits again: a few rounds of the loop in which nothing was asked."""
    quiet = 0
    while quiet < 5:
        before = len(asked)
        await asyncio.to_thread(asked.__len__)
        quiet = quiet + 1 if len(asked) == before else 0
