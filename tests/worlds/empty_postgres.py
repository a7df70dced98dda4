"""A world on a Postgres server, empty and open: fixtures of tests of the back end itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.postgres_server import empty, server_url
from torpor.worlds import open_world
from torpor.worlds.postgres import PostgresWorld


@pytest.fixture(scope="module")
def server() -> str:
    """Return the URL of a server."""
    return server_url()


@pytest.fixture
async def world(server: str) -> AsyncIterator[PostgresWorld]:
    """Yield an open world, with the server's clock."""
    empty(server)
    world = open_world(server)
    assert isinstance(world, PostgresWorld)
    await world.open()
    yield world
    await world.close()
