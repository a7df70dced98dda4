"""Turns: what is loaded, what is stored, who is refused, and when a run may park."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from torpor.errors import DamagedError, EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.model import Commit, Committed, Entities, Event, Hook, NewTask, Wait
from torpor.testing.worlds.story import (
    OTHER,
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
    open_steps,
    outcome,
    snapshot,
    step,
    types,
    wait,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World


class LoadSuite(Suite):
    """What ``load`` gives a turn."""

    async def test_a_new_run_is_loaded_whole(self, world: World) -> None:
        """Without a snapshot a turn gets the whole log, and the run with its claim's epoch."""
        await world.create_run(new_run())
        turn = await claim(world)
        state = await world.load(RUN)
        assert state.run.epoch == turn.task.epoch
        assert [event.type for event in state.events] == ["run_created"]
        assert (state.snapshot, state.held) == (None, Entities(state.run))

    async def test_a_claim_may_tell_the_state(self, world: World) -> None:
        """It is what loading would tell; what came to the run before its claim is part of it."""
        await world.create_run(new_run())
        task = (await claim(world)).task
        assert task.state in (None, await world.load(RUN))
        await world.create_run(new_run(OTHER))
        await world.send(OTHER, "news", b"devl[1]", "msg_1")
        task = (await claim(world)).task
        assert task.state in (None, await world.load(OTHER))

    async def test_only_the_log_after_the_snapshot_is_loaded(self, world: World) -> None:
        """What the snapshot has consumed is not read again."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        await turn.commit(inputs=[step("step_completed", 1)], snapshot=snapshot())
        await turn.commit(step("step_created", 2))
        state = await world.load(RUN)
        assert state.snapshot == replace(snapshot(), cursor=5)
        assert [event.seq for event in state.events] == [6]

    async def test_open_waits_and_hooks_are_loaded(self, world: World) -> None:
        """Completed waits and disposed hooks are left out; the order is that of creation."""
        turn = await begin(world, RUN, *(wait("wait_created", n, T + 10 * n) for n in (1, 2, 3)))
        await turn.commit(*(hook("hook_created", n, f"token {n}", T + n) for n in (4, 5)))
        await turn.commit(hook("hook_disposed", 4), inputs=[wait("wait_completed", 2)])
        state = await world.load(RUN)
        assert list(state.held.waits.values()) == [Wait("wait_01", 1, T + 10), Wait("wait_03", 3, T + 30)]
        assert list(state.held.hooks.values()) == [Hook(RUN, "hook_05", 5, "token 5", "live", T + 5, b"devl[5]")]

    async def test_steps_of_the_turn_are_loaded_with_their_input(self, world: World) -> None:
        """Open ones, with their newest attempt and failures; the order is that of creation."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2, 3, 4, 5)))
        await turn.commit(*(step("step_started", n) for n in (2, 3, 4)), tasks=[NewTask("step_05")])
        await turn.commit(step("step_retrying", 3), inputs=[step("step_completed", 4)])
        loaded = (await world.load(RUN)).held.steps.values()
        assert [(row.id, row.status, row.attempt, row.failures) for row in loaded if not row.task] == [
            ("step_01", "pending", 0, 0),
            ("step_02", "running", 1, 0),
            ("step_03", "retrying", 1, 1),
        ]
        assert [row.input for row in loaded if not row.task] == [b"devl[1]", b"devl[2]", b"devl[3]"]
        assert [(row.id, row.task) for row in loaded if row.task] == [("step_05", True)]

    async def test_other_runs_are_not_loaded(self, world: World) -> None:
        """A turn gets what is its run's."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 1), hook("hook_created", 3))
        await turn.commit(snapshot=snapshot())
        await begin(world, OTHER)
        state = await world.load(OTHER)
        assert [event.type for event in state.events] == ["run_created", "run_started"]
        assert (state.snapshot, state.held) == (None, Entities(state.run))


class CommitSuite(Suite):
    """What ``commit`` stores and what it refuses."""

    async def test_who_has_seen_more_than_there_is_is_refused(self, world: World) -> None:
        """A server was set back, or a backup was restored under him: his run begins anew from what is stored."""
        turn = await begin(world)
        turn.head += 2
        turn.held = None
        with pytest.raises(DamagedError, match="2 events that its turn has seen are not there any more"):
            await turn.commit(step("step_created", 1))
        assert (await world.get_run(RUN)).head == 2

    async def test_a_commit_may_be_handed_in(self, world: World) -> None:
        """It is answered as any, also when it is refused."""
        turn = await begin(world)
        commit = Commit(RUN, WORKER, turn.task.epoch, turn.head, outputs=(step("step_created", 1),), ops=1)
        assert turn.held is not None
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[Committed] = loop.create_future()
        if not await asyncio.to_thread(world.hand_in, commit, turn.held, stored):
            return
        committed = await stored
        assert (committed.stored, committed.head) == (True, turn.head + 1)
        assert committed.held is not None
        assert (await world.load(RUN)).run == committed.held.run
        refused: asyncio.Future[Committed] = loop.create_future()
        stale = replace(commit, epoch=turn.task.epoch + 1, expected_head=committed.head)
        assert await asyncio.to_thread(world.hand_in, stale, committed.held, refused)
        with pytest.raises(LeaseLostError):
            await refused

    async def test_inputs_come_before_outputs(self, world: World) -> None:
        """A sequential step costs one commit, and the log tells its story in order."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(
            step("step_created", 2), step("step_started", 2), inputs=[step("step_completed", 1)]
        )
        assert (await types(world))[4:] == ["step_completed", "step_created", "step_started"]
        assert replace(committed, held=None) == Committed(stored=True, head=7)

    async def test_counters_are_kept(self, world: World) -> None:
        """The run knows how many ops and log lines are committed."""
        turn = await begin(world)
        await turn.commit(ops=7, logs=3)
        run = await world.get_run(RUN)
        assert (run.ops, run.logs) == (7, 3)

    async def test_a_run_may_go_on_with_another_guest_build(self, world: World) -> None:
        """From the commit that names it, until one names another; one that names none leaves it."""
        await world.create_run(replace(new_run(), build="b1"))
        turn = await claim(world)
        builds = []
        for build in ("", "b2", "", "b1"):
            await turn.commit(snapshot=snapshot(), build=build)
            builds.append((await world.get_run(RUN)).build)
        assert builds == ["b1", "b2", "b2", "b1"]
        assert (await world.load(RUN)).run.build == "b1"

    async def test_a_stale_epoch_is_refused(self, world: World) -> None:
        """After a release and another claim the old worker's commit is fenced off."""
        old = await begin(world)
        await world.release([WORKER])
        await claim(world, SECOND)
        before = await everything(world)
        with pytest.raises(LeaseLostError, match=WORKER):
            await old.commit(step("step_created", 1))
        assert await everything(world) == before

    async def test_a_released_turn_is_refused_before_anybody_claims_it(self, world: World) -> None:
        """Releasing alone makes the fence stale."""
        turn = await begin(world)
        await world.release([WORKER])
        assert (await world.get_run(RUN)).epoch > turn.task.epoch
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 1))

    async def test_the_claim_is_one_workers(self, world: World) -> None:
        """The right epoch from the wrong worker is refused."""
        turn = await begin(world)
        with pytest.raises(LeaseLostError, match=SECOND):
            await turn.commit(step("step_created", 1), worker=SECOND)

    async def test_a_parked_turn_is_over(self, world: World) -> None:
        """Who has given the claim up cannot commit."""
        turn = await begin(world)
        await turn.commit(park=True)
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 1))

    async def test_an_unclaimed_run_is_nobodys(self, world: World) -> None:
        """A commit without a claim is refused, whatever epoch it shows."""
        await world.create_run(new_run())
        for epoch in (0, 1):
            with pytest.raises(LeaseLostError):
                await world.commit(Commit(RUN, WORKER, epoch, 1, outputs=(Event("run_started", T),)))

    async def test_an_unknown_run_is_named(self, world: World) -> None:
        """A commit to a run that is not there says which."""
        with pytest.raises(RunNotFoundError, match=RUN):
            await world.commit(Commit(RUN, WORKER, 1, 1))

    async def test_an_ended_run_takes_no_commit(self, world: World) -> None:
        """Even an empty one of the worker that ended it."""
        turn = await begin(world)
        await turn.commit(ending())
        with pytest.raises(EntityConflictError, match=f"{RUN} is completed"):
            await turn.commit()

    async def test_redeliveries_count_claims_without_effect(self, world: World) -> None:
        """They grow with each claim that comes to nothing and begin anew after a commit."""
        await world.create_run(new_run())
        counts = []
        for _ in range(3):
            turn = await claim(world)
            counts.append(turn.task.redeliveries)
            await world.release([WORKER])
        turn = await claim(world)
        await turn.commit(Event("run_started", T))
        await world.release([WORKER])
        turn = await claim(world)
        assert [*counts, turn.task.redeliveries] == [1, 2, 3, 1]


