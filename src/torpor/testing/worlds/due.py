"""Timers that were due win over what came from outside later, whoever was awake."""

from __future__ import annotations

from typing import Final

import pytest

from torpor.lifecycle import EventType
from torpor.model import NOW, Event
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    begin,
    begin_task,
    claim_step,
    ending,
    hook,
    outcome,
    types,
    wait,
    watching,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

_OUTCOMES: Final[tuple[EventType, ...]] = ("step_completed", "step_failed", "step_retrying")


class DueSuite(Suite):
    """Waits that are due are completed in the transaction that appends an outside event, before it."""

    async def test_a_payload_comes_after_what_was_due(self, world: World, clock: ManualClock) -> None:
        """The wait is completed at the world's time, and the run is ready."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await turn.commit(park=True)
        clock.advance(15)
        await world.resume_hook("token", b"devl1", "r1")
        assert (await world.events(RUN))[-2:] == [
            Event("wait_completed", T + 15, "wait_02", seq=5, op=2),
            Event("hook_received", T + 15, "hook_01", seq=6, op=1, ref="r1", payload=b"devl1"),
        ]
        assert (await world.load(RUN)).held.waits == {}
        assert (await world.get_run(RUN)).ready_at == NOW

    async def test_a_payload_that_was_in_time_comes_first(self, world: World, clock: ManualClock) -> None:
        """A wait that is not due stays open."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await turn.commit(park=True)
        clock.advance(9)
        await world.resume_hook("token", b"devl1", "r1")
        assert (await types(world))[-1] == "hook_received"
        assert [row.due for row in (await world.load(RUN)).held.waits.values()] == [T + 10]

    async def test_a_wait_that_is_due_now_was_due(self, world: World, clock: ManualClock) -> None:
        """To the millisecond."""
        await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        clock.advance(10)
        await world.resume_hook("token", b"devl1", "r1")
        assert (await types(world))[-2:] == ["wait_completed", "hook_received"]

    async def test_waits_are_completed_in_the_order_of_their_times(self, world: World, clock: ManualClock) -> None:
        """Of equals the one that was created first."""
        dues = {3: T + 20, 2: T + 10, 5: T + 5, 4: T + 10, 6: T + 99}
        await begin(world, RUN, hook("hook_created", 1), *(wait("wait_created", n, due) for n, due in dues.items()))
        clock.advance(30)
        await world.resume_hook("token", b"devl1", "r1")
        completed = [event.op for event in await world.events(RUN) if event.type == "wait_completed"]
        assert completed == [5, 2, 4, 3]

    @pytest.mark.parametrize("end", _OUTCOMES)
    async def test_an_outcome_comes_after_what_was_due(self, world: World, clock: ManualClock, end: EventType) -> None:
        """Also a retry, which wakes nobody by itself."""
        turn = await begin_task(world)
        await turn.commit(wait("wait_created", 2, T + 10), park=True)
        task = await claim_step(world)
        clock.advance(10)
        await world.finish_step(outcome(task, end, at=T + 10, due=T + 20))
        assert (await types(world))[-2:] == ["wait_completed", end]
        assert (await world.get_run(RUN)).ready_at in {NOW, T + 10}

    async def test_another_runs_end_comes_after_what_was_due(self, world: World, clock: ManualClock) -> None:
        """For a hook that watches it."""
        child = await begin(world, OTHER)
        await begin(world, RUN, watching(1, OTHER), wait("wait_created", 2, T + 10))
        clock.advance(10)
        await child.commit(ending())
        assert (await types(world))[-2:] == ["wait_completed", "hook_received"]

    async def test_a_turn_that_is_awake_meets_both(self, world: World, clock: ManualClock) -> None:
        """In their order; its own knowledge that the wait is over is refused, because it would come too late."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        clock.advance(10)
        await world.resume_hook("token", b"devl1", "r1")
        committed = await turn.commit(inputs=[wait("wait_completed", 2, at=T + 10)])
        assert not committed.stored
        assert [event.type for event in committed.foreign] == ["wait_completed", "hook_received"]

    async def test_a_repeated_resumption_completes_nothing(self, world: World, clock: ManualClock) -> None:
        """It changes nothing at all."""
        await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await world.resume_hook("token", b"devl1", "r1")
        clock.advance(10)
        await world.resume_hook("token", b"devl1", "r1")
        assert (await types(world))[-1] == "hook_received"

    async def test_waits_of_other_runs_are_left_alone(self, world: World, clock: ManualClock) -> None:
        """However long they are due."""
        turn = await begin(world, OTHER, wait("wait_created", 2, T + 1))
        await turn.commit(park=True)
        await begin(world, RUN, hook("hook_created", 1))
        clock.advance(10)
        await world.resume_hook("token", b"devl1", "r1")
        assert (await types(world, OTHER))[-1] == "wait_created"
