"""Turns: what is loaded, what is stored, who is refused, and when a run may park."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.model import Commit, Event, Hook, NewTask, OpenStep, Wait
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
        assert (state.snapshot, state.waits, state.steps, state.hooks) == (None, [], [], [])

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
        assert state.waits == [Wait("wait_01", 1, T + 10), Wait("wait_03", 3, T + 30)]
        assert state.hooks == [Hook(RUN, "hook_05", 5, "token 5", "live", T + 5, b"devl[5]")]

    async def test_steps_that_no_task_stands_for_are_loaded(self, world: World) -> None:
        """Unfinished ones, with their input, newest attempt and failures; the order is that of creation."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2, 3, 4, 5)))
        await turn.commit(*(step("step_started", n) for n in (2, 3, 4)), tasks=[NewTask("step_05", T)])
        await turn.commit(step("step_retrying", 3), inputs=[step("step_completed", 4)])
        assert (await world.load(RUN)).steps == [
            OpenStep("step_01", 1, "pay", "pending", 0, 0, b"devl[1]"),
            OpenStep("step_02", 2, "pay", "running", 1, 0, b"devl[2]"),
            OpenStep("step_03", 3, "pay", "retrying", 1, 1, b"devl[3]"),
        ]

    async def test_other_runs_are_not_loaded(self, world: World) -> None:
        """A turn gets what is its run's."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 1), hook("hook_created", 3))
        await turn.commit(snapshot=snapshot())
        await begin(world, OTHER)
        state = await world.load(OTHER)
        assert [event.type for event in state.events] == ["run_created", "run_started"]
        assert (state.snapshot, state.waits, state.steps, state.hooks) == (None, [], [], [])


class CommitSuite(Suite):
    """What ``commit`` stores and what it refuses."""

    async def test_inputs_come_before_outputs(self, world: World) -> None:
        """A sequential step costs one commit, and the log tells its story in order."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(
            step("step_created", 2), step("step_started", 2), inputs=[step("step_completed", 1)]
        )
        assert (await types(world))[4:] == ["step_completed", "step_created", "step_started"]
        assert committed == type(committed)(stored=True, head=7)

    async def test_counters_are_kept(self, world: World) -> None:
        """The run knows how many ops and log lines are committed."""
        turn = await begin(world)
        await turn.commit(ops=7, logs=3)
        run = await world.get_run(RUN)
        assert (run.ops, run.logs) == (7, 3)

    async def test_a_stale_epoch_is_refused(self, world: World) -> None:
        """After a release and another claim the old worker's commit is fenced off."""
        old = await begin(world)
        await world.release([WORKER], T)
        await claim(world, "wrkr_2")
        before = await everything(world)
        with pytest.raises(LeaseLostError, match=WORKER):
            await old.commit(step("step_created", 1))
        assert await everything(world) == before

    async def test_a_released_turn_is_refused_before_anybody_claims_it(self, world: World) -> None:
        """Releasing alone makes the fence stale."""
        turn = await begin(world)
        await world.release([WORKER], T)
        assert (await world.get_run(RUN)).epoch > turn.task.epoch
        with pytest.raises(LeaseLostError):
            await turn.commit(step("step_created", 1))

    async def test_the_claim_is_one_workers(self, world: World) -> None:
        """The right epoch from the wrong worker is refused."""
        turn = await begin(world)
        with pytest.raises(LeaseLostError, match="wrkr_2"):
            await turn.commit(step("step_created", 1), worker="wrkr_2")

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
                await world.commit(Commit(RUN, WORKER, epoch, T, 1, outputs=(Event("run_started", T),)))

    async def test_an_unknown_run_is_named(self, world: World) -> None:
        """A commit to a run that is not there says which."""
        with pytest.raises(RunNotFoundError, match=RUN):
            await world.commit(Commit(RUN, WORKER, 1, T, 1))

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
            await world.release([WORKER], T)
        turn = await claim(world)
        await turn.commit(Event("run_started", T))
        await world.release([WORKER], T)
        turn = await claim(world)
        assert [*counts, turn.task.redeliveries] == [1, 2, 3, 1]


