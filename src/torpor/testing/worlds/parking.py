"""Giving a run up: until something wakes it, or because a worker cannot go on."""

from __future__ import annotations

import pytest

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.model import NOW, Claims, Event, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    SECOND,
    WORKER,
    T,
    ask,
    begin,
    claim,
    ending,
    hook,
    new_run,
    ready_at,
    snapshot,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class ParkSuite(Suite):
    """When a claim is given up, and what wakes the run."""

    async def test_a_parked_run_sleeps(self, world: World, clock: ManualClock) -> None:
        """Without a wait nothing makes it ready."""
        turn = await begin(world)
        assert (await turn.commit(park=True)).parked
        assert await ready_at(world) is None
        clock.advance(T)
        assert await take(world) == []

    async def test_a_parked_run_wakes_for_its_earliest_wait(self, world: World, clock: ManualClock) -> None:
        """Waits that have ended do not count."""
        turn = await begin(world, RUN, *(wait("wait_created", n, T + 10 * n) for n in (3, 1, 2)))
        await turn.commit(inputs=[wait("wait_completed", 1)], park=True)
        assert await ready_at(world) == T + 20
        clock.advance(19)
        assert await take(world) == []
        clock.advance(1)
        assert len(await take(world)) == 1

    async def test_a_wait_that_was_given_up_wakes_nobody(self, world: World, clock: ManualClock) -> None:
        """It is gone with the commit that disposes of it, and the next one counts."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + 10), wait("wait_created", 2, T + 90))
        await turn.commit(wait("wait_disposed", 1), park=True)
        assert [row.id for row in (await world.load(RUN)).held.waits.values()] == ["wait_02"]
        assert await ready_at(world) == T + 90
        clock.advance(50)
        assert await take(world) == []

    async def test_a_wait_that_has_ended_needs_no_giving_up(self, world: World, clock: ManualClock) -> None:
        """What came from outside has completed it before its run could dispose of it: the log says that alone."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        clock.advance(20)
        await world.resume_hook("token", b"devl1", "r1")
        committed = await turn.commit(wait("wait_disposed", 2))
        assert committed.stored
        assert [event.type for event in committed.foreign] == ["wait_completed", "hook_received"]
        assert "wait_disposed" not in await types(world)

    async def test_an_earlier_wake_up_is_forgotten(self, world: World) -> None:
        """What made the run ready has been delivered, and does not make it ready again."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit()
        assert (await turn.commit(park=True)).parked
        assert await ready_at(world) is None

    async def test_a_turn_that_does_not_park_keeps_its_claim(self, world: World, clock: ManualClock) -> None:
        """Nobody else gets the run, however ready it is."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + 1), hook("hook_created", 2))
        await world.resume_hook("token", b"devl1", "r1")
        assert not (await turn.commit()).parked
        clock.advance(1)
        assert await ask(world, SECOND) == Claims()
        assert (await turn.commit()).stored

    async def test_foreign_inputs_keep_a_run_awake(self, world: World) -> None:
        """The turn that hears of them goes on with them."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        committed = await turn.commit(park=True)
        assert committed.stored
        assert len(committed.foreign) == 1
        assert not committed.parked
        assert (await turn.commit(park=True)).parked

    async def test_a_conflict_keeps_a_run_awake(self, world: World) -> None:
        """The VM is to be told at once that the token is taken."""
        await (await begin(world, OTHER, hook("hook_created", 1))).commit(park=True)
        turn = await begin(world)
        committed = await turn.commit(hook("hook_created", 1), park=True)
        assert [event.type for event in committed.answers] == ["hook_conflict"]
        assert not committed.parked

    async def test_a_hook_does_not_keep_a_run_awake(self, world: World) -> None:
        """A run commonly parks with the very commit that makes its hook."""
        turn = await begin(world)
        assert (await turn.commit(hook("hook_created", 1), snapshot=snapshot(), park=True)).parked
        assert [event.type for event in (await world.load(RUN)).events] == ["hook_created"]

    async def test_a_wake_up_makes_a_parked_run_ready(self, world: World, clock: ManualClock) -> None:
        """At once, however far its next wait is."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 1000))
        await turn.commit(park=True)
        clock.advance(5)
        await world.resume_hook("token", b"devl1", "r1")
        run = await world.get_run(RUN)
        assert (run.ready_at, run.queued_at) == (NOW, T + 5)
        assert (await claim(world)).task.run_id == RUN

    async def test_another_wake_up_does_not_delay(self, world: World, clock: ManualClock) -> None:
        """A run that is ready keeps its place in the queue, whatever comes."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await turn.commit(park=True)
        clock.advance(5)
        await world.resume_hook("token", b"devl1", "r1")
        clock.advance(4)
        await world.resume_hook("token", b"devl2", "r2")
        assert (await world.get_run(RUN)).queued_at == T + 5

    async def test_the_end_makes_no_tasks(self, world: World) -> None:
        """A task that comes with the end is nobody's work."""
        for run_id, end in ((RUN, ending()), (OTHER, ending("run_failed"))):
            turn = await begin(world, run_id, step("step_created", 1))
            await turn.commit(end, tasks=[NewTask("step_01")])
            assert await take(world) == []


class SnoozeSuite(Suite):
    """Giving a run back until later, without harm to it."""

    async def test_a_snoozed_run_is_ready_later(self, world: World, clock: ManualClock) -> None:
        """For any worker, and none of its redeliveries count against it."""
        turn = await begin(world)
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="no memory")
        assert await ready_at(world) == T + 30
        clock.advance(29)
        assert await take(world, SECOND) == []
        clock.advance(1)
        assert (await claim(world, SECOND)).task.redeliveries == 1

    async def test_a_snoozed_run_says_why(self, world: World, clock: ManualClock) -> None:
        """How often in a row, too, until something of it is stored."""
        await world.create_run(new_run())
        for n in (1, 2):
            turn = await claim(world)
            await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why=f"no memory {n}")
            clock.advance(30)
        run = await world.get_run(RUN)
        assert (run.snoozes, run.snoozed) == (2, "no memory 2")
        turn = await claim(world)
        await turn.commit(Event("run_started", T))
        run = await world.get_run(RUN)
        assert (run.snoozes, run.snoozed) == (0, "")

    async def test_whatever_wakes_a_run_ends_its_snooze(self, world: World) -> None:
        """A payload is not delayed by what ailed a worker."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="no memory")
        await world.resume_hook("token", b"devl1", "r1")
        assert await ready_at(world) == NOW

    async def test_snoozing_stores_no_event(self, world: World) -> None:
        """The log knows nothing of workers that were ill."""
        turn = await begin(world)
        before = await world.events(RUN)
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="no memory")
        assert await world.events(RUN) == before

    async def test_a_stale_claim_cannot_snooze(self, world: World) -> None:
        """Neither one that was given up nor one that was taken away nor another worker's."""
        turn = await begin(world)
        with pytest.raises(LeaseLostError):
            await world.snooze(RUN, SECOND, turn.task.epoch, delay_ms=30, why="")
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="")
        with pytest.raises(LeaseLostError):
            await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=60, why="")
        assert await ready_at(world) == T + 30

    async def test_an_ended_run_cannot_be_snoozed(self, world: World) -> None:
        """The refusal says how it ended."""
        turn = await begin(world)
        await turn.commit(ending())
        with pytest.raises(EntityConflictError, match=f"{RUN} is completed"):
            await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=30, why="")
