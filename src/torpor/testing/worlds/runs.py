"""Runs: starting and cancelling."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, HookNotFoundError, LeaseLostError, RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import NOW, Event, NewRun, NewTask, Run
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    SECOND,
    T,
    begin,
    begin_task,
    claim,
    claim_step,
    ending,
    everything,
    hook,
    hook_statuses,
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


class RunsSuite(Suite):
    """The ``Runs`` protocol, but for ``archive``."""

    async def test_a_new_run_is_pending(self, world: World) -> None:
        """Creating a run stores all that was said of it and the world's time, and it is ready at once."""
        new = new_run()
        run = await world.create_run(new)
        assert run == Run(
            id=RUN,
            workflow=new.workflow,
            program=new.program,
            guest=new.guest,
            runtime=new.runtime,
            status="pending",
            seed=new.seed,
            created_at=T,
            head=1,
            latest_at=T,
            ready_at=NOW,
            queued_at=T,
        )
        assert await world.get_run(RUN) == run

    async def test_all_that_is_said_of_a_run_is_kept(self, world: World) -> None:
        """Family, application, queue and build come back as they were given, in every way of reading the run."""
        about = {"parent": OTHER, "root": "wrun_0", "app": "shöp", "queue": "slow", "build": "b1", "runtime": "replay"}
        run = await world.create_run(replace(new_run(), **about))
        assert {name: getattr(run, name) for name in about} == about
        assert await world.get_run(RUN) == run
        assert (await world.load(RUN)).run == run
        assert await world.statuses([RUN]) == {RUN: run}

    async def test_a_log_begins_with_run_created(self, world: World) -> None:
        """The first event carries the input and its digest."""
        await world.create_run(replace(new_run(), digest=b"12345678"))
        assert await world.events(RUN) == [Event("run_created", T, seq=1, digest=b"12345678", payload=b"devl[[]]")]

    async def test_creating_a_run_again_changes_nothing(self, world: World, clock: ManualClock) -> None:
        """The same id with the same workflow and input returns the stored run, however far it has come."""
        await begin(world)
        before = await everything(world)
        clock.advance(5)
        again = await world.create_run(replace(new_run(), seed=b"x" * 32))
        assert again == before[0].run
        assert await everything(world) == before
        assert await take(world, SECOND) == []

    async def test_equal_digests_are_equal_input(self, world: World) -> None:
        """Input that was encrypted twice has other bytes and the same digest, and is the same."""
        run = await world.create_run(replace(new_run(args=b"encrA"), digest=b"12345678"))
        assert await world.create_run(replace(new_run(args=b"encrB"), digest=b"12345678")) == run

    @pytest.mark.parametrize(
        "other",
        [
            new_run(workflow="refund"),
            new_run(args=b"devl[[1]]"),
            replace(new_run(args=b"devl[[1]]"), digest=b"87654321"),
        ],
    )
    async def test_an_id_names_one_run(self, world: World, other: NewRun) -> None:
        """The same id with another workflow or input is refused."""
        await world.create_run(replace(new_run(), digest=b"12345678"))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match=RUN):
            await world.create_run(other)
        assert await everything(world) == before

    async def test_an_id_names_one_run_of_all_applications(self, world: World) -> None:
        """Another application that asks for the same is refused; a run without one is anybody's."""
        shop, bank = (replace(new_run(), app=app) for app in ("shop", "bank"))
        run = await world.create_run(shop)
        with pytest.raises(EntityConflictError, match=RUN):
            await world.create_run(bank)
        assert await world.create_run(new_run()) == run
        unnamed = await world.create_run(new_run(OTHER))
        assert await world.create_run(replace(bank, id=OTHER)) == unnamed

    async def test_an_unknown_run_is_named(self, world: World) -> None:
        """Whatever is asked about a run that is not there says which."""
        for asked in (
            world.get_run(RUN),
            world.cancel_run(RUN, ""),
            world.archive(RUN, 1),
            world.events(RUN),
            world.log_entries(RUN),
            world.snapshot(RUN),
            world.delete_snapshot(RUN),
            world.load(RUN),
            world.open_entities(RUN),
            world.snooze(RUN, "w", 1, delay_ms=1, why=""),
            world.snooze_step(RUN, "s", "w", 1, delay_ms=1, why=""),
        ):
            with pytest.raises(RunNotFoundError, match=RUN):
                await asked

    async def test_cancelling_is_an_event(self, world: World, clock: ManualClock) -> None:
        """It ends the run, says when and why, and raises the fence."""
        turn = await begin(world)
        clock.advance(7)
        run = await world.cancel_run(RUN, "changed my mind")
        assert (run.status, run.ended_at, run.epoch) == ("cancelled", T + 7, turn.task.epoch + 1)
        assert (run.worker, run.ready_at) == ("", None)
        assert run == await world.get_run(RUN)
        last = (await world.events(RUN))[-1]
        assert last == Event("run_cancelled", T + 7, seq=run.head, ref="changed my mind")

    async def test_a_run_can_be_cancelled_before_it_started(self, world: World) -> None:
        """Nobody will turn it then."""
        await world.create_run(new_run())
        await world.cancel_run(RUN, "")
        assert await types(world) == ["run_created", "run_cancelled"]
        assert await take(world) == []

    @pytest.mark.parametrize("end", ["run_completed", "run_failed", "run_cancelled"])
    async def test_an_ended_run_cannot_be_cancelled(self, world: World, end: EventType) -> None:
        """The refusal says how the run ended, and changes nothing."""
        turn = await begin(world)
        if end == "run_cancelled":
            await world.cancel_run(RUN, "")
        else:
            await turn.commit(ending(end))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match=f"{RUN} is {end.removeprefix('run_')}"):
            await world.cancel_run(RUN, "")
        assert await everything(world) == before

    async def test_cancelling_fences_the_worker_off(self, world: World) -> None:
        """A commit of the turn that was under way is refused."""
        turn = await begin(world)
        await world.cancel_run(RUN, "")
        with pytest.raises(LeaseLostError, match=RUN):
            await turn.commit(step("step_created", 1))
        assert await types(world) == ["run_created", "run_started", "run_cancelled"]

    async def test_cancelling_withdraws_step_tasks(self, world: World) -> None:
        """Queued tasks are not handed out any more, outcomes of claimed ones are refused, and the steps stay open."""
        turn = await begin(world)
        await turn.commit(
            step("step_created", 1),
            step("step_created", 2),
            tasks=[NewTask("step_01"), NewTask("step_02", T * 2)],
        )
        task = await claim_step(world)
        await world.cancel_run(RUN, "")
        assert await take(world) == []
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(outcome(task, "step_completed"))
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.snooze_step(RUN, task.step_id, task.step_id, task.epoch, delay_ms=1, why="")
        assert [row.status for row in await steps(world)] == ["running", "pending"]

    @pytest.mark.parametrize("end", ["run_failed", "run_cancelled"])
    async def test_a_run_that_did_not_complete_keeps_its_facts(self, world: World, end: EventType) -> None:
        """What was open can be looked into, and the snapshot too; nothing wakes the run, and its tokens are free."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await turn.commit(step("step_created", 3), snapshot=snapshot())
        before = await world.snapshot(RUN)
        if end == "run_cancelled":
            await world.cancel_run(RUN, "")
        else:
            await turn.commit(ending(end), snapshot=snapshot(b"newer"))
        assert await ready_at(world) is None
        with pytest.raises(HookNotFoundError):
            await world.hook("token")
        entities = await world.open_entities(RUN)
        assert await hook_statuses(world) == {"hook_01": "ended"}
        assert [(row.id, row.due) for row in entities.waits.values()] == [("wait_02", T + 10)]
        assert [(row.id, row.status) for row in entities.steps.values()] == [("step_03", "pending")]
        assert await world.snapshot(RUN) == before

    async def test_a_completed_run_keeps_its_log_only(self, world: World) -> None:
        """What was open and the snapshot are gone."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 1), hook("hook_created", 3))
        await turn.commit(tasks=[NewTask("step_01")], snapshot=snapshot())
        committed = await turn.commit(ending(), snapshot=snapshot())
        assert committed.parked
        assert await take(world) == []
        state = await world.load(RUN)
        assert (state.snapshot, state.held.steps, state.held.waits, state.held.hooks) == (None, {}, {}, {})
        assert (await types(world))[-1] == "run_completed"
        assert [row.status for row in await steps(world)] == ["pending"]

    async def test_other_runs_are_not_concerned(self, world: World) -> None:
        """Cancelling one run leaves another's work where it is."""
        await begin_task(world)
        await world.create_run(new_run(OTHER))
        await world.cancel_run(RUN, "")
        turn = await claim(world)
        assert turn.task.run_id == OTHER

    @pytest.mark.parametrize(("end", "status", "code"), [
        ("run_completed", "completed", ""), ("run_failed", "failed", "USER_ERROR"),
    ])  # fmt: skip
    async def test_an_ended_run_says_how(self, world: World, end: EventType, status: str, code: str) -> None:
        """Status, time and error code come from the ending event."""
        turn = await begin(world)
        await turn.commit(ending(end, at=T + 9))
        run = await world.get_run(RUN)
        assert (run.status, run.started_at, run.ended_at, run.error_code) == (status, T, T + 9, code)
