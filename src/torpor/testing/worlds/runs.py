"""Runs: starting, finding, cancelling."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, HookNotFoundError, LeaseLostError, RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import Event, NewRun, NewTask, Run, RunFilter
from torpor.testing.worlds.story import (
    GUESTS,
    OTHER,
    RUN,
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
    step,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class RunsSuite(Suite):
    """The ``Runs`` protocol."""

    async def test_a_new_run_is_pending(self, world: World) -> None:
        """Creating a run stores all that was said of it, and nothing has happened to it yet."""
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
        )
        assert await world.get_run(RUN) == run

    async def test_a_run_keeps_its_parent_and_root(self, world: World) -> None:
        """As they were given, in every way of reading it."""
        run = await world.create_run(replace(new_run(), parent=OTHER, root="wrun_0"))
        assert (run.parent, run.root) == (OTHER, "wrun_0")
        assert await world.get_run(RUN) == run
        assert await world.list_runs(RunFilter()) == [run]

    async def test_a_replayed_run_keeps_its_runtime(self, world: World) -> None:
        """Both runtimes come back as they were given."""
        await world.create_run(replace(new_run(), runtime="replay"))
        assert (await world.get_run(RUN)).runtime == "replay"

    async def test_a_log_begins_with_run_created(self, world: World) -> None:
        """The first event carries the input and its digest."""
        await world.create_run(replace(new_run(), digest=b"12345678"))
        assert await world.events(RUN) == [Event("run_created", T, seq=1, digest=b"12345678", payload=b"devl[[]]")]

    async def test_a_new_run_is_ready_at_once(self, world: World) -> None:
        """Its turn may be claimed from its creation on, and not before."""
        await world.create_run(new_run())
        assert await world.next_ready_at(guests=GUESTS) == T
        assert await world.claim(WORKER, T - 1, turns=9, steps=9, guests=GUESTS) == []
        assert [task.run_id for task in await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS)] == [RUN]

    async def test_creating_a_run_again_changes_nothing(self, world: World) -> None:
        """The same id with the same workflow and input returns the stored run, however far it has come."""
        await begin(world)
        before = await everything(world)
        again = await world.create_run(replace(new_run(), at=T + 5, seed=b"x" * 32))
        assert again == before[0].run
        assert await everything(world) == before
        assert await world.claim(WORKER, T + 5, turns=9, steps=9, guests=GUESTS) == []

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

    async def test_an_unknown_run_is_named(self, world: World) -> None:
        """Whatever is asked about a run that is not there says which."""
        for asked in (world.get_run(RUN), world.cancel_run(RUN, "", T), world.events(RUN), world.load(RUN)):
            with pytest.raises(RunNotFoundError, match=RUN):
                await asked

    async def test_runs_are_listed_newest_first(self, world: World) -> None:
        """The order is that of the ids, whatever the order of creation."""
        for run_id in ("wrun_02", "wrun_03", "wrun_01"):
            await world.create_run(new_run(run_id))
        assert [run.id for run in await world.list_runs(RunFilter())] == ["wrun_03", "wrun_02", "wrun_01"]

    async def test_runs_are_listed_in_pages(self, world: World) -> None:
        """``limit`` bounds a page, and the next one begins after the last one's end."""
        for n in range(5):
            await world.create_run(new_run(f"wrun_{n}"))
        first = await world.list_runs(RunFilter(limit=2))
        second = await world.list_runs(RunFilter(limit=2, before=first[-1].id))
        assert [run.id for run in first + second] == ["wrun_4", "wrun_3", "wrun_2", "wrun_1"]

    async def test_runs_are_listed_by_status_and_workflow(self, world: World) -> None:
        """Each filter leaves out what it does not name; an unknown workflow has no runs."""
        await begin(world, "wrun_1")
        await world.create_run(new_run("wrun_2"))
        await world.create_run(new_run("wrun_3", workflow="refund"))

        async def ids(where: RunFilter) -> list[str]:
            return [run.id for run in await world.list_runs(where)]

        assert await ids(RunFilter(status="running")) == ["wrun_1"]
        assert await ids(RunFilter(workflow="order")) == ["wrun_2", "wrun_1"]
        assert await ids(RunFilter(workflow="order", status="pending")) == ["wrun_2"]
        assert await ids(RunFilter(workflow="nobody")) == []

    async def test_cancelling_is_an_event(self, world: World) -> None:
        """It ends the run, says when and why, and raises the fence."""
        turn = await begin(world)
        run = await world.cancel_run(RUN, "changed my mind", T + 7)
        assert (run.status, run.ended_at, run.epoch) == ("cancelled", T + 7, turn.task.epoch + 1)
        assert run == await world.get_run(RUN)
        last = (await world.events(RUN))[-1]
        assert last == Event("run_cancelled", T + 7, seq=run.head, ref="changed my mind")

    async def test_a_run_can_be_cancelled_before_it_started(self, world: World) -> None:
        """Nobody will turn it then."""
        await world.create_run(new_run())
        await world.cancel_run(RUN, "", T)
        assert await types(world) == ["run_created", "run_cancelled"]
        assert await world.next_ready_at(guests=GUESTS) is None
        assert await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS) == []

    @pytest.mark.parametrize("end", ["run_completed", "run_failed", "run_cancelled"])
    async def test_an_ended_run_cannot_be_cancelled(self, world: World, end: EventType) -> None:
        """The refusal says how the run ended, and changes nothing."""
        turn = await begin(world)
        if end == "run_cancelled":
            await world.cancel_run(RUN, "", T)
        else:
            await turn.commit(ending(end))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match=f"{RUN} is {end.removeprefix('run_')}"):
            await world.cancel_run(RUN, "", T)
        assert await everything(world) == before

    async def test_cancelling_fences_the_worker_off(self, world: World) -> None:
        """A commit of the turn that was under way is refused."""
        turn = await begin(world)
        await world.cancel_run(RUN, "", T)
        with pytest.raises(LeaseLostError, match=RUN):
            await turn.commit(step("step_created", 1))
        assert await types(world) == ["run_created", "run_started", "run_cancelled"]

    async def test_cancelling_ends_step_tasks(self, world: World) -> None:
        """Queued tasks are not handed out any more, and outcomes of claimed ones are refused."""
        turn = await begin(world)
        await turn.commit(
            step("step_created", 1),
            step("step_created", 2),
            tasks=[NewTask("step_01", T), NewTask("step_02", T + 1)],
        )
        task = await claim_step(world)
        await world.cancel_run(RUN, "", T)
        assert await world.claim(WORKER, T + 1, turns=9, steps=9, guests=GUESTS) == []
        with pytest.raises(LeaseLostError, match="step_01"):
            await world.finish_step(outcome(task, "step_completed"))
        assert [row.status for row in await world.steps(RUN)] == ["running", "pending"]

    async def test_cancelling_ends_waits_hooks_and_snapshot(self, world: World) -> None:
        """Nothing wakes the run again, its tokens are free, and its snapshot is gone."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 10))
        await turn.commit(park=True)
        await world.cancel_run(RUN, "", T)
        assert await world.next_ready_at(guests=GUESTS) is None
        with pytest.raises(HookNotFoundError):
            await world.hook("token")
        state = await world.load(RUN)
        assert (state.waits, state.hooks, state.snapshot) == ([], [], None)
        assert [row.status for row in await world.hooks(RUN)] == ["disposed"]

    async def test_other_runs_are_not_concerned(self, world: World) -> None:
        """Cancelling one run leaves another's work where it is."""
        await begin_task(world)
        await world.create_run(new_run(OTHER))
        await world.cancel_run(RUN, "", T)
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
