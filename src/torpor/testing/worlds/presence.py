"""Who is connected: what becomes of the work of those whose connection does not come back."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from torpor.model import GONE_MS, WorkerRow
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import RUN, SECOND, WORKER, begin, worker_row
from torpor.testing.worlds.suite import PATIENCE_SECONDS, MakeWorld, Suite, opened
from torpor.world import World


class PresenceSuite(Suite):
    """``WorkerRow.gone_ms``, of worlds that see who is connected; in all others nobody is ever gone."""

    async def test_work_of_who_is_gone_goes_on_elsewhere(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Two seconds after its connection was missed, long before its lease has passed."""
        await _begin_and_go(make_world(clock))
        await _missed(world)
        clock.advance(GONE_MS - 1)
        assert not (await _seen(world)).expired
        assert await world.release([WORKER], expired_only=True) == 0
        clock.advance(1)
        sees = world.capabilities.presence != ""
        assert (await _seen(world)).expired == sees
        assert await world.release([WORKER], expired_only=True) == sees
        assert (await world.get_run(RUN)).worker == ("" if sees else WORKER)

    async def test_who_is_back_is_not_gone(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """Its absence counts from the start when it goes another time."""
        there = make_world(clock)
        await _begin_and_go(there)
        await _missed(world)
        clock.advance(GONE_MS - 1)
        assert not (await _seen(world)).expired
        async with opened(there):
            clock.advance(1)
            assert (await _seen(world)).gone_ms is None
            assert await world.release([WORKER], expired_only=True) == 0
        await _missed(world)
        clock.advance(GONE_MS - 1)
        assert not (await _seen(world)).expired

    async def test_who_is_heard_of_is_not_gone(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """A sign of life is one, whatever has become of the connection that is looked at."""
        await _begin_and_go(make_world(clock))
        await _missed(world)
        clock.advance(GONE_MS - 1)
        await _seen(world)
        assert (await world.heartbeat(WORKER)).known
        await _missed(world)
        clock.advance(GONE_MS - 1)
        assert not (await _seen(world)).expired

    async def test_who_did_not_look_for_long_does_not_judge(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """What is gone now as it was long ago may have been there in between."""
        await _begin_and_go(make_world(clock))
        await _missed(world)
        clock.advance(10 * GONE_MS)
        assert await world.release([WORKER], expired_only=True) == 0
        assert not (await _seen(world)).expired

    async def test_who_shows_nothing_is_never_gone(self, world: World) -> None:
        """As a worker behind a pooler, or behind another server."""
        await world.register(worker_row())
        assert (await _seen(world)).gone_ms is None


async def _begin_and_go(there: World) -> None:
    """Have a worker begin a turn over a connection that goes."""
    async with opened(there):
        await there.register(replace(worker_row(), presence=there.capabilities.presence))
        await begin(there)


async def _missed(world: World) -> None:
    """Return once the world has seen that a worker is gone, which a server may learn some moments later."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while world.capabilities.presence and (await _seen(world)).gone_ms != 0:
            pass


async def _seen(world: World) -> WorkerRow:
    """Return what another worker is told of a worker."""
    await world.register(worker_row(SECOND))
    [other] = (await world.heartbeat(SECOND)).others
    return other
