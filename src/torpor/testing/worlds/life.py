"""Who lives: registration, signs of life, and what becomes of the work of the dead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from torpor.errors import LeaseLostError
from torpor.model import Claims
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    LEASE_MS,
    RUN,
    SECOND,
    WORKER,
    T,
    begin,
    begin_task,
    claim,
    claim_step,
    everything,
    new_run,
    outcome,
    request,
    step,
    take,
    worker_row,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

LoseWorker = Callable[[World, str], Awaitable[None]]


class LifeSuite(Suite):
    """``register``, ``heartbeat``, ``release`` and the fence before a claim."""

    async def test_a_registered_worker_is_told_to_others(self, world: World, clock: ManualClock) -> None:
        """With when it was heard of last, by the world's clock, and how long ago."""
        await world.register(worker_row())
        await world.register(worker_row(SECOND))
        clock.advance(10)
        beat = await world.heartbeat(SECOND)
        assert (beat.known, beat.orphans) == (True, 0)
        assert beat.others == (replace(worker_row(), seen_at=T, silent_ms=10),)
        assert await world.workers() == [
            replace(worker_row(), seen_at=T, silent_ms=10),
            replace(worker_row(SECOND), seen_at=T + 10, silent_ms=0),
        ]

    async def test_nobody_who_has_not_registered_gets_work(self, world: World) -> None:
        """Nor is it taken for a sign of life."""
        await world.create_run(new_run())
        assert await world.claim(request()) == Claims(known=False)
        assert not (await world.heartbeat(WORKER)).known
        assert await world.workers() == []
        assert len(await take(world)) == 1

    async def test_a_worker_lives_as_long_as_its_lease(self, world: World, clock: ManualClock) -> None:
        """Up to its very end; each sign of life begins it anew."""
        await world.register(worker_row())
        await world.register(worker_row(SECOND))
        for _ in range(3):
            clock.advance(LEASE_MS)
            await world.heartbeat(WORKER)
            clock.advance(LEASE_MS)
            assert await world.release([WORKER], expired_only=True) == 0
            assert (await world.heartbeat(WORKER)).known
        clock.advance(LEASE_MS + 1)
        await world.release([WORKER], expired_only=True)
        assert not (await world.heartbeat(WORKER)).known

    async def test_a_thawed_worker_is_fenced_before_it_claims(self, world: World, clock: ManualClock) -> None:
        """It was released while it was frozen: neither a claim nor a heartbeat revives it."""
        await world.register(worker_row())
        await world.create_run(new_run())
        clock.advance(LEASE_MS + 1)
        await world.release([WORKER], expired_only=True)
        assert await world.claim(request()) == Claims(known=False)
        assert not (await world.heartbeat(WORKER)).known
        assert await world.claim(request()) == Claims(known=False)

    async def test_a_thawed_worker_registers_anew(self, world: World, clock: ManualClock) -> None:
        """Then it gets work as any other."""
        await world.register(worker_row())
        await world.create_run(new_run())
        clock.advance(LEASE_MS + 1)
        await world.release([WORKER], expired_only=True)
        await world.register(worker_row("wrkr_thawed"))
        assert len((await world.claim(request("wrkr_thawed"))).tasks) == 1

    async def test_a_worker_whose_silence_nobody_noticed_lives_on(self, world: World, clock: ManualClock) -> None:
        """Nobody has taken anything away from it, and its next sign of life begins its lease anew."""
        await world.register(worker_row())
        await world.create_run(new_run())
        clock.advance(LEASE_MS + 1)
        assert [row.expired for row in await world.workers()] == [True]
        assert len((await world.claim(request())).tasks) == 1
        assert (await world.heartbeat(WORKER)).known
        assert [row.expired for row in await world.workers()] == [False]

    async def test_a_frozen_workers_work_goes_on_elsewhere(self, world: World, clock: ManualClock) -> None:
        """What it commits when it thaws is refused."""
        frozen = await begin_task(world)
        task = await claim_step(world)
        clock.advance(LEASE_MS + 1)
        await world.register(worker_row(SECOND))
        [found] = (await world.heartbeat(SECOND)).others
        assert found.expired
        assert await world.release([WORKER], expired_only=True) == 2
        turn = await claim(world, SECOND)
        await turn.commit(step("step_created", 2))
        for late in (frozen.commit(step("step_created", 2)), world.finish_step(outcome(task, "step_completed"))):
            with pytest.raises(LeaseLostError):
                await late

    async def test_a_frozen_worker_whose_work_nobody_took_may_finish_it(self, world: World, clock: ManualClock) -> None:
        """Its claim is good as long as nobody took it away: nothing is done twice."""
        turn = await begin(world)
        clock.advance(LEASE_MS + 1)
        assert (await turn.commit(step("step_created", 1))).stored

    async def test_who_lives_keeps_its_work(self, world: World, clock: ManualClock) -> None:
        """A worker that others took for dead, and that was heard of meanwhile, is left alone."""
        turn = await begin(world)
        clock.advance(LEASE_MS + 1)
        await world.register(worker_row())
        assert await world.release([WORKER], expired_only=True) == 0
        assert [row.id for row in await world.workers()] == [WORKER]
        assert (await turn.commit(step("step_created", 1))).stored

    async def test_a_worker_that_stops_gives_its_work_back(self, world: World) -> None:
        """At once, however long its lease is, and is forgotten."""
        await begin_task(world)
        await claim_step(world)
        assert await world.release([WORKER]) == 2
        assert await world.workers() == []
        assert len(await take(world, SECOND)) == 2

    async def test_only_the_named_workers_lose_their_work(self, world: World) -> None:
        """Others' claims, fences and rows stay."""
        mine = await begin(world, "wrun_1", worker="wrkr_1")
        await begin(world, "wrun_2", worker="wrkr_2")
        await begin(world, "wrun_3", worker="wrkr_3")
        assert await world.release(["wrkr_2", "wrkr_3"]) == 2
        assert [row.id for row in await world.workers()] == ["wrkr_1"]
        assert (await mine.commit(step("step_created", 1))).stored
        again = await take(world)
        assert sorted(task.run_id for task in again) == ["wrun_2", "wrun_3"]

    @pytest.mark.parametrize("names", [[], ["wrkr_unknown"]])
    async def test_nobody_has_nothing_to_release(self, world: World, names: list[str]) -> None:
        """Releasing workers without claims changes nothing."""
        await begin(world)
        before = await everything(world)
        assert await world.release(names) == 0
        assert await everything(world) == before

    async def test_what_nobody_owns_is_released(
        self, world: World, clock: ManualClock, lose_worker: LoseWorker
    ) -> None:
        """A claim whose owner has no row at all is taken away by whoever gives a sign of life next."""
        turn = await begin_task(world)
        await claim_step(world)
        await lose_worker(world, WORKER)
        await world.register(worker_row(SECOND))
        clock.advance(5)
        assert (await world.heartbeat(SECOND)).orphans == 2
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 2))
        assert (await world.get_run(RUN)).queued_at == T + 5
        assert len(await take(world, SECOND)) == 2
        assert (await world.heartbeat(SECOND)).orphans == 0

    async def test_the_claims_of_the_living_are_no_orphans(self, world: World) -> None:
        """A sign of life of one worker leaves the others' work alone, and its own."""
        turn = await begin(world)
        await world.register(worker_row(SECOND))
        for worker in (WORKER, SECOND):
            assert (await world.heartbeat(worker)).orphans == 0
        assert (await turn.commit(step("step_created", 1))).stored
