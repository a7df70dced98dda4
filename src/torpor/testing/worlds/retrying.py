"""Failed runs that are taken up again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor import ids
from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.model import NOW, Event, standing
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
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
    take,
    types,
    wait,
    watching,
)
from torpor.testing.worlds.suite import Suite
from torpor.world import World

SEED = b"s" * 32


def asked_for(kind: str, n: int, at: int, *, name: str = "", due: int = 0) -> Event:
    """Return the creation of a step, wait or hook, whose id has the time at which it was asked for."""
    made = ids.correlation(kind, SEED, n, at)  # type: ignore[arg-type]  # the kinds are prefixes
    event: Event = {"step": step, "wait": wait, "hook": hook}[kind](f"{kind}_created", n)  # type: ignore[operator]
    return replace(event, id=made, at=at, digest=b"digest%02d" % n, name=name or event.name, due=due)


class RetryingSuite(Suite):
    """``retry_run``."""

    async def test_a_run_that_was_ended_goes_on(self, world: World, clock: ManualClock) -> None:
        """Its end is taken back; it is ready at once, under another fence, and has no deadline any more."""
        await world.create_run(replace(new_run(), deadline=T + 9))
        await (await claim(world)).commit(Event("run_started", T), wait("wait_created", 1, T + 99), park=True)
        clock.advance(9)
        await take(world)
        failed = await world.get_run(RUN)
        assert failed.status == "failed"
        run = await world.retry_run(RUN)
        assert (run.status, run.error_code, run.ended_at, run.deadline) == ("running", "", 0, 0)
        assert (run.ready_at, run.worker, run.started_at) == (NOW, "", failed.started_at)
        assert run.epoch > failed.epoch
        assert await world.get_run(RUN) == run
        state = await world.load(RUN)
        assert list(state.held.waits) == ["wait_01"]
        assert (await types(world))[-2:] == ["run_failed", "run_retried"]
        assert [event.type for event in standing(state.events)][-2:] == ["wait_created", "run_retried"]
        assert [task.run_id for task in await take(world)] == [RUN]

    async def test_one_that_never_began_is_pending(self, world: World, clock: ManualClock) -> None:
        """It begins then."""
        await world.create_run(replace(new_run(), deadline=T + 1))
        clock.advance(1)
        await take(world)
        assert (await world.retry_run(RUN)).status == "pending"

    async def test_a_step_is_tried_again(self, world: World, clock: ManualClock) -> None:
        """Its row is there as if nobody had begun its next attempt, with all its retries before it."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        clock.advance(5)
        await turn.commit(ending("run_failed", T + 5), inputs=[step("step_failed", 1, T + 5)])
        await world.retry_run(RUN, 4)
        (again,) = (await world.load(RUN)).held.steps.values()
        assert (again.id, again.name, again.status, again.attempt) == ("step_01", "pay", "retrying", 1)
        assert (again.failures, again.task, again.input) == (0, False, b"devl[1]")
        turn = await claim(world)
        await turn.commit(step("step_started", 1, T + 6, attempt=2))
        await turn.commit(ending(at=T + 7), inputs=[step("step_completed", 1, T + 7, attempt=2)])
        assert (await world.get_run(RUN)).status == "completed"

    async def test_what_came_of_the_failure_is_void(self, world: World, clock: ManualClock) -> None:
        """Ops that were asked for after it are gone, whatever became of them; those before it stay."""
        before = asked_for("step", 1, T)
        turn = await begin(world, RUN, replace(before, attempt=1, ref="w"), asked_for("wait", 2, T, due=T + 99))
        clock.advance(5)
        failed = Event("step_failed", T + 5, before.id, op=1, attempt=1, payload=b"devl1")
        cleanup = asked_for("step", 3, T + 5)
        await turn.commit(cleanup, asked_for("hook", 4, T + 5), inputs=[failed], ops=4)
        await turn.commit(ending("run_failed", T + 6), ops=4)
        run = await world.retry_run(RUN, 5)
        assert run.ops == 2
        held = (await world.load(RUN)).held
        assert ([each.op for each in held.steps.values()], [each.op for each in held.waits.values()]) == ([1], [2])
        assert held.hooks == {}
        retried = (await world.events(RUN))[-1]
        assert (retried.op, retried.ref, retried.name) == (3, "5", before.id)
        assert retried.at > T + 5
        holding = [event.op for event in standing(await world.events(RUN)) if event.digest]
        assert holding == [1, 2]

    async def test_what_was_left_is_there_again(self, world: World, clock: ManualClock) -> None:
        """A timer that was given up and a hook that was disposed of because of the failure are open again."""
        before = asked_for("step", 1, T)
        hooked = asked_for("hook", 3, T, name="mine")
        timer = asked_for("wait", 2, T, due=T + 99)
        turn = await begin(world, RUN, replace(before, attempt=1, ref="w"), timer, hooked)
        clock.advance(5)
        failed = Event("step_failed", T + 5, before.id, op=1, attempt=1, payload=b"devl1")
        gone = Event("hook_disposed", T + 5, hooked.id, op=4, digest=b"d", name="mine")
        left = Event("wait_disposed", T + 5, timer.id, op=2)
        await turn.commit(gone, left, ending("run_failed", T + 5), inputs=[failed], ops=4)
        assert not (await world.load(RUN)).held.hooks
        await world.retry_run(RUN, 6)
        held = (await world.load(RUN)).held
        assert [(wait.id, wait.due) for wait in held.waits.values()] == [(timer.id, T + 99)]
        assert [(hook.id, hook.status) for hook in held.hooks.values()] == [(hooked.id, "live")]
        assert (await world.hook("mine")).run_id == RUN

    async def test_a_token_that_is_gone_refuses_it(self, world: World) -> None:
        """The error names the run that has it; nothing is stored."""
        turn = await begin(world, RUN, hook("hook_created", 1))
        await turn.commit(ending("run_failed"))
        await begin(world, OTHER, hook("hook_created", 1))
        before = await world.get_run(RUN)
        with pytest.raises(EntityConflictError, match=OTHER):
            await world.retry_run(RUN)
        assert await world.get_run(RUN) == before
        await world.cancel_run(OTHER, "", force=True)
        await world.retry_run(RUN)
        assert (await world.hook("token")).run_id == RUN

    async def test_the_end_of_another_run_is_told(self, world: World) -> None:
        """A run that watched another one, which has ended meanwhile, hears of it."""
        await world.create_run(new_run(OTHER))
        other = await claim(world)
        turn = await begin(world, RUN, watching(1, OTHER))
        await turn.commit(ending("run_failed"))
        await other.commit(Event("run_started", T), ending())
        await world.retry_run(RUN)
        assert (await types(world))[-2:] == ["run_retried", "hook_received"]
        assert (await world.load(RUN)).held.hooks["hook_01"].status == "told"

    async def test_tasks_are_there_again(self, world: World) -> None:
        """A step task that was withdrawn is ready for anybody; who had it before stays fenced off."""
        turn = await begin_task(world)
        old = await claim_step(world)
        await turn.commit(ending("run_failed"))
        await world.retry_run(RUN)
        with pytest.raises(LeaseLostError):
            await world.finish_step(outcome(old, "step_completed"))
        new = await claim_step(world)
        await world.finish_step(outcome(new, "step_completed"))

    async def test_a_snapshot_from_before_stays(self, world: World) -> None:
        """One that has met the failure goes."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await turn.commit(snapshot=snapshot())
        await turn.commit(ending("run_failed"), inputs=[step("step_failed", 1)])
        await world.retry_run(RUN, 4)
        assert await world.snapshot(RUN) is not None
        turn = await claim(world)
        await turn.commit(step("step_started", 1, attempt=2))
        await turn.commit(inputs=[step("step_failed", 1, attempt=2)], snapshot=snapshot())
        await turn.commit(ending("run_failed"))
        await world.retry_run(RUN, 8)
        assert await world.snapshot(RUN) is None

    async def test_a_log_that_has_forgotten_refuses_it(self, world: World) -> None:
        """The error says what helps."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        await turn.commit(ending("run_failed"), inputs=[step("step_failed", 1)])
        await world.archive(RUN, 3)
        with pytest.raises(EntityConflictError, match=f"begins after event 3.*torpor rerun {RUN}"):
            await world.retry_run(RUN, 4)

    async def test_only_failures_are_taken_back(self, world: World) -> None:
        """Nothing else in a log is, and no run that has not failed."""
        turn = await begin(world, RUN, step("step_created", 1, attempt=1))
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="is running, and only failed runs are retried"):
            await world.retry_run(RUN)
        assert await everything(world) == before
        await turn.commit(ending("run_failed"), inputs=[step("step_completed", 1)])
        for seq in (1, 4, 99):
            with pytest.raises(EntityConflictError, match=f"event {seq} .* is no failure"):
                await world.retry_run(RUN, seq)

    async def test_an_unknown_run_is_not_retried(self, world: World) -> None:
        """The error names it."""
        with pytest.raises(RunNotFoundError, match=RUN):
            await world.retry_run(RUN)