class HeldSuite(Suite):
    """What a turn says that it knows spares the world reading, and changes no answer."""

    async def test_a_commit_returns_what_is_open(self, world: World) -> None:
        """It is what the next load returns, but for inputs."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 9))
        committed = await turn.commit(hook("hook_created", 3), inputs=[wait("wait_completed", 2)])
        assert committed.held is not None
        loaded = (await world.load(RUN)).held
        assert committed.held.run == loaded.run
        assert committed.held.waits == loaded.waits == {}
        assert committed.held.hooks == loaded.hooks
        assert committed.held.steps.keys() == loaded.steps.keys()

    @pytest.mark.parametrize("known", [True, False])
    async def test_what_came_meanwhile_is_found(self, world: World, known: bool) -> None:
        """Stale knowledge is no worse than none."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        turn.held = turn.held if known else None
        committed = await turn.commit(step("step_created", 2), park=True)
        assert [event.type for event in committed.foreign] == ["hook_received"]
        assert (committed.head, committed.parked) == (5, False)

    async def test_knowledge_of_a_moment_that_the_turn_does_not_mean_is_not_believed(self, world: World) -> None:
        """A head that lies before it makes the world look for foreign inputs."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        turn.held = (await world.load(RUN)).held
        assert [event.type for event in (await turn.commit()).foreign] == ["hook_received"]

    async def test_a_task_that_was_claimed_meanwhile_is_left_as_it_is(self, world: World) -> None:
        """Claiming a step moves nothing of the run, and the turn's commits move nothing of the step."""
        turn = await begin_task(world)
        task = await claim_step(world, SECOND)
        await turn.commit(step("step_created", 2), park=True)
        await world.finish_step(outcome(task, "step_completed", worker=SECOND))
        assert (await types(world))[-1] == "step_completed"

    async def test_an_end_withdraws_a_task_that_was_claimed_meanwhile(self, world: World) -> None:
        """As it is, not as the turn knew it: its worker is fenced off."""
        turn = await begin_task(world)
        task = await claim_step(world, SECOND)
        await turn.commit(ending("run_failed"))
        [row] = await open_steps(world)
        assert (row.status, row.attempt, row.worker, row.ready_at) == ("running", 1, "", None)
        assert row.epoch > task.epoch
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(task, "step_completed", worker=SECOND))

    async def test_a_turn_that_starts_a_task_itself_starts_it_as_it_is(self, world: World) -> None:
        """The claim of whoever has it meanwhile stays what it is."""
        turn = await begin_task(world)
        task = await claim_step(world, SECOND)
        await turn.commit(step("step_started", 1, attempt=2))
        [row] = await open_steps(world)
        assert (row.attempt, row.worker, row.epoch) == (2, SECOND, task.epoch)


