"""Step tasks: steps that leave their turn, and how their attempts end."""

from __future__ import annotations

import pytest

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.lifecycle import EventType
from torpor.model import Event, NewTask, Task
from torpor.testing.worlds.story import (
    GUESTS,
    RUN,
    WORKER,
    T,
    begin,
    begin_task,
    claim,
    claim_step,
    ending,
    everything,
    outcome,
    step,
    types,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class StepsSuite(Suite):
    """Tasks from :class:`~torpor.model.NewTask` to :meth:`~torpor.world.Turns.finish_step`."""

    async def test_a_task_is_ready_when_it_says(self, world: World) -> None:
        """Not before."""
        await begin_task(world, ready_at=T + 10)
        assert await world.next_ready_at(guests=GUESTS) == T + 10
        assert await world.claim(WORKER, T + 9, turns=9, steps=9, guests=GUESTS) == []
        assert len(await world.claim(WORKER, T + 10, turns=9, steps=9, guests=GUESTS)) == 1

    async def test_a_claimed_task_says_what_to_do(self, world: World) -> None:
        """It carries the step's name, input and attempt, its fence, and what the step may know of its run."""
        await begin_task(world, 4)
        assert await claim_step(world) == Task(
            kind="step",
            run_id=RUN,
            epoch=1,
            redeliveries=1,
            step_id="step_04",
            op=4,
            name="pay",
            attempt=1,
            failures=0,
            input=b"devl[4]",
            workflow="order",
            created_at=T,
        )

    async def test_a_claim_is_an_event(self, world: World) -> None:
        """The log says who started which attempt when, and the turn is left alone."""
        await begin_task(world, 4)
        await claim_step(world, at=T + 3)
        [event] = await world.events(RUN, after=3)
        assert event == Event("step_started", T + 3, "step_04", seq=4, op=4, name="pay", attempt=1, ref=WORKER)
        [row] = await world.steps(RUN)
        assert (row.status, row.attempt, row.started_at) == ("running", 1, T + 3)
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_a_claimed_task_is_not_handed_out_again(self, world: World) -> None:
        """It is one worker's until it ends or the worker does."""
        await begin_task(world)
        await claim_step(world)
        assert await world.claim("wrkr_2", T * 2, turns=9, steps=9, guests=GUESTS) == []

    async def test_the_committing_worker_may_keep_a_task(self, world: World) -> None:
        """Its fence is the commit's epoch; nobody else gets it, and no start is recorded anew."""
        await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        await world.release([WORKER], T)
        turn = await claim(world)
        await turn.commit(tasks=[NewTask("step_01", T, claimed=True)], park=True)
        assert await world.claim("wrkr_2", T * 2, turns=9, steps=9, guests=GUESTS) == []
        task = Task("step", RUN, turn.task.epoch, step_id="step_01", op=1, attempt=1)
        await world.finish_step(outcome(task, "step_completed"))
        assert (await types(world))[2:] == ["step_created", "step_started", "step_completed"]

    @pytest.mark.parametrize("end", ["step_completed", "step_failed"])
    async def test_a_result_wakes_the_run(self, world: World, end: EventType) -> None:
        """The event is appended as it is given, the step has ended, and the task is gone."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        task = await claim_step(world, at=T + 1)
        await world.finish_step(outcome(task, end, at=T + 2))
        last = (await world.events(RUN))[-1]
        assert last == Event(end, T + 2, "step_01", seq=5, op=1, attempt=1, payload=b"devl[-1]")
        [row] = await world.steps(RUN)
        assert (row.status, row.ended_at) == (end.removeprefix("step_"), T + 2)
        assert await world.next_ready_at(guests=GUESTS) == T + 2
        assert (await claim(world, at=T + 2)).task.run_id == RUN
        assert await world.claim(WORKER, T * 2, turns=0, steps=9, guests=GUESTS) == []

    async def test_a_retry_waits_for_its_time(self, world: World) -> None:
        """The task is ready again when the event is due; the run sleeps on."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        first = await claim_step(world)
        await world.finish_step(outcome(first, "step_retrying", due=T + 100))
        [row] = await world.steps(RUN)
        assert row.status == "retrying"
        assert await world.next_ready_at(guests=GUESTS) == T + 100
        assert await world.claim(WORKER, T + 99, turns=9, steps=9, guests=GUESTS) == []
        [second] = await world.claim(WORKER, T + 100, turns=9, steps=9, guests=GUESTS)
        assert (second.attempt, second.failures, second.redeliveries) == (2, 1, 1)
        assert second.epoch > first.epoch

    async def test_an_inline_steps_retry_can_become_a_task(self, world: World) -> None:
        """The attempts that the turn made itself count on."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        await turn.commit(step("step_retrying", 1, due=T + 50), tasks=[NewTask("step_01", T + 50)], park=True)
        task = await claim_step(world, at=T + 50)
        assert (task.attempt, task.failures) == (2, 1)

    async def test_a_lost_task_is_started_anew(self, world: World) -> None:
        """When its worker is gone another one makes the next attempt; that nobody raised is remembered."""
        await begin_task(world)
        first = await claim_step(world)
        assert await world.release([WORKER], T + 5) == 2
        second = await claim_step(world, "wrkr_2", at=T + 5)
        assert (second.attempt, second.failures, second.redeliveries) == (2, 0, 2)
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(outcome(first, "step_completed"))
        await world.finish_step(outcome(second, "step_completed", worker="wrkr_2"))

    async def test_a_released_task_is_refused_before_anybody_claims_it(self, world: World) -> None:
        """Releasing alone makes the fence stale."""
        await begin_task(world)
        task = await claim_step(world)
        await world.release([WORKER], T)
        before = await everything(world)
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))
        assert await everything(world) == before

    async def test_a_task_is_one_workers(self, world: World) -> None:
        """The right fence from the wrong worker is refused."""
        await begin_task(world)
        task = await claim_step(world)
        with pytest.raises(LeaseLostError, match="wrkr_2"):
            await world.finish_step(outcome(task, "step_completed", worker="wrkr_2"))

    async def test_each_claim_of_a_task_has_a_fence_of_its_own(self, world: World) -> None:
        """The same worker's report of its earlier claim is refused."""
        await begin_task(world)
        first = await claim_step(world)
        await world.release([WORKER], T)
        second = await claim_step(world)
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(outcome(first, "step_completed"))
        await world.finish_step(outcome(second, "step_completed"))

    async def test_a_result_is_stored_once(self, world: World) -> None:
        """The second report of the same attempt is refused."""
        await begin_task(world)
        task = await claim_step(world)
        await world.finish_step(outcome(task, "step_completed"))
        before = await everything(world)
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_failed"))
        assert await everything(world) == before

    async def test_a_result_after_the_runs_end_is_refused(self, world: World) -> None:
        """The task went with the run."""
        turn = await begin_task(world)
        task = await claim_step(world)
        await turn.commit(ending())
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))
        assert (await types(world))[-1] == "run_completed"

    async def test_a_task_that_its_turn_finishes_is_gone(self, world: World) -> None:
        """A step that has ended has no task, whoever ended it."""
        turn = await begin_task(world)
        await turn.commit(inputs=[step("step_failed", 1)])
        assert await world.next_ready_at(guests=GUESTS) is None
        assert await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS) == []

    @pytest.mark.parametrize("case", ["unknown", "finished", "twice"])
    async def test_a_task_needs_an_unfinished_step_without_one(self, world: World, case: str) -> None:
        """Any other is refused with the whole commit."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        if case == "finished":
            await turn.commit(inputs=[step("step_completed", 1)])
        elif case == "twice":
            await turn.commit(tasks=[NewTask("step_01", T + 9)])
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="task refused"):
            await turn.commit(
                step("step_created", 2), tasks=[NewTask("step_07" if case == "unknown" else "step_01", T)]
            )
        assert await everything(world) == before
