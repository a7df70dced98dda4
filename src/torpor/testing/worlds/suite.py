"""What all groups of the suite share: the fixture that opens a world and closes it again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest_asyncio

from torpor.world import World

MakeWorld = Callable[[], World]


class Suite:
    """
    Base of the groups.

    The author of a world gives a fixture ``make_world``: a function that returns a world, not yet opened, on a store
    that is empty when the test begins and the same for all worlds that it returns during one test.
    """

    @pytest_asyncio.fixture
    async def world(self, make_world: MakeWorld) -> AsyncIterator[World]:
        """Yield an open world."""
        world = make_world()
        await world.open()
        yield world
        await world.close()