class ForeignSuite(Suite):
    """What a turn learns of inputs that others appended meanwhile."""

    async def test_a_commit_with_inputs_is_refused_when_others_came_first(self, world: World) -> None:
        """Nothing is stored, and the answer lists what came."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), hook("hook_created", 2))
        await world.resume_hook("token", b"devl1", "r1")
        before = await everything(world)
        committed = await turn.commit(
            step("step_created", 3), inputs=[step("step_completed", 1)], snapshot=snapshot(), park=True
        )
        assert not committed.stored
        assert not committed.parked
        assert committed.head == 6
        assert committed.foreign == tuple((await world.events(RUN))[5:])
        assert await everything(world) == before

    async def test_a_commit_without_inputs_is_always_stored(self, world: World) -> None:
        """It learns of what came, in the order of the log, and not of its own events."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        for n in range(3):
            await world.resume_hook("token", b"devl%d" % n, f"r{n}")
        committed = await turn.commit(step("step_created", 2))
        assert committed.stored
        assert [event.payload for event in committed.foreign] == [b"devl0", b"devl1", b"devl2"]
        assert [event.seq for event in committed.foreign] == [4, 5, 6]
        assert committed.head == 7

    async def test_what_the_turn_knows_is_not_foreign(self, world: World) -> None:
        """Each foreign input is told once, to who expects it."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1")
        await turn.commit()
        assert (await turn.commit()).foreign == ()

    async def test_records_are_not_inputs(self, world: World) -> None:
        """The retry of a step task moves the head but does not stand in a turn's way."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), step("step_created", 2))
        await turn.commit(tasks=[NewTask("step_02")])
        await world.finish_step(outcome(await claim_step(world), "step_retrying", due=T + 9))
        committed = await turn.commit(inputs=[step("step_completed", 1)])
        assert committed.stored
        assert committed.foreign == ()

    async def test_inputs_are_refused_that_happened_before_what_came_meanwhile(self, world: World) -> None:
        """What a VM has consumed keeps its time, and the log's times never go back: the VM must consume it anew."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), step("step_created", 2))
        await turn.commit(tasks=[NewTask("step_02")])
        await world.finish_step(outcome(await claim_step(world), "step_retrying", at=T + 9, due=T + 9))
        before = await everything(world)
        committed = await turn.commit(inputs=[step("step_completed", 1, T + 8)])
        assert not committed.stored
        assert await everything(world) == before
        assert (await turn.commit(inputs=[step("step_completed", 1, T + 9)])).stored

    async def test_results_of_step_tasks_are_foreign(self, world: World) -> None:
        """They reach a turn that is under way."""
        turn = await begin_task(world)
        task = await claim_step(world)
        await world.finish_step(outcome(task, "step_completed"))
        committed = await turn.commit()
        assert [event.type for event in committed.foreign] == ["step_completed"]

    async def test_answers_are_the_commits_own(self, world: World) -> None:
        """A hook's creation is answered to the turn that made it, as stored, and is not foreign to it."""
        turn = await begin(world)
        committed = await turn.commit(step("step_created", 1), hook("hook_created", 2), hook("hook_created", 3, "b"))
        assert committed.answers == tuple((await world.events(RUN))[3:])
        assert committed.foreign == ()
        assert (await turn.commit()).foreign == ()
