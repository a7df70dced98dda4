"""Cancelling runs that may clean up: the request is an event, the end is bounded, and children go along."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError
from torpor.lifecycle import EventType
from torpor.model import BY_PARENT, Commit, Event, NewRun, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    T,
    Turn,
    claim,
    claim_step,
    ending,
    new_run,
    open_steps,
    outcome,
    ready_at,
    step,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

CLEANUP_MS = 500


def tidy(run_id: str = RUN, *, parent: str = "", detached: bool = False) -> NewRun:
    """Return a run that may clean up."""
    return replace(new_run(run_id), cleanup_ms=CLEANUP_MS, cleanup_steps=3, parent=parent, detached=detached)


async def begin(world: World, new: NewRun | None = None, *outputs: Event) -> Turn:
    """Create a run that may clean up, claim its turn and start it."""
    await world.create_run(new or tidy())
    turn = await claim(world)
    await turn.commit(Event("run_started", T), *outputs)
    return turn


class CancellingSuite(Suite):
    """What :meth:`torpor.world.Runs.cancel_run` does to runs that may clean up."""

    async def test_a_request_is_an_input(self, world: World, clock: ManualClock) -> None:
        """It says why and by when the run ends, wakes the run, and is met by who has its claim."""
        turn = await begin(world)
        clock.advance(7)
        run = await world.cancel_run(RUN, "enough")
        by = T + 7 + CLEANUP_MS
        assert (run.status, run.cancel_by, run.cancel_reason, run.epoch) == ("running", by, "enough", turn.task.epoch)
        committed = await turn.commit(park=True)
        asked = Event("run_cancelling", T + 7, seq=3, due=by, ref="enough")
        assert (committed.foreign, committed.parked) == ((asked,), False)

    async def test_what_was_due_stands_before_it(self, world: World, clock: ManualClock) -> None:
        """A timer that was due when the run was cancelled is the first of the two in the log."""
        turn = await begin(world, None, wait("wait_created", 1, T + 5))
        await turn.commit(park=True)
        clock.advance(5)
        await world.cancel_run(RUN, "")
        assert (await types(world))[-2:] == ["wait_completed", "run_cancelling"]

    async def test_a_sleeping_run_is_woken(self, world: World) -> None:
        """One that nobody has claimed is ready at once."""
        turn = await begin(world, None, wait("wait_created", 1, T + 10_000))
        await turn.commit(park=True)
        await world.cancel_run(RUN, "")
        assert (await claim(world)).task.run_id == RUN

    async def test_asking_again_changes_nothing(self, world: World) -> None:
        """The first reason counts."""
        await begin(world)
        first = await world.cancel_run(RUN, "enough")
        assert await world.cancel_run(RUN, "really") == first

    async def test_a_run_that_cleans_up_is_woken_for_its_end(self, world: World) -> None:
        """When it parks, it is ready again at the earliest of its waits and its last moment."""
        turn = await begin(world, None, wait("wait_created", 1, T + 10_000))
        await world.cancel_run(RUN, "")
        await turn.commit()
        assert (await turn.commit(park=True)).parked
        assert await ready_at(world) == T + CLEANUP_MS

    @pytest.mark.parametrize("end", ["run_completed", "run_failed", "run_cancelled"])
    async def test_every_end_is_a_cancellation(self, world: World, end: EventType) -> None:
        """Whatever its code returns or raises, a run that was cancelled ends so, with the reason."""
        turn = await begin(world)
        await world.cancel_run(RUN, "enough")
        await turn.commit(ending(end))
        last = (await world.events(RUN))[-1]
        assert (last.type, last.ref, last.name, last.payload) == ("run_cancelled", "enough", "", None)
        run = await world.get_run(RUN)
        assert (run.status, run.error_code) == ("cancelled", "")

    async def test_force_ends_at_once(self, world: World) -> None:
        """Also when it cleans up already; its worker is fenced off."""
        turn = await begin(world)
        await world.cancel_run(RUN, "enough")
        run = await world.cancel_run(RUN, "now", force=True)
        assert (run.status, (await world.events(RUN))[-1].ref) == ("cancelled", "now")
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 1))

    async def test_one_that_has_not_begun_ends_at_once(self, world: World) -> None:
        """There is nothing to clean up."""
        await world.create_run(tidy())
        assert (await world.cancel_run(RUN, "")).status == "cancelled"

    async def test_one_whose_guest_is_deaf_ends_at_once(self, world: World) -> None:
        """A commit says that the guest build cannot tell workflow code."""
        turn = await begin(world)
        commit = Commit(RUN, "wrkr_01A", turn.task.epoch, turn.head, deaf=True, park=True)
        await world.commit(commit, turn.held)
        assert (await world.cancel_run(RUN, "")).status == "cancelled"

    async def test_an_ended_run_says_so(self, world: World) -> None:
        """The refusal names how it ended."""
        turn = await begin(world)
        await turn.commit(ending())
        with pytest.raises(EntityConflictError, match="is completed"):
            await world.cancel_run(RUN, "")

    async def test_steps_of_the_cleanup_are_counted(self, world: World) -> None:
        """Those of before are not."""
        turn = await begin(world, None, step("step_created", 1))
        assert (await world.get_run(RUN)).cleanup_steps == 3
        await world.cancel_run(RUN, "")
        await turn.commit(step("step_created", 2), step("step_created", 3))
        assert (await world.get_run(RUN)).cleanup_steps == 1

    async def test_steps_are_given_up(self, world: World) -> None:
        """A step that its run does not wait for any more is closed, and who carries it out is told that it is lost."""
        turn = await begin(world)
        await turn.commit(step("step_created", 1), step("step_created", 2), tasks=[NewTask("step_01")])
        task = await claim_step(world)
        await turn.commit(step("step_cancelled", 1), step("step_cancelled", 2))
        assert await open_steps(world) == []
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed"))

    async def test_a_step_that_ended_meanwhile_is_not_given_up(self, world: World) -> None:
        """Its outcome came first, and stays the last word."""
        turn = await begin(world)
        await turn.commit(step("step_created", 1), tasks=[NewTask("step_01")])
        await world.finish_step(outcome(await claim_step(world), "step_completed"))
        assert (await turn.commit(step("step_cancelled", 1))).stored
        assert "step_cancelled" not in await types(world)


class FamiliesSuite(Suite):
    """A run is cancelled together with the run that started it."""

    async def test_children_go_along(self, world: World) -> None:
        """And theirs; one that has not begun ends at once."""
        await begin(world, tidy(RUN))
        await begin(world, tidy("child", parent=RUN))
        await world.create_run(tidy("grandchild", parent="child"))
        await world.cancel_run(RUN, "enough")
        child = await world.get_run("child")
        assert (child.status, child.cancel_by, child.cancel_reason) == ("running", T + CLEANUP_MS, BY_PARENT)
        assert (await world.get_run("grandchild")).status == "cancelled"

    async def test_detached_children_live_on(self, world: World) -> None:
        """So do runs that others have started, and those that have ended."""
        await begin(world, tidy(RUN))
        await world.create_run(tidy("detached", parent=RUN, detached=True))
        await world.create_run(tidy(OTHER))
        await world.cancel_run(RUN, "", force=True)
        assert (await world.get_run("detached")).status == (await world.get_run(OTHER)).status == "pending"

    async def test_force_is_for_all(self, world: World) -> None:
        """Nobody cleans up."""
        await begin(world, tidy(RUN))
        await begin(world, tidy("child", parent=RUN))
        await world.cancel_run(RUN, "", force=True)
        assert (await world.get_run("child")).status == "cancelled"
