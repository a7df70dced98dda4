"""Logs that end in the past: what lies behind a snapshot goes, and the run lives on."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError
from torpor.lifecycle import EventType
from torpor.model import Event, NewTask, build_key
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    WORKER,
    T,
    Turn,
    claim_step,
    ending,
    everything,
    hook,
    new_run,
    outcome,
    snapshot,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

BUILD = "b1"


async def _begin(world: World, *outputs: Event, runtime: str = "snapshot", kept: bool = True) -> Turn:
    """Begin a run whose guest build the world keeps."""
    if kept:
        await world.put_blob(build_key(BUILD), b"guest")
    await world.create_run(replace(new_run(), build=BUILD, runtime=runtime))
    [task] = await take(world)
    turn = Turn(world, task, 1)
    await turn.commit(Event("run_started", T), *outputs)
    return turn


async def _lived(world: World) -> Turn:
    """Begin a run that has ended steps and waits behind it, open ones before it, and a snapshot at its head."""
    turn = await _begin(world, step("step_created", 1, attempt=1), wait("wait_created", 2, T + 1))
    await turn.commit(
        step("step_created", 3), step("step_created", 4), hook("hook_created", 5), wait("wait_created", 6, T + 50),
        inputs=[step("step_completed", 1), wait("wait_completed", 2)], tasks=[NewTask("step_03")],
    )  # fmt: skip
    await turn.commit(snapshot=snapshot())
    return turn


class ArchiveSuite(Suite):
    """``archive``, and what a run is whose log begins late."""

    async def test_the_beginning_of_the_log_goes(self, world: World) -> None:
        """Up to the event that is named; the run says where its log begins now."""
        await _lived(world)
        log = await world.events(RUN)
        run = await world.archive(RUN, 4)
        assert (run.base, run.head) == (4, 10)
        assert await world.get_run(RUN) == run
        assert await world.events(RUN) == log[4:]
        assert await world.events(RUN, after=2, limit=3) == log[4:7]
        assert await world.events(RUN, after=8) == log[8:]

    async def test_what_is_open_carries_its_own_facts(self, world: World) -> None:
        """Steps, waits and hooks whose creation is gone are as they were, with their input."""
        await _lived(world)
        before = await world.load(RUN)
        run = await world.archive(RUN, 10)
        assert await world.events(RUN) == []
        after = await world.load(RUN)
        assert after == replace(before, held=replace(before.held, run=run))
        assert [row.input for row in after.held.steps.values() if not row.task] == [b"devl[4]"]

    async def test_a_run_lives_on(self, world: World, clock: ManualClock) -> None:
        """Its tasks are carried out, its hooks are resumed, its timers are due, and its log goes on where it was."""
        turn = await _lived(world)
        await turn.commit(park=True)
        await world.archive(RUN, 10)
        task = await claim_step(world)
        assert (task.input, task.name) == (b"devl[3]", "pay")
        await world.finish_step(outcome(task, "step_completed"))
        clock.advance(50)
        await world.resume_hook("token", b"devl1", "r1")
        [woken] = await take(world)
        state = await world.load(RUN)
        assert [(event.seq, event.type) for event in state.events] == [
            (11, "step_completed"),
            (12, "wait_completed"),
            (13, "hook_received"),
        ]
        turn = Turn(world, woken, 13, held=state.held)
        await turn.commit(inputs=[step("step_failed", 4)])
        await turn.commit(ending())
        assert (await types(world))[-1] == "run_completed"

    async def test_a_log_is_archived_again_and_again(self, world: World) -> None:
        """Further each time; what is gone already changes nothing."""
        turn = await _lived(world)
        await world.archive(RUN, 6)
        before = await everything(world)
        assert (await world.archive(RUN, 3)).base == 6
        assert await everything(world) == before
        await turn.commit(step("step_created", 7), step("step_created", 8), snapshot=snapshot())
        await world.archive(RUN, 11)
        assert [event.seq for event in await world.events(RUN)] == [12]
        loaded = (await world.load(RUN)).held.steps.values()
        assert [row.input for row in loaded if not row.task] == [b"devl[4]", b"devl[7]", b"devl[8]"]

    async def test_a_claimed_turn_goes_on(self, world: World) -> None:
        """What it knows is still right: archiving moves neither its fence nor its head."""
        turn = await _lived(world)
        await world.archive(RUN, 10)
        committed = await turn.commit(step("step_created", 7), inputs=[step("step_failed", 4)])
        assert (committed.stored, committed.head) == (True, 12)
        assert (await world.get_run(RUN)).base == 10

    async def test_foreign_inputs_are_told_as_ever(self, world: World) -> None:
        """They lie behind the base."""
        turn = await _lived(world)
        await world.archive(RUN, 10)
        await world.resume_hook("token", b"devl1", "r1")
        assert [event.seq for event in (await turn.commit()).foreign] == [11]

    async def test_a_resumption_is_still_recorded_once(self, world: World) -> None:
        """Although the payload's event is gone."""
        turn = await _begin(world, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit()
        await turn.commit(snapshot=snapshot())
        await world.archive(RUN, 4)
        await world.resume_hook("token", b"devl2", "r1")
        assert await world.events(RUN) == []

    async def test_a_start_is_still_recognised_by_its_name(self, world: World) -> None:
        """The input is not known any more; the workflow is."""
        await _lived(world)
        await world.archive(RUN, 10)
        run = await world.get_run(RUN)
        assert await world.create_run(new_run(args=b"devl[[2]]")) == run
        with pytest.raises(EntityConflictError, match=RUN):
            await world.create_run(new_run(workflow="refund"))

    async def test_nothing_goes_that_the_snapshot_has_not_seen(self, world: World) -> None:
        """The refusal says where the snapshot stands, and nothing is changed."""
        turn = await _lived(world)
        await turn.commit(step("step_created", 7))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="event 10"):
            await world.archive(RUN, 11)
        assert await everything(world) == before

    async def test_a_run_without_a_snapshot_needs_its_log(self, world: World) -> None:
        """All of it."""
        await _begin(world)
        with pytest.raises(EntityConflictError, match="no snapshot"):
            await world.archive(RUN, 1)

    async def test_a_run_in_replay_mode_needs_its_log(self, world: World) -> None:
        """Whatever snapshots there are."""
        turn = await _begin(world, runtime="replay")
        await turn.commit(snapshot=snapshot())
        with pytest.raises(EntityConflictError, match="replay"):
            await world.archive(RUN, 2)

    async def test_a_run_whose_build_is_not_kept_needs_its_log(self, world: World) -> None:
        """Its snapshot may become unreadable; once the build is stored, the log may go."""
        turn = await _begin(world, kept=False)
        await turn.commit(snapshot=snapshot())
        with pytest.raises(EntityConflictError, match="build b1"):
            await world.archive(RUN, 2)
        await world.put_blob(build_key(BUILD), b"guest")
        assert (await world.archive(RUN, 2)).base == 2

    async def test_the_only_memory_of_what_is_gone_cannot_be_forgotten(self, world: World) -> None:
        """Without its snapshot the run could not be rebuilt."""
        await _lived(world)
        await world.archive(RUN, 1)
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="event 1"):
            await world.delete_snapshot(RUN)
        assert await everything(world) == before

    @pytest.mark.parametrize("end", ["run_completed", "run_failed", "run_cancelled"])
    async def test_an_ended_run_keeps_how_it_ended(self, world: World, end: EventType) -> None:
        """All else may go, whether or not there is a snapshot or a build."""
        turn = await _begin(world, step("step_created", 1), kept=False)
        if end == "run_cancelled":
            await world.cancel_run(RUN, "")
        else:
            await turn.commit(ending(end))
        run = await world.archive(RUN, 99)
        assert (run.base, run.head) == (3, 4)
        assert await types(world) == [end]

    async def test_a_failed_run_without_its_log_is_not_retried(self, world: World) -> None:
        """What lies between its snapshot and what is left of its log is gone."""
        turn = await _begin(world, step("step_created", 1, attempt=1))
        await turn.commit(snapshot=snapshot())
        await turn.commit(step("step_created", 2, attempt=1))
        await turn.commit(ending("run_failed"))
        await world.archive(RUN, 99)
        before = await everything(world)
        with pytest.raises(EntityConflictError, match=RUN):
            await world.retry_run(RUN)
        assert await everything(world) == before

    async def test_archiving_disturbs_no_claim_of_a_step(self, world: World) -> None:
        """A task that is being carried out ends as ever."""
        await _lived(world)
        task = await claim_step(world)
        await world.archive(RUN, 10)
        await world.snooze_step(RUN, task.step_id, WORKER, task.epoch, delay_ms=0, why="")
        again = await claim_step(world)
        assert again.input == b"devl[3]"
        await world.finish_step(outcome(again, "step_completed"))