class ForeignSuite(Suite):
    """What a turn learns of inputs that others appended meanwhile."""

    async def test_a_commit_with_inputs_is_refused_when_others_came_first(self, world: World) -> None:
        """Nothing is stored, and the answer lists what came."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), hook("hook_created", 2))
        await world.resume_hook("token", b"devl1", "r1", T)
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
            await world.resume_hook("token", b"devl%d" % n, f"r{n}", T)
        committed = await turn.commit(step("step_created", 2))
        assert committed.stored
        assert [event.payload for event in committed.foreign] == [b"devl0", b"devl1", b"devl2"]
        assert [event.seq for event in committed.foreign] == [4, 5, 6]
        assert committed.head == 7

    async def test_what_the_turn_knows_is_not_foreign(self, world: World) -> None:
        """Each foreign input is told once, to who expects it."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1", T)
        await turn.commit()
        assert (await turn.commit()).foreign == ()

    async def test_records_are_not_inputs(self, world: World) -> None:
        """The start of a step task moves the head but does not stand in a turn's way."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), step("step_created", 2))
        await turn.commit(tasks=[NewTask("step_02", T)])
        await claim_step(world)
        committed = await turn.commit(inputs=[step("step_completed", 1)])
        assert committed.stored
        assert committed.foreign == ()

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


class CursorSuite(Suite):
    """Where a snapshot stands in the log: a replay is given every input after it, and none twice."""

    async def test_a_quiet_snapshot_stands_at_the_head(self, world: World) -> None:
        """Without foreign inputs and answers the VM has consumed the whole log."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(step("step_created", 2), inputs=[step("step_completed", 1)], snapshot=snapshot())
        assert await self._cursor(world) == committed.head

    async def test_foreign_inputs_come_after_it(self, world: World) -> None:
        """The VM had not seen them."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        known = turn.head
        await world.resume_hook("token", b"devl1", "r1", T)
        await turn.commit(step("step_created", 2), snapshot=snapshot())
        assert await self._cursor(world) == known

    async def test_own_answers_come_after_it(self, world: World) -> None:
        """The VM asked for the hook and has not been told."""
        turn = await begin(world)
        await turn.commit(step("step_created", 1), hook("hook_created", 2), hook("hook_created", 3, "b"))
        committed = await turn.commit(
            step("step_created", 4), hook("hook_created", 5, "c"), step("step_created", 6), snapshot=snapshot()
        )
        assert await self._cursor(world) == committed.answers[0].seq - 1

    async def test_own_inputs_come_before_it(self, world: World) -> None:
        """Also when answers follow in the same commit."""
        turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1))
        committed = await turn.commit(hook("hook_created", 2), inputs=[step("step_completed", 1)], snapshot=snapshot())
        assert committed.answers[0].seq == 6
        assert await self._cursor(world) == 5

    async def test_foreign_inputs_and_answers_come_after_it(self, world: World) -> None:
        """Neither had been seen."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        known = turn.head
        await world.resume_hook("token", b"devl1", "r1", T)
        await turn.commit(hook("hook_created", 2, "b"), snapshot=snapshot())
        assert await self._cursor(world) == known

    async def test_a_redo_gets_exactly_the_unconsumed_inputs(self, world: World) -> None:
        """After a crash nothing is lost and nothing is delivered twice."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1", T)
        committed = await turn.commit(hook("hook_created", 2, "b"), snapshot=snapshot())
        await world.resume_hook("b", b"devl2", "r2", T)
        await world.release([WORKER], T)
        state = await world.load(RUN)
        inputs = [event for event in state.events if event.type in {"hook_received", "hook_created"}]
        assert tuple(inputs[:2]) == committed.foreign + committed.answers
        assert [event.payload for event in inputs[2:]] == [b"devl2"]

    async def test_the_newest_snapshot_is_kept(self, world: World) -> None:
        """A commit without one leaves it; a commit with one replaces it."""
        turn = await begin(world)
        await turn.commit(snapshot=snapshot(b"one"))
        await turn.commit(step("step_created", 1))
        assert await world.snapshot(RUN) == replace(snapshot(b"one"), cursor=2)
        await turn.commit(snapshot=snapshot(b"two"))
        assert await world.snapshot(RUN) == replace(snapshot(b"two"), cursor=3)

    async def test_a_snapshot_can_be_forgotten(self, world: World) -> None:
        """The run is then loaded from its whole log; doing it again is harmless."""
        turn = await begin(world)
        await turn.commit(snapshot=snapshot())
        await world.delete_snapshot(RUN)
        await world.delete_snapshot(RUN)
        assert await world.snapshot(RUN) is None
        assert [event.seq for event in (await world.load(RUN)).events] == [1, 2]

    async def _cursor(self, world: World) -> int:
        newest = await world.snapshot(RUN)
        assert newest is not None
        return newest.cursor


class ParkSuite(Suite):
    """When a claim is given up, and what wakes the run."""

    async def test_a_parked_run_sleeps(self, world: World) -> None:
        """Without a wait nothing makes it ready."""
        turn = await begin(world)
        assert (await turn.commit(park=True)).parked
        assert await world.next_ready_at(guests=GUESTS) is None
        assert await world.claim(WORKER, T * 2, turns=9, steps=9, guests=GUESTS) == []

    async def test_a_parked_run_wakes_for_its_earliest_wait(self, world: World) -> None:
        """Waits that have ended do not count."""
        turn = await begin(world, RUN, *(wait("wait_created", n, T + 10 * n) for n in (3, 1, 2)))
        await turn.commit(inputs=[wait("wait_completed", 1)], park=True)
        assert await world.next_ready_at(guests=GUESTS) == T + 20
        assert await world.claim(WORKER, T + 19, turns=9, steps=9, guests=GUESTS) == []
        assert len(await world.claim(WORKER, T + 20, turns=9, steps=9, guests=GUESTS)) == 1

    async def test_an_earlier_wake_up_is_forgotten(self, world: World) -> None:
        """What made the run ready has been delivered, and does not make it ready again."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1", T)
        await turn.commit()
        assert (await turn.commit(park=True)).parked
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_a_turn_that_does_not_park_keeps_its_claim(self, world: World) -> None:
        """Nobody else gets the run, however ready it is."""
        turn = await begin(world, RUN, wait("wait_created", 1, T + 1), hook("hook_created", 2))
        await world.resume_hook("token", b"devl1", "r1", T)
        assert not (await turn.commit()).parked
        assert await world.claim("wrkr_2", T + 1, turns=9, steps=9, guests=GUESTS) == []
        assert await world.next_ready_at(guests=GUESTS) is None
        assert (await turn.commit()).stored

    async def test_foreign_inputs_keep_a_run_awake(self, world: World) -> None:
        """The turn that hears of them goes on with them."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.resume_hook("token", b"devl1", "r1", T)
        committed = await turn.commit(park=True)
        assert committed.stored
        assert len(committed.foreign) == 1
        assert not committed.parked
        assert (await turn.commit(park=True)).parked

    async def test_a_conflict_keeps_a_run_awake(self, world: World) -> None:
        """The VM is to be told at once that the token is taken."""
        await (await begin(world, OTHER, hook("hook_created", 1))).commit(park=True)
        turn = await begin(world)
        committed = await turn.commit(hook("hook_created", 1), park=True)
        assert [event.type for event in committed.answers] == ["hook_conflict"]
        assert not committed.parked

    async def test_a_hook_does_not_keep_a_run_awake(self, world: World) -> None:
        """A run commonly parks with the very commit that makes its hook."""
        turn = await begin(world)
        assert (await turn.commit(hook("hook_created", 1), snapshot=snapshot(), park=True)).parked
        assert [event.type for event in (await world.load(RUN)).events] == ["hook_created"]

    async def test_a_wake_up_makes_a_parked_run_ready(self, world: World) -> None:
        """From its own time on."""
        turn = await begin(world, RUN, hook("hook_created", 1), wait("wait_created", 2, T + 1000))
        await turn.commit(park=True)
        await world.resume_hook("token", b"devl1", "r1", T + 5)
        assert await world.next_ready_at(guests=GUESTS) == T + 5
        turn = await claim(world, at=T + 5)
        assert turn.task.run_id == RUN

    async def test_a_wake_up_does_not_snooze(self, world: World) -> None:
        """A run that is ready keeps its place in the queue, whatever comes."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await turn.commit(park=True)
        await world.resume_hook("token", b"devl1", "r1", T + 5)
        await world.resume_hook("token", b"devl2", "r2", T + 9)
        assert await world.next_ready_at(guests=GUESTS) == T + 5

    async def test_a_snoozed_run_is_ready_later(self, world: World) -> None:
        """The claim is given up, whatever was stored stays, and a stale claim cannot snooze."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await world.snooze(RUN, WORKER, turn.task.epoch, T + 30)
        assert await world.claim(WORKER, T + 29, turns=9, steps=9, guests=GUESTS) == []
        assert await world.next_ready_at(guests=GUESTS) == T + 30
        assert await world.next_ready_at(guests=()) is None
        again = await claim(world, at=T + 30)
        assert again.task.redeliveries == 1
        with pytest.raises(LeaseLostError):
            await world.snooze(RUN, WORKER, turn.task.epoch, T + 60)

    async def test_the_end_gives_everything_up(self, world: World) -> None:
        """An ended run has no claim, no tasks, no waits, no hooks and no snapshot, and nothing wakes it."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 1), hook("hook_created", 3))
        await turn.commit(tasks=[NewTask("step_01", T)], snapshot=snapshot())
        committed = await turn.commit(ending(), snapshot=snapshot())
        assert committed.parked
        assert await world.next_ready_at(guests=GUESTS) is None
        assert await world.claim(WORKER, T + 1, turns=9, steps=9, guests=GUESTS) == []
        state = await world.load(RUN)
        assert (state.snapshot, state.waits, state.hooks) == (None, [], [])
        assert [row.status for row in await world.hooks(RUN)] == ["disposed"]
        assert [row.status for row in await world.steps(RUN)] == ["pending"]

    async def test_the_end_makes_no_tasks(self, world: World) -> None:
        """A task that comes with the end is nobody's work."""
        turn = await begin(world, RUN, step("step_created", 1))
        await turn.commit(ending(), tasks=[NewTask("step_01", T)])
        assert await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS) == []
