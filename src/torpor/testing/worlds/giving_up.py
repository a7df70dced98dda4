"""Deadlines of steps: by when somebody must have begun one, and by when it must have its outcome."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import LeaseLostError
from torpor.model import Commit, Event, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    T,
    ask,
    begin,
    claim_step,
    open_steps,
    outcome,
    ready_at,
    step,
    take,
    types,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

START, CLOSE = T + 50, T + 90
STEP = "step_01"


async def begin_limited(world: World, *, start: int = START, close: int = CLOSE, ready: int = 0) -> None:
    """Begin a run that sleeps until step 1, which must begin and end by these times."""
    created = replace(step("step_created", 1), due=close, ref=str(start) if start else "")
    turn = await begin(world, RUN, created)
    await turn.commit(tasks=[NewTask(STEP, ready)], park=True)


async def look(world: World) -> int | None:
    """Let a worker that takes nothing look for work, and return when it should look again."""
    return (await ask(world, turns_max=0, steps_max=0)).next_at


async def ended(world: World) -> Event:
    """Return the event that ended the step, the last one of the log, for which the run has woken."""
    assert await open_steps(world) == []
    assert await ready_at(world) == 0
    return (await world.events(RUN))[-1]


class GivingUpSuite(Suite):
    """When the world itself ends a step, and when it does not."""

    async def test_one_that_nobody_begins_fails(self, world: World, clock: ManualClock) -> None:
        """When the time comes, and not before; a worker that waits knows when that is."""
        await begin_limited(world)
        assert await look(world) == START
        clock.set(START - 1)
        assert await look(world) == START
        assert "step_failed" not in await types(world)
        clock.set(START)
        await look(world)
        event = await ended(world)
        assert (event.type, event.id, event.name, event.at) == ("step_failed", STEP, "pay", START)
        assert (event.attempt, event.due, event.ref, event.payload) == (0, START, "start", None)

    async def test_whoever_shows_that_it_lives_sees_to_it(self, world: World, clock: ManualClock) -> None:
        """Although it has no room for work."""
        await begin_limited(world)
        clock.set(START)
        await world.heartbeat(WORKER)
        assert (await ended(world)).ref == "start"

    async def test_the_second_worker_in_time_gets_it(self, world: World, clock: ManualClock) -> None:
        """One that gave it back before the attempt has not begun it."""
        await begin_limited(world)
        task = await claim_step(world)
        await world.snooze_step(RUN, STEP, WORKER, task.epoch, delay_ms=10, why="no memory")
        assert (await ask(world, turns_max=0)).next_at == T + 10
        clock.set(START)
        await look(world)
        assert (await ended(world)).ref == "start"

    async def test_what_has_begun_has_begun_in_time(self, world: World, clock: ManualClock) -> None:
        """It may go on, and be tried again, until the other deadline."""
        await begin_limited(world)
        task = await claim_step(world)
        assert task.close_by == CLOSE
        clock.set(START + 1)
        assert await look(world) is None
        await world.finish_step(outcome(task, "step_retrying", at=START + 1, due=START + 5))
        assert (await ask(world, turns_max=0)).next_at == START + 5
        clock.set(START + 5)
        assert (await claim_step(world)).attempt == 2

    async def test_one_that_is_not_tried_again_in_time_fails(self, world: World, clock: ManualClock) -> None:
        """However many attempts it has left."""
        await begin_limited(world)
        await world.finish_step(outcome(await claim_step(world), "step_retrying", due=CLOSE + 7))
        assert await look(world) == CLOSE
        clock.set(CLOSE)
        await look(world)
        event = await ended(world)
        assert (event.attempt, event.due, event.ref) == (1, CLOSE, "close")

    async def test_the_death_of_a_worker_puts_nothing_off(self, world: World, clock: ManualClock) -> None:
        """The step is nobody's then, and it is too late for who comes back."""
        await begin_limited(world)
        task = await claim_step(world)
        clock.set(CLOSE)
        assert await look(world) is None, "its worker sees to it"
        await world.release([WORKER])
        assert await take(world, SECOND, turns_max=0) == []
        assert (await ended(world)).ref == "close"
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))

    async def test_a_step_of_a_turn_is_the_turns(self, world: World, clock: ManualClock) -> None:
        """Until it is handed over."""
        turn = await begin(world)
        created = replace(step("step_created", 1, attempt=1), due=CLOSE)
        committed = await world.commit(Commit(RUN, WORKER, turn.task.epoch, turn.head, outputs=(created,)), turn.held)
        turn.head, turn.held = committed.head, committed.held
        clock.set(CLOSE)
        assert await look(world) is None
        await turn.commit(step("step_retrying", 1, attempt=1, at=CLOSE, due=CLOSE), tasks=[NewTask(STEP, CLOSE)])
        await look(world)
        assert (await types(world))[-1] == "step_failed"

    async def test_nothing_happens_in_a_paused_run(self, world: World, clock: ManualClock) -> None:
        """When it goes on, the deadline has passed."""
        await begin_limited(world)
        await world.pause_run(RUN)
        clock.set(START)
        assert await look(world) is None
        assert "step_failed" not in await types(world)
        await world.unpause_run(RUN)
        await look(world)
        assert (await types(world))[-1] == "step_failed"

    async def test_a_run_that_has_ended_is_left_alone(self, world: World, clock: ManualClock) -> None:
        """Its open steps are facts."""
        await begin_limited(world)
        await world.cancel_run(RUN, "enough", force=True)
        clock.set(CLOSE)
        assert await look(world) is None
        assert (await types(world))[-1] == "run_cancelled"
