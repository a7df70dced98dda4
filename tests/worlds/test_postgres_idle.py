"""A worker that has nothing to do hardly looks for work."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest import mock

from tests.postgres_server import empty, server_url
from torpor import Torpor
from torpor.testing.clock import ManualClock
from torpor.worlds import open_world
from torpor.worlds.postgres.connection import Connection

SECONDS = 60


async def test_an_idle_worker_looks_for_work_once_a_second_at_most() -> None:
    """Round trips of a minute that its clock is moved by; signs of life go by real time, and are not counted here."""
    url = server_url()
    empty(url)
    clock = ManualClock()
    asked: list[Any] = []
    ask, store = Connection.ask, Connection.store

    def asking(self: Connection, *statements: Any) -> Any:
        asked.append(statements)
        return ask(self, *statements)

    def storing(self: Connection, statements: Any) -> None:
        asked.append(statements)
        store(self, statements)

    app = Torpor(open_world(url, clock), clock=clock)
    async with app, app.worker():
        await _settled(asked)
        with mock.patch.object(Connection, "ask", asking), mock.patch.object(Connection, "store", storing):
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
