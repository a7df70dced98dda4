"""Steps that must not happen twice: nobody begins one again of which nobody knows how it ended."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import Commit, Event, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    STEPS,
    WORKER,
    T,
    Turn,
    begin,
    claim,
    claim_step,
    open_steps,
    outcome,
    request,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

DONE = Event("step_completed", T, payload=b"devl[1]")


async def begin_once(world: World) -> Turn:
    """Begin a run whose step 1 is a task that a worker has claimed, and that must not happen twice."""
    turn = await begin(world, RUN, step("step_created", 1))
    await turn.commit(tasks=[NewTask("step_01")], park=True)
    claims = await world.claim(request(once=STEPS, turns_max=0))
    assert [task.step_id for task in claims.tasks] == ["step_01"]
    return turn


async def begin_inline(world: World) -> Turn:
    """Begin a run whose turn has begun step 1, which must not happen twice."""
    turn = await begin(world)
    commit = Commit(
        RUN, WORKER, turn.task.epoch, turn.head, outputs=(step("step_created", 1, attempt=1),), once=("step_01",)
    )
    committed = await world.commit(commit, turn.held)
    turn.head, turn.held = committed.head, committed.held
    return turn


class OnceSuite(Suite):
    """What becomes of a step whose effect must not happen twice."""

    async def test_a_lost_attempt_is_not_made_again(self, world: World) -> None:
        """When the worker of the task dies, nobody gets it; the row says why."""
        await begin_once(world)
        await world.release([WORKER])
        assert await take(world, SECOND, once=STEPS, turns_max=0) == []
        (row,) = await open_steps(world)
        assert (row.status, row.attempt, row.worker, row.ready_at) == ("blocked", 1, "", None)
        assert "its worker died in attempt 1" in row.snoozed
        assert await world.waiting_steps() == []

    async def test_other_steps_are_made_again(self, world: World) -> None:
        """As ever."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        await claim_step(world)
        await world.release([WORKER])
        assert (await take(world, SECOND, turns_max=0))[0].attempt == 2

    async def test_who_was_presumed_dead_is_too_late(self, world: World) -> None:
        """What it tells is refused: somebody may have resolved the step otherwise."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        (task,) = (await world.claim(request(once=STEPS, turns_max=0))).tasks
        await world.release([WORKER])
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))

    async def test_one_that_was_not_begun_is_taken_again(self, world: World) -> None:
        """A worker that gives the task back before its attempt leaves it as it was."""
        await begin_once(world)
        (row,) = await open_steps(world)
        await world.snooze_step(RUN, "step_01", WORKER, row.epoch, delay_ms=0, why="no key")
        (row,) = await open_steps(world)
        assert (row.status, row.once) == ("pending", False)
        assert [task.attempt for task in await take(world, once=STEPS, turns_max=0)] == [1]

    async def test_a_turn_marks_what_it_begins(self, world: World) -> None:
        """The next turn sees that a step has begun and must not begin again, and blocks it."""
        turn = await begin_inline(world)
        assert (await world.load(RUN)).held.steps["step_01"].once
        await turn.commit(replace(step("step_blocked", 1), ref="lost"), park=True)
        (row,) = await open_steps(world)
        assert (row.status, row.snoozed, row.task) == ("blocked", "lost", False)

    async def test_a_body_may_say_that_it_does_not_know(self, world: World) -> None:
        """The outcome is an event, and wakes nobody."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01")], park=True)
        await world.finish_step(outcome(await claim_step(world), "step_blocked"))
        assert (await types(world))[-1] == "step_blocked"
        assert await take(world) == []

    @pytest.mark.parametrize("end", ["step_completed", "step_failed"])
    async def test_somebody_resolves_it(self, world: World, clock: ManualClock, end: EventType) -> None:
        """With a result or an error, which the run is woken for."""
        await begin_once(world)
        await world.release([WORKER])
        clock.advance(5)
        await world.resolve_step(RUN, "step_01", replace(DONE, type=end, at=T + 5))
        last = (await world.events(RUN))[-1]
        assert (last.type, last.id, last.op, last.name, last.attempt) == (end, "step_01", 1, "pay", 1)
        assert (last.at, last.payload) == (T + 5, DONE.payload)
        assert await open_steps(world) == []
        assert (await claim(world, SECOND)).task.run_id == RUN

    async def test_what_was_due_comes_first(self, world: World, clock: ManualClock) -> None:
        """As before everything that comes from outside."""
        turn = await begin_inline(world)
        await turn.commit(wait("wait_created", 2, T + 5), step("step_blocked", 1), park=True)
        clock.advance(7)
        await world.resolve_step(RUN, "step_01", DONE)
        assert (await types(world))[-2:] == ["wait_completed", "step_completed"]

    async def test_only_what_is_blocked_is_resolved(self, world: World) -> None:
        """A step that runs, that has ended, or that there is none, and those of ended runs, are refused."""
        await begin_once(world)
        for unknown in ("step_01", "step_99"):
            with pytest.raises(EntityConflictError, match=f"{unknown} of run {RUN}"):
                await world.resolve_step(RUN, unknown, DONE)
        await world.release([WORKER])
        await world.resolve_step(RUN, "step_01", DONE)
        with pytest.raises(EntityConflictError, match="has ended"):
            await world.resolve_step(RUN, "step_01", DONE)
        with pytest.raises(RunNotFoundError):
            await world.resolve_step("wrun_none", "step_01", DONE)

    async def test_an_ended_run_is_not_resolved(self, world: World) -> None:
        """The refusal says how it ended."""
        await begin_once(world)
        await world.release([WORKER])
        await world.cancel_run(RUN, "")
        with pytest.raises(EntityConflictError, match="is cancelled"):
            await world.resolve_step(RUN, "step_01", DONE)
