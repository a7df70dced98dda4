"""What attempts tell of their progress: it stands in the step's row until the step has its outcome."""

from __future__ import annotations

import pytest

from torpor.errors import LeaseLostError, RunNotFoundError
from torpor.model import Commit, NewTask
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    T,
    Turn,
    begin,
    begin_task,
    claim_step,
    everything,
    open_steps,
    outcome,
    step,
    take,
    types,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

STEP = "step_01"


async def begin_inline(world: World) -> Turn:
    """Begin a run whose turn carries step 1 out itself."""
    turn = await begin(world)
    outputs = (step("step_created", 1, attempt=1),)
    committed = await world.commit(Commit(RUN, WORKER, turn.task.epoch, turn.head, outputs=outputs), turn.held)
    turn.head, turn.held = committed.head, committed.held
    return turn


async def progress(world: World) -> bytes | None:
    """Return what the one open step has of progress."""
    (row,) = await open_steps(world)
    return row.progress


class ProgressSuite(Suite):
    """What is kept, for how long, and from whom."""

    async def test_the_newest_is_kept(self, world: World) -> None:
        """In place of the one before; the log has nothing of it."""
        await begin_task(world)
        task = await claim_step(world)
        assert task.progress is None
        for told in (b"devl[1]", b"devl[2]"):
            await world.keep_progress(RUN, STEP, 1, told)
            assert await progress(world) == told
        assert await types(world) == ["run_created", "run_started", "step_created"]

    async def test_the_next_attempt_has_it(self, world: World) -> None:
        """After a failure, and after the death of its worker."""
        await begin_task(world)
        await claim_step(world)
        await world.keep_progress(RUN, STEP, 1, b"devl[1]")
        await world.release([WORKER])
        task = (await take(world, SECOND, turns_max=0))[0]
        assert (task.attempt, task.progress) == (2, b"devl[1]")
        await world.keep_progress(RUN, STEP, 2, b"devl[2]")
        await world.finish_step(outcome(task, "step_retrying", worker=SECOND, due=T))
        assert (await claim_step(world)).progress == b"devl[2]"

    async def test_a_turn_that_does_not_know_it_leaves_it(self, world: World) -> None:
        """When it hands a step over that it has begun, and when it begins the next attempt."""
        turn = await begin_inline(world)
        await world.keep_progress(RUN, STEP, 1, b"devl[1]")
        await turn.commit(tasks=[NewTask(STEP, claimed=True)])
        assert await progress(world) == b"devl[1]"
        await world.keep_progress(RUN, STEP, 1, b"devl[2]")
        assert (await world.load(RUN)).held.steps[STEP].progress == b"devl[2]"

    async def test_a_step_of_a_turn_keeps_it_over_its_retry(self, world: World) -> None:
        """The turn stores the failure, and makes a task of the step."""
        turn = await begin_inline(world)
        await world.keep_progress(RUN, STEP, 1, b"devl[1]")
        await turn.commit(step("step_retrying", 1, attempt=1, due=T), tasks=[NewTask(STEP, T)])
        assert (await claim_step(world)).progress == b"devl[1]"

    async def test_only_the_newest_attempt_tells(self, world: World) -> None:
        """Others are refused and change nothing: before it began, when it is over, when the step has ended."""
        await begin_task(world)
        with pytest.raises(LeaseLostError):
            await world.keep_progress(RUN, STEP, 0, b"devl[0]")
        await claim_step(world)
        await world.release([WORKER])
        task = (await take(world, SECOND, turns_max=0))[0]
        before = await everything(world)
        for attempt in (1, 3):
            with pytest.raises(LeaseLostError, match=f"attempt {attempt} of step {STEP} .* is over"):
                await world.keep_progress(RUN, STEP, attempt, b"devl[9]")
        assert await everything(world) == before
        await world.finish_step(outcome(task, "step_completed", worker=SECOND))
        with pytest.raises(LeaseLostError):
            await world.keep_progress(RUN, STEP, 2, b"devl[9]")
        with pytest.raises(RunNotFoundError):
            await world.keep_progress("wrun_none", STEP, 2, b"devl[9]")
