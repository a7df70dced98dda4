"""Clocks that disagree, jump and stand still: they delay nobody, kill nobody and turn no log back."""

from __future__ import annotations

from itertools import pairwise

import pytest

from torpor.model import NOW, Claims, NewTask
from torpor.testing.clock import ManualClock, SkewedClock
from torpor.testing.worlds.story import (
    LEASE_MS,
    RUN,
    SECOND,
    WORKER,
    T,
    ask,
    begin,
    claim,
    claim_step,
    hook,
    new_run,
    outcome,
    request,
    step,
    take,
    wait,
    worker_row,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, opened
from torpor.world import World

HOUR = 3_600_000


class TimesSuite(Suite):
    """What the world's clock decides, and what no clock may do."""

    async def test_the_clock_that_is_given_is_the_worlds(self, world: World, clock: ManualClock) -> None:
        """It dates what the world writes."""
        assert world.clock is clock
        clock.set(T + HOUR)
        assert (await world.create_run(new_run())).created_at == T + HOUR

    @pytest.mark.parametrize("ahead", [HOUR * 3, -HOUR * 3])
    async def test_a_skewed_starter_delays_nobody(
        self, world: World, make_world: MakeWorld, clock: ManualClock, ahead: int
    ) -> None:
        """What it starts, resumes and cancels is ready at once for workers with another clock."""
        async with opened(make_world(SkewedClock(clock, ahead))) as skewed:
            await skewed.create_run(new_run())
            turn = await claim(world)
            await turn.commit(*(hook("hook_created", n, f"t{n}") for n in (1, 2)), park=True)
            await skewed.resume_hook("t1", b"devl1", "r1")
            assert (await claim(world)).task.run_id == RUN

    @pytest.mark.parametrize("ahead", [HOUR * 3, -HOUR * 3])
    async def test_a_skewed_worker_delays_nobody(
        self, world: World, make_world: MakeWorld, clock: ManualClock, ahead: int
    ) -> None:
        """What it hands over, finishes and gives back is ready at once for the others."""
        async with opened(make_world(SkewedClock(clock, ahead))) as skewed:
            turn = await begin(skewed, RUN, *(step("step_created", n, T + ahead) for n in (1, 2)), worker=SECOND)
            await turn.commit(tasks=[NewTask("step_01"), NewTask("step_02")], park=True)
            task, _ = await take(world)
            await world.finish_step(outcome(task, "step_completed"))
            await claim(skewed, SECOND)
            await skewed.release([SECOND])
            assert (await claim(world)).task.run_id == RUN

    @pytest.mark.parametrize("ahead", [HOUR * 3, -HOUR * 3])
    async def test_workers_with_skewed_clocks_live_side_by_side(
        self, world: World, make_world: MakeWorld, clock: ManualClock, ahead: int
    ) -> None:
        """Neither takes the other for dead, however far apart their walls are."""
        async with opened(make_world(SkewedClock(clock, ahead))) as skewed:
            await world.register(worker_row())
            await skewed.register(worker_row(SECOND))
            for _ in range(3):
                clock.advance(LEASE_MS - 1)
                for one, name in ((world, WORKER), (skewed, SECOND)):
                    beat = await one.heartbeat(name)
                    assert beat.known
                    assert not any(row.expired for row in beat.others)
                    assert await one.release([row.id for row in beat.others], expired_only=True) == 0
            assert len(await world.workers()) == 2

    @pytest.mark.parametrize("jump", [HOUR * 5, -HOUR * 5])
    async def test_a_clock_that_jumps_kills_nobody(self, world: World, clock: ManualClock, jump: int) -> None:
        """Leases are measured by a clock that does not."""
        await world.register(worker_row(SECOND))
        turn = await begin(world)
        clock.jump(jump)
        beat = await world.heartbeat(SECOND)
        assert beat.known
        assert not any(row.expired for row in beat.others)
        assert await world.release([WORKER], expired_only=True) == 0
        assert (await world.claim(request())).known
        assert (await turn.commit(step("step_created", 1))).stored

    async def test_workers_that_slept_together_live(self, world: World, clock: ManualClock) -> None:
        """A laptop that was shut for a night: the wall went on, and no time passed that anybody could have used."""
        for name in (WORKER, SECOND):
            await world.register(worker_row(name))
        clock.jump(10 * HOUR)
        assert [row.expired for row in await world.workers()] == [False, False]

    @pytest.mark.parametrize("jump", [HOUR * 5, -HOUR * 5])
    async def test_a_clock_that_jumps_delays_nothing_that_is_ready(
        self, world: World, clock: ManualClock, jump: int
    ) -> None:
        """At once is no time."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        await world.create_run(new_run("wrun_1"))
        clock.jump(jump)
        assert [task.kind for task in await take(world)] == ["turn", "step"]

    async def test_timers_follow_the_wall_as_it_is_set(self, world: World, clock: ManualClock) -> None:
        """One of noon is due at noon, whoever sets the clock, and however long that is from now."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + HOUR))
        await turn.commit(park=True)
        clock.jump(-HOUR)
        clock.advance(HOUR)
        assert await take(world) == []
        clock.set(T + HOUR)
        assert len(await take(world)) == 1

    async def test_what_was_due_and_not_taken_waits_again(self, world: World, clock: ManualClock) -> None:
        """Somebody with little room saw two that were due; once the clock is put back the other one is not."""
        for run_id in ("wrun_1", "wrun_2"):
            turn = await begin(world, run_id, wait("wait_created", 1, T + HOUR))
            await turn.commit(park=True)
        clock.set(T + HOUR)
        assert len(await take(world, turns_max=1)) == 1
        clock.jump(-HOUR)
        assert await ask(world) == Claims(next_at=T + HOUR)
        clock.set(T + HOUR)
        assert len(await take(world)) == 1

    async def test_pauses_follow_the_wall_as_it_is_set(self, world: World, clock: ManualClock) -> None:
        """One before a retry, or of a run that was given back, ends at a moment: putting the clock back prolongs it."""
        turn = await begin(world, RUN, step("step_created", 1), hook("hook_created", 2))
        await turn.commit(tasks=[NewTask("step_01")])
        await world.finish_step(outcome(await claim_step(world), "step_retrying", due=T + 1_000))
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=1_000, why="no memory")
        clock.jump(-HOUR)
        clock.advance(HOUR + 999)
        assert await take(world) == []
        clock.advance(1)
        assert [task.kind for task in await take(world)] == ["turn", "step"]

    async def test_a_payload_ends_the_pause_of_a_run(self, world: World, clock: ManualClock) -> None:
        """However far away a clock that was put back has made its end."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=1_000, why="no memory")
        clock.jump(-HOUR)
        await world.resume_hook("token", b"devl1", "r1")
        assert [task.kind for task in await take(world)] == ["turn"]

    async def test_timers_are_the_worlds_to_decide(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """A snooze is measured from the world's time, and so is what is due when a payload comes."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + HOUR))
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=10, why="")
        assert (await world.get_run(RUN)).ready_at == T + 10
        async with opened(make_world(SkewedClock(clock, HOUR))) as ahead:
            await ahead.resume_hook("token", b"devl1", "r1")
        assert [event.type for event in (await world.events(RUN))[-2:]] == ["wait_completed", "hook_received"]

    async def test_a_log_never_goes_backwards(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """Whoever wrote its events, and however their clocks were set."""
        async with opened(make_world(SkewedClock(clock, -2 * HOUR))) as behind:
            turn = await begin(world, RUN, step("step_created", 1), *(hook("hook_created", n, f"t{n}") for n in (2, 3)))
            await turn.commit(tasks=[NewTask("step_01")], park=True)
            clock.jump(2 * HOUR)
            await world.resume_hook("t2", b"devl1", "r1")
            clock.jump(-3 * HOUR)
            await behind.resume_hook("t3", b"devl1", "r1")
            await world.finish_step(outcome(await claim_step(world), "step_completed", at=T - HOUR))
            await behind.cancel_run(RUN, "")
        times = [event.at for event in await world.events(RUN)]
        assert all(before <= after for before, after in pairwise(times))
        assert times[-4:] == [T + 2 * HOUR] * 4

    async def test_a_run_that_was_dated_in_the_future_goes_on_now(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """Its log stays where it is; its turns and tasks do not wait for the others' clocks to get there."""
        async with opened(make_world(SkewedClock(clock, 5 * HOUR))) as ahead:
            turn = await begin(ahead, RUN, step("step_created", 1, T + 5 * HOUR))
            await turn.commit(tasks=[NewTask("step_01")], park=True)
        await world.finish_step(outcome(await claim_step(world), "step_retrying", due=T))
        task = await claim_step(world)
        await world.finish_step(outcome(task, "step_completed"))
        run = await world.get_run(RUN)
        assert (run.ready_at, run.latest_at) == (NOW, T + 5 * HOUR)
        assert len(await take(world)) == 1
