"""Step tasks: steps that leave their turn, and how their attempts end."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.lifecycle import EventType
from torpor.model import NOW, Claims, Commit, Event, NewTask, Task
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    T,
    ask,
    begin,
    begin_task,
    claim,
    claim_step,
    ending,
    everything,
    open_steps,
    outcome,
    ready_at,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class StepsSuite(Suite):
    """Tasks from :class:`~torpor.model.NewTask` to :meth:`~torpor.world.Turns.finish_step`."""

    async def test_a_task_is_ready_when_it_says(self, world: World, clock: ManualClock) -> None:
        """Not before."""
        await begin_task(world, ready_at=T + 10)
        clock.advance(9)
        assert await ask(world) == Claims(next_at=T + 10)
        clock.advance(1)
        assert len(await take(world)) == 1

    async def test_a_claimed_task_says_what_to_do(self, world: World, clock: ManualClock) -> None:
        """It carries the step's name, signature, input and attempt, its fence, and what is to be known of the run."""
        turn = await begin(world, RUN, step("step_created", 4))
        await turn.commit(tasks=[NewTask("step_04", signature="(n: int)")], park=True)
        clock.advance(3)
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
            signature="(n: int)",
            workflow="order",
            created_at=T,
        )

    async def test_a_claim_touches_nothing_but_the_steps_row(self, world: World, clock: ManualClock) -> None:
        """The row says who started which attempt when; the log and the turn are left alone."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        run, log = await world.get_run(RUN), await world.events(RUN)
        clock.advance(3)
        await claim_step(world)
        [row] = await open_steps(world)
        assert (row.status, row.attempt, row.started_at, row.worker) == ("running", 1, T + 3, WORKER)
        assert (await world.get_run(RUN), await world.events(RUN)) == (run, log)

    async def test_a_claimed_task_is_not_handed_out_again(self, world: World, clock: ManualClock) -> None:
        """It is one worker's until it ends or the worker does."""
        await begin_task(world)
        await claim_step(world)
        clock.advance(T)
        assert await take(world, SECOND) == []

    async def test_the_committing_worker_may_keep_a_task(self, world: World) -> None:
        """Its fence is the commit's epoch, and nobody else gets it."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await turn.commit(tasks=[NewTask("step_01", claimed=True)], park=True)
        assert await take(world, SECOND) == []
        task = Task("step", RUN, turn.task.epoch, step_id="step_01", op=1, attempt=1)
        await world.finish_step(outcome(task, "step_completed"))
        assert (await types(world))[2:] == ["step_created", "step_completed"]

    async def test_who_stores_an_outcome_learns_what_is_stored(self, world: World, clock: ManualClock) -> None:
        """The run as it is then, and what was appended; the turn that is awake may go on from there."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1), wait("wait_created", 2, due=T + 5))
        await turn.commit(tasks=[NewTask("step_01", claimed=True)])
        clock.advance(5)
        task = Task("step", RUN, turn.task.epoch, step_id="step_01", op=1, attempt=1)
        finished = await world.finish_step(outcome(task, "step_completed"))
        assert finished.run == await world.get_run(RUN)
        assert [*finished.events] == (await world.events(RUN))[4:]
        assert [event.type for event in finished.events] == ["wait_completed", "step_completed"]
        held = await world.open_entities(RUN)
        late = (Event("step_created", T, "late", op=3),)
        commit = Commit(RUN, WORKER, turn.task.epoch, finished.run.head, outputs=late)
        committed = await world.commit(commit, replace(held, run=finished.run))
        assert (committed.stored, committed.foreign) == (True, ())

    @pytest.mark.parametrize("end", ["step_completed", "step_failed"])
    async def test_a_result_wakes_the_run(self, world: World, clock: ManualClock, end: EventType) -> None:
        """The event is appended as it is given, with the step's op and name; the step's row is gone."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        task = await claim_step(world)
        clock.advance(2)
        await world.finish_step(outcome(task, end, at=T + 2))
        last = (await world.events(RUN))[-1]
        assert last == Event(end, T + 2, "step_01", seq=4, op=1, name="pay", attempt=1, payload=b"devl[-1]")
        assert await open_steps(world) == []
        run = await world.get_run(RUN)
        assert (run.ready_at, run.queued_at) == (NOW, T + 2)
        assert (await claim(world)).task.run_id == RUN
        assert await take(world) == []

    async def test_a_retry_waits_for_its_time(self, world: World, clock: ManualClock) -> None:
        """The task is ready again when the event is due; the run sleeps on."""
        turn = await begin_task(world)
        await turn.commit(park=True)
        first = await claim_step(world)
        await world.finish_step(outcome(first, "step_retrying", due=T + 100))
        [row] = await open_steps(world)
        assert (row.status, row.failures, row.worker) == ("retrying", 1, "")
        assert await ready_at(world) is None
        clock.advance(99)
        assert await ask(world) == Claims(next_at=T + 100)
        clock.advance(1)
        [second] = await take(world)
        assert (second.attempt, second.failures, second.redeliveries) == (2, 1, 1)
        assert second.epoch > first.epoch

    async def test_an_inline_steps_retry_can_become_a_task(self, world: World, clock: ManualClock) -> None:
        """The attempts that the turn made itself count on."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        await turn.commit(step("step_retrying", 1, due=T + 50), tasks=[NewTask("step_01", T + 50)], park=True)
        clock.advance(50)
        task = await claim_step(world)
        assert (task.attempt, task.failures) == (2, 1)

    async def test_a_lost_task_is_started_anew(self, world: World) -> None:
        """When its worker is gone another one makes the next attempt; that nobody raised is remembered."""
        await begin_task(world)
        first = await claim_step(world)
        assert await world.release([WORKER]) == 2
        second = await claim_step(world, SECOND)
        assert (second.attempt, second.failures, second.redeliveries) == (2, 0, 2)
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(outcome(first, "step_completed"))
        await world.finish_step(outcome(second, "step_completed", worker=SECOND))

    async def test_a_released_task_is_refused_before_anybody_claims_it(self, world: World) -> None:
        """Releasing alone makes the fence stale."""
        await begin_task(world)
        task = await claim_step(world)
        await world.release([WORKER])
        before = await everything(world)
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))
        assert await everything(world) == before

    async def test_a_task_is_one_workers(self, world: World) -> None:
        """The right fence from the wrong worker is refused."""
        await begin_task(world)
        task = await claim_step(world)
        with pytest.raises(LeaseLostError, match=SECOND):
            await world.finish_step(outcome(task, "step_completed", worker=SECOND))

    async def test_each_claim_of_a_task_has_a_fence_of_its_own(self, world: World) -> None:
        """The same worker's report of its earlier claim is refused."""
        await begin_task(world)
        first = await claim_step(world)
        await world.release([WORKER])
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

    async def test_an_outcome_is_of_the_attempt_that_is_made(self, world: World, clock: ManualClock) -> None:
        """Who hands a failed attempt over without learning of it tells it again, and has claimed the next by then."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await turn.commit(step("step_retrying", 1, due=T + 50), tasks=[NewTask("step_01", T + 50)], park=True)
        clock.advance(50)
        task = await claim_step(world)
        before = await everything(world)
        told_again = replace(outcome(task, "step_retrying"), event=step("step_retrying", 1, attempt=1, due=T + 50))
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(told_again)
        assert await everything(world) == before
        await world.finish_step(outcome(task, "step_completed"))

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
        assert await take(world) == []

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
            await turn.commit(step("step_created", 2), tasks=[NewTask("step_07" if case == "unknown" else "step_01")])
        assert await everything(world) == before

    async def test_a_snoozed_task_is_anothers(self, world: World, clock: ManualClock) -> None:
        """It is ready after the delay; the attempt that was not begun does not count, nor does its delivery."""
        await begin_task(world)
        first = await claim_step(world)
        await world.snooze_step(RUN, first.step_id, WORKER, first.epoch, delay_ms=30, why="no such file")
        [row] = await open_steps(world)
        assert (row.status, row.attempt, row.snoozed, row.worker) == ("pending", 0, "no such file", "")
        clock.advance(29)
        assert await ask(world, SECOND) == Claims(next_at=T + 30)
        clock.advance(1)
        second = await claim_step(world, SECOND)
        assert (second.attempt, second.redeliveries) == (1, 1)

    async def test_a_snoozed_retry_is_still_one(self, world: World) -> None:
        """What raised before is remembered."""
        await begin_task(world)
        await world.finish_step(outcome(await claim_step(world), "step_retrying", due=T))
        task = await claim_step(world)
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=0, why="")
        [row] = await open_steps(world)
        assert (row.status, row.attempt, row.failures) == ("retrying", 1, 1)

    async def test_a_stale_claim_cannot_snooze_a_task(self, world: World) -> None:
        """Neither another worker's nor one that was given back already."""
        await begin_task(world)
        task = await claim_step(world)
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.snooze_step(RUN, task.step_id, SECOND, task.epoch, delay_ms=0, why="")
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=0, why="first")
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=0, why="second")
        [row] = await open_steps(world)
        assert row.snoozed == "first"

    async def test_why_a_worker_hands_a_step_over_is_told(self, world: World) -> None:
        """Until somebody takes it."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(tasks=[NewTask("step_01", snoozed="no step pay here")])
        assert [row.snoozed for row in await open_steps(world)] == ["no step pay here"]
        await claim_step(world)
        assert [row.snoozed for row in await open_steps(world)] == [""]

    async def test_a_steps_end_changes_no_other(self, world: World) -> None:
        """Of many steps of a run each ends alone, and the others' claims stay good."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2, 3)))
        await turn.commit(tasks=[NewTask(f"step_{n:02}") for n in (1, 2, 3)], park=True)
        one, two, _ = await take(world)
        await world.finish_step(outcome(one, "step_completed"))
        await world.finish_step(outcome(two, "step_failed"))
        assert [(row.id, row.worker) for row in await open_steps(world)] == [("step_03", WORKER)]
        assert (await types(world))[-2:] == ["step_completed", "step_failed"]
