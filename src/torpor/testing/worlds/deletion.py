"""Runs that have ended go, with everything that belongs to them, a little at a time."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from torpor.errors import EntityConflictError, HookNotFoundError, RunNotFoundError
from torpor.lifecycle import EventType
from torpor.model import EndedFilter, Event, LogEntry, LongLogs, NewTask, RunFilter, Task
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.story import (
    RUN,
    T,
    Turn,
    begin,
    ending,
    everything,
    hook,
    new_run,
    snapshot,
    step,
    take,
    types,
    wait,
)
from torpor.testing.worlds.suite import MakeWorld, Suite
from torpor.world import World

OTHER = "wrun_01B"


async def lived(world: World, end: EventType = "run_failed", run_id: str = RUN) -> None:
    """Let a run have everything that a run may have, and end."""
    turn = await begin(
        world, run_id, step("step_created", 1, attempt=1), step("step_created", 2), wait("wait_created", 3, 1 << 42)
    )
    await world.set_attributes(run_id, {"customer": "c-17"})
    await world.send(run_id, "news", b"devl1", "m1")
    await world.write_stream(batch("a", "b", run_id=run_id))
    turn = await _again(world, turn, replace(hook("hook_created", 4, token=f"token of {run_id}"), due=1 << 41))
    await world.resume_hook(f"token of {run_id}", b"devl1", "r1")
    turn = await _again(world, turn)
    await turn.commit(tasks=[NewTask("step_02")], lines=[LogEntry(1, T, "info", "hello")], snapshot=snapshot(), logs=1)
    if end == "run_cancelled":
        await world.cancel_run(run_id, "")
    else:
        await turn.commit(ending(end))


async def _again(world: World, turn: Turn, *outputs: Event) -> Turn:
    """Let a turn catch up with what came from outside, and commit."""
    state = await world.load(turn.task.run_id)
    turn.head, turn.held = state.run.head, state.held
    await turn.commit(*outputs)
    return turn


class DeletionSuite(Suite):
    """``delete_run``, and finding what is to be deleted."""

    @pytest.mark.parametrize("end", ["run_completed", "run_failed", "run_cancelled"])
    async def test_everything_of_a_run_goes(self, world: World, end: EventType) -> None:
        """However it ended; it is as if it had never been, and others stay as they are."""
        await lived(world, end)
        await lived(world, end, OTHER)
        other = await everything(world, OTHER)
        assert await world.delete_run(RUN)
        with pytest.raises(RunNotFoundError, match=RUN):
            await world.get_run(RUN)
        for reading in (world.events, world.log_entries, world.snapshot, world.load, world.streams, world.delete_run):
            with pytest.raises(RunNotFoundError, match=RUN):
                await reading(RUN)
        assert [run.id for run in await world.list_runs(RunFilter())] == [OTHER]
        assert [run.id for run in await world.list_runs(RunFilter(attributes={"customer": "c-17"}))] == [OTHER]
        assert await everything(world, OTHER) == other

    async def test_its_id_is_free_again(self, world: World) -> None:
        """A run of the same name begins anew, and has nothing of the one that was."""
        await lived(world)
        assert await world.delete_run(RUN)
        run = await world.create_run(new_run(workflow="refund"))
        assert (run.workflow, run.head, run.base) == ("refund", 1, 0)
        assert await types(world) == ["run_created"]
        assert await world.streams(RUN) == []
        assert await world.log_entries(RUN) == []
        [task] = await take(world)
        assert (task.kind, task.run_id) == ("turn", RUN)

    async def test_another_world_on_the_store_notices(
        self, world: World, make_world: MakeWorld, clock: ManualClock
    ) -> None:
        """What it has read of the run before does not stand for the next one."""
        beside: World = make_world(clock)
        await beside.open()
        try:
            await lived(world)
            await beside.events(RUN)
            await world.delete_run(RUN)
            with pytest.raises(RunNotFoundError, match=RUN):
                await beside.events(RUN)
            await world.create_run(new_run(OTHER))
            with pytest.raises(RunNotFoundError, match=RUN):
                await beside.snapshot(RUN)
            await beside.create_run(new_run())
            assert [event.type for event in await beside.events(RUN)] == ["run_created"]
        finally:
            await beside.close()

    async def test_children_outlive_their_parent(self, world: World) -> None:
        """They may be deleted after it, also when another run has its name by then, with a child of its own."""
        await lived(world)
        for child in ("wrun_a", "wrun_b"):
            await world.create_run(replace(new_run(child), parent=RUN, root=RUN))
            await world.cancel_run(child, "")
        assert await world.delete_run(RUN)
        assert await world.delete_run("wrun_a")
        await world.create_run(new_run())
        await world.create_run(replace(new_run("wrun_c"), parent=RUN, root=RUN))
        assert await world.delete_run("wrun_b")
        await world.cancel_run(RUN, "")
        assert {run.id: run.status for run in await world.list_runs(RunFilter())} == {
            "wrun_c": "cancelled",
            RUN: "cancelled",
        }

    async def test_a_run_that_goes_on_stays(self, world: World) -> None:
        """It has to be cancelled first."""
        await world.create_run(new_run())
        before = await everything(world)
        with pytest.raises(EntityConflictError, match="cancel it first"):
            await world.delete_run(RUN)
        assert await everything(world) == before

    async def test_a_long_run_goes_little_by_little(self, world: World) -> None:
        """At any time it is a run whose log begins late, or gone; and it ends."""
        await lived(world)
        for _ in range(100):
            if await world.delete_run(RUN, rows_max=2):
                break
            run = await world.get_run(RUN)
            assert [event.seq for event in await world.events(RUN)] == list(range(run.base + 1, run.head + 1))
            assert (await types(world))[-1] == "run_failed"
        with pytest.raises(RunNotFoundError, match=RUN):
            await world.get_run(RUN)

    @pytest.mark.parametrize("rows_max", [2, 500])
    async def test_a_name_may_stay(self, world: World, rows_max: int) -> None:
        """With how it ended; a start and a message that are tried again are recognised, all else is gone."""
        await lived(world)
        before = await world.get_run(RUN)
        while not await world.delete_run(RUN, keep_name=True, rows_max=rows_max):
            pass
        run = await world.get_run(RUN)
        assert run == replace(before, base=before.head - 1)
        assert await types(world) == ["run_failed"]
        assert await world.snapshot(RUN) is None
        assert await world.log_entries(RUN) == []
        assert await world.streams(RUN) == []
        assert (await world.load(RUN)).held.steps == {}
        assert await world.create_run(new_run()) == run
        token = f"token of {RUN}"
        with pytest.raises(HookNotFoundError):
            await world.hook(token)
        assert await world.resume_hook(token, b"devl1", "r1") == RUN
        assert await world.delete_run(RUN, keep_name=True)
        assert await world.delete_run(RUN)
        with pytest.raises(HookNotFoundError):
            await world.resume_hook(token, b"devl1", "r1")
        assert await world.resumed(token, "r1") == ""
        assert await world.list_runs(RunFilter()) == []

    async def test_ended_runs_are_found_in_the_order_of_their_ends(self, world: World, clock: ManualClock) -> None:
        """Of one workflow, with one status, before a time, and those of which more than the name is kept."""
        ends: tuple[EventType, ...] = ("run_completed", "run_failed", "run_completed", "run_completed")
        for n, end in enumerate(ends):
            workflow = "refund" if n == 2 else "order"
            run_id = f"wrun_{n}"
            await world.create_run(new_run(run_id, workflow=workflow))
            [task] = await take(world)
            turn = await _begun(world, task)
            await turn.commit(ending(end, T + 10 * n))
        await world.create_run(new_run("wrun_9"))

        async def found(**asked: object) -> list[str]:
            where = EndedFilter(**{"before": T + 99, **asked})  # type: ignore[arg-type]
            return [run.id for run in await world.ended_runs(where)]

        assert await found() == ["wrun_0", "wrun_1", "wrun_2", "wrun_3"]
        assert await found(before=T + 20) == ["wrun_0", "wrun_1"]
        assert await found(since=T + 10, before=T + 30) == ["wrun_1", "wrun_2"]
        assert await found(workflow="order", statuses=("completed",)) == ["wrun_0", "wrun_3"]
        assert await found(limit=1) == ["wrun_0"]
        assert await found(app="another") == []
        assert await found(besides=("order",)) == ["wrun_2"]
        await world.delete_run("wrun_1", keep_name=True)
        assert await found(whole=True) == ["wrun_0", "wrun_2", "wrun_3"]

    async def test_long_logs_are_found(self, world: World) -> None:
        """Of runs that go on and are kept by snapshots."""
        await begin(world, "wrun_long", step("step_created", 1))
        await world.create_run(new_run())
        await world.create_run(replace(new_run(OTHER), runtime="replay"))
        assert [run.id for run in await world.long_logs(LongLogs(3))] == ["wrun_long"]
        assert [run.id for run in await world.long_logs(LongLogs(1))] == ["wrun_long", RUN]
        assert [run.id for run in await world.long_logs(LongLogs(1, 2))] == ["wrun_long"]
        assert await world.long_logs(LongLogs(1, workflow="refund")) == []
        assert await world.long_logs(LongLogs(1, app="another")) == []
        assert await world.long_logs(LongLogs(1, besides=("order",))) == []

    async def test_aged_logs_are_found(self, world: World, clock: ManualClock) -> None:
        """When so many events are older than that, counted back from the newest snapshot; none without a snapshot."""
        turn = await begin(world, RUN, step("step_created", 1, at=T))
        clock.advance(10)

        async def found(going: int, kept: int = 0, *, age_ms: int) -> list[str]:
            return [run.id for run in await world.long_logs(LongLogs(going, kept, age_ms))]

        assert await found(1, age_ms=9) == []
        await turn.commit(step("step_created", 2, at=T + 10), snapshot=replace(snapshot(), at=T + 10))
        assert await found(3, age_ms=9) == [RUN]
        assert await found(3, age_ms=10) == []
        assert await found(4, age_ms=9) == []
        assert await found(3, 2, age_ms=9) == []

    async def test_programs_of_all_runs_are_told(self, world: World) -> None:
        """Also of those that have ended, until they are deleted."""
        await lived(world)
        await world.create_run(replace(new_run(OTHER), program="another", key_id="k1"))
        assert await world.programs_kept() == {(new_run().program, ""), ("another", "k1")}
        await world.delete_run(RUN)
        assert await world.programs_kept() == {("another", "k1")}


async def _begun(world: World, task: Task) -> Turn:
    turn = Turn(world, task, 1)
    await turn.commit(Event("run_started", T))
    return turn
