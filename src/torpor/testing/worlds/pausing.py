"""Runs that are paused, and timers that end early."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, RunNotFoundError
from torpor.model import NOW, Event, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    T,
    begin,
    begin_task,
    claim,
    claim_step,
    ending,
    everything,
    hook,
    new_run,
    outcome,
    ready_at,
    snapshot,
    step,
    steps,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class PausingSuite(Suite):
    """``pause_run``, ``unpause_run`` and ``wake_up``."""

    async def test_a_paused_run_is_nobodys(self, world: World, clock: ManualClock) -> None:
        """Nobody gets its turn, whatever arrives, before it goes on; then what arrived is there."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 9))
        await turn.commit(park=True)
        run = await world.pause_run(RUN)
        assert (run.paused, run.status, run.ready_at) == (True, "running", None)
        clock.advance(9)
        await world.resume_hook("token", b"devl1", "r1")
        assert await take(world) == []
        run = await world.unpause_run(RUN)
        assert (run.paused, run.ready_at) == (False, NOW)
        assert await world.get_run(RUN) == run
        [task] = await take(world)
        assert task.run_id == RUN
        kept = ["run_paused", "wait_completed", "hook_received", "run_unpaused"]
        assert (await types(world))[-4:] == kept

    async def test_pausing_twice_changes_nothing(self, world: World) -> None:
        """Neither does letting go on what is not paused."""
        await (await begin(world)).commit(park=True)
        await world.unpause_run(RUN)
        first = await world.pause_run(RUN)
        before = await everything(world)
        assert await world.pause_run(RUN) == first
        assert await everything(world) == before

    async def test_a_run_that_has_not_begun_is_paused(self, world: World, clock: ManualClock) -> None:
        """It begins when it goes on, and not before its time."""
        await world.create_run(replace(new_run(), starts_at=T + 9))
        await world.pause_run(RUN)
        clock.advance(5)
        assert (await world.unpause_run(RUN)).ready_at == T + 9
        await world.pause_run(RUN)
        clock.advance(5)
        assert await take(world) == []
        await world.unpause_run(RUN)
        assert len(await take(world)) == 1

    async def test_its_steps_are_not_begun(self, world: World, clock: ManualClock) -> None:
        """Those that wait stay where they are, and are ready when they were to be."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_created", 2))
        await turn.commit(tasks=[NewTask("step_01"), NewTask("step_02", T + 50)], park=True)
        await world.pause_run(RUN)
        clock.advance(9)
        assert await take(world) == []
        await world.unpause_run(RUN)
        assert [task.step_id for task in await take(world, turns_max=0)] == ["step_01"]
        assert (await world.load(RUN)).held.steps["step_02"].ready_at == T + 50

    async def test_a_step_that_runs_is_recorded(self, world: World, clock: ManualClock) -> None:
        """It ends and stays its worker's meanwhile; one that is to be tried again waits until the run goes on."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_created", 2))
        await turn.commit(tasks=[NewTask("step_01"), NewTask("step_02")], park=True)
        tasks = {task.step_id: task for task in await take(world, turns_max=0)}
        await world.pause_run(RUN)
        await world.finish_step(outcome(tasks["step_01"], "step_completed"))
        await world.finish_step(outcome(tasks["step_02"], "step_retrying", due=T + 5))
        assert [info.status for info in await steps(world)] == ["completed", "retrying"]
        clock.advance(9)
        assert await take(world) == []
        await world.unpause_run(RUN)
        assert sorted(task.kind for task in await take(world)) == ["step", "turn"]

    async def test_what_a_dead_worker_had_is_paused_too(self, world: World) -> None:
        """Its turn and its steps are nobody's until the run goes on."""
        await begin_task(world)
        await claim_step(world)
        await world.pause_run(RUN)
        await world.release([WORKER])
        assert await take(world, SECOND) == []
        await world.unpause_run(RUN)
        assert len(await take(world, SECOND)) == 2

    async def test_what_is_given_back_is_paused_too(self, world: World, clock: ManualClock) -> None:
        """A turn and a step that their worker snoozes are not ready later."""
        turn = await begin_task(world)
        task = await claim_step(world)
        await world.pause_run(RUN)
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=1, why="busy")
        await world.snooze(RUN, WORKER, turn.task.epoch, delay_ms=1, why="ill")
        clock.advance(9)
        assert await take(world) == []

    async def test_a_turn_stores_nothing_more(self, world: World) -> None:
        """A commit that has consumed or asked for anything is not stored, be it the run's end or a snapshot."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await world.pause_run(RUN)
        before = await everything(world)
        for commit in (
            turn.commit(inputs=[step("step_completed", 1)]),
            turn.commit(step("step_created", 2)),
            turn.commit(ending()),
            turn.commit(snapshot=snapshot(), park=True),
            turn.commit(tasks=[NewTask("step_01")], park=True),
        ):
            committed = await commit
            assert (committed.stored, committed.held) == (False, None)
        assert await everything(world) == before

    async def test_a_turn_hands_over_and_parks(self, world: World) -> None:
        """Steps that its worker runs become tasks, whose outcomes are stored; the claim is given up."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await world.pause_run(RUN)
        held = (await world.load(RUN)).held
        turn.held, turn.head = held, held.run.head
        committed = await turn.commit(tasks=[NewTask("step_01", claimed=True)], park=True)
        assert committed.parked
        run = await world.get_run(RUN)
        assert (run.worker, run.ready_at) == ("", None)
        task = replace(turn.task, kind="step", step_id="step_01", op=1, name="pay", attempt=1)
        await world.finish_step(outcome(task, "step_completed"))
        assert await take(world) == []
        assert (await types(world))[-1] == "step_completed"

    async def test_a_paused_run_may_be_cancelled(self, world: World) -> None:
        """It ends, and cannot be paused any more."""
        await (await begin(world)).commit(park=True)
        await world.pause_run(RUN)
        assert (await world.cancel_run(RUN, "")).status == "cancelled"
        with pytest.raises(EntityConflictError, match="run_paused refused"):
            await world.pause_run(RUN)
        with pytest.raises(EntityConflictError, match="run_unpaused refused"):
            await world.unpause_run(RUN)

    async def test_a_paused_run_that_is_asked_to_end_goes_on(self, world: World) -> None:
        """It may clean up, and cannot be paused while it does."""
        await world.create_run(replace(new_run(), cleanup_ms=9))
        await (await claim(world)).commit(Event("run_started", T), park=True)
        await world.pause_run(RUN)
        await world.cancel_run(RUN, "")
        assert not (await world.get_run(RUN)).paused
        with pytest.raises(EntityConflictError, match="is being cancelled"):
            await world.pause_run(RUN)
        assert [task.run_id for task in await take(world)] == [RUN]

    async def test_an_unknown_run_cannot_be_paused(self, world: World) -> None:
        """The error names it."""
        for asked in (world.pause_run(RUN), world.unpause_run(RUN), world.wake_up(RUN)):
            with pytest.raises(RunNotFoundError, match=RUN):
                await asked

    # Timers

    async def test_timers_end_early(self, world: World) -> None:
        """All that are open, in the order in which they end, or those that are named; the run is woken."""
        turn = await begin(world, RUN, *(wait("wait_created", n, T + 90 - n) for n in (1, 2, 3)))
        await turn.commit(park=True)
        assert await world.wake_up(RUN, ["wait_02", "wait_09"]) == ("wait_02",)
        assert await world.wake_up(RUN) == ("wait_03", "wait_01")
        assert await world.wake_up(RUN) == ()
        assert (await types(world))[-3:] == ["wait_completed"] * 3
        assert await ready_at(world) == NOW
        assert not (await world.load(RUN)).held.waits

    async def test_timers_of_a_paused_run_end_for_later(self, world: World) -> None:
        """They have ended when it goes on; it does not go on for that."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + 90))
        await turn.commit(park=True)
        await world.pause_run(RUN)
        assert await world.wake_up(RUN) == ("wait_01",)
        assert await take(world) == []

    async def test_a_run_that_has_ended_has_no_timers(self, world: World) -> None:
        """It says so."""
        await (await begin(world)).commit(ending())
        with pytest.raises(EntityConflictError, match="is completed"):
            await world.wake_up(RUN)

    async def test_a_turn_meets_a_timer_that_ended(self, world: World) -> None:
        """Who works on the run gets it with the next commit."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + 90))
        await world.wake_up(RUN)
        committed = await turn.commit(Event("hook_created", T, "hook_02", op=2, name="token"))
        assert [event.type for event in committed.foreign] == ["wait_completed"]
        assert await take(world) == []
