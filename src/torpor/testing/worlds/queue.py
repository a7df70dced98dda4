"""The queue: who gets what, in which order, and what becomes of the work of dead workers."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from torpor.model import NewTask, WorkerRow
from torpor.testing.worlds.story import (
    GUESTS,
    RUN,
    WORKER,
    T,
    begin,
    begin_task,
    claim,
    claim_step,
    everything,
    new_run,
    step,
    wait,
)
from torpor.testing.worlds.suite import MakeWorld, Suite
from torpor.world import World


class QueueSuite(Suite):
    """The ``Queue`` protocol."""

    async def test_an_empty_queue_has_nothing(self, world: World) -> None:
        """There is no task, and no time when there will be."""
        assert await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS) == []
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_each_claim_raises_the_fence(self, world: World) -> None:
        """A later claim of the same run shows a larger epoch."""
        await world.create_run(new_run())
        first = await claim(world)
        await world.release([WORKER], T)
        second = await claim(world)
        assert second.task.epoch > first.task.epoch
        assert (await world.get_run(RUN)).epoch == second.task.epoch

    async def test_a_claimed_turn_is_not_handed_out_again(self, world: World) -> None:
        """It is one worker's until it parks or the worker dies."""
        await world.create_run(new_run())
        await claim(world)
        assert await world.claim("wrkr_2", T * 2, turns=9, steps=9, guests=GUESTS) == []
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_the_longest_ready_comes_first(self, world: World) -> None:
        """Turns and steps are each handed out in the order in which they became ready."""
        for n in (3, 2, 1):
            await world.create_run(new_run(f"wrun_{n}", at=T + n))
        tasks = await world.claim(WORKER, T + 9, turns=2, steps=0, guests=GUESTS)
        assert [task.run_id for task in tasks] == ["wrun_1", "wrun_2"]
        [turn] = await world.claim(WORKER, T + 9, turns=9, steps=0, guests=GUESTS)
        assert turn.run_id == "wrun_3"

    async def test_the_longest_ready_step_comes_first(self, world: World) -> None:
        """Whatever the order in which the tasks were made."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in (1, 2, 3)))
        await turn.commit(tasks=[NewTask("step_01", T + 3), NewTask("step_02", T + 1), NewTask("step_03", T + 2)])
        tasks = await world.claim(WORKER, T + 9, turns=0, steps=2, guests=GUESTS)
        assert [task.step_id for task in tasks] == ["step_02", "step_03"]

    async def test_turns_and_steps_are_asked_for_apart(self, world: World) -> None:
        """A worker gets no more of either than it has room for."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in range(1, 5)))
        await turn.commit(tasks=[NewTask(f"step_{n:02}", T) for n in range(1, 5)])
        for n in range(3):
            await world.create_run(new_run(f"wrun_{n}"))
        assert await world.claim(WORKER, T, turns=0, steps=0, guests=GUESTS) == []
        kinds = [task.kind for task in await world.claim(WORKER, T, turns=2, steps=3, guests=GUESTS)]
        assert sorted(kinds) == ["step"] * 3 + ["turn"] * 2
        kinds = [task.kind for task in await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS)]
        assert sorted(kinds) == ["step", "turn"]

    async def test_turns_go_to_workers_that_have_the_guest(self, world: World) -> None:
        """A run of another guest waits, and neither hides what stands behind it nor makes a worker look again."""
        for n, guest in enumerate(("cpython", "quickjs", "cpython", "quickjs")):
            await world.create_run(replace(new_run(f"wrun_{n}", at=T + n), guest=guest))
        assert await world.next_ready_at(guests=("quickjs",)) == T + 1
        assert await world.next_ready_at(guests=("cpython", "quickjs")) == T
        assert await world.next_ready_at(guests=()) is None
        assert await world.claim(WORKER, T + 9, turns=9, steps=9, guests=()) == []
        tasks = await world.claim(WORKER, T + 9, turns=1, steps=9, guests=("quickjs", "other"))
        assert [task.run_id for task in tasks] == ["wrun_1"]
        tasks = await world.claim(WORKER, T + 9, turns=2, steps=9, guests=("cpython", "quickjs"))
        assert [task.run_id for task in tasks] == ["wrun_0", "wrun_2"]

    async def test_steps_need_no_guest(self, world: World) -> None:
        """Any worker may carry out a step, whatever its run is written in."""
        await begin_task(world)
        assert await world.next_ready_at(guests=()) == T
        [task] = await world.claim(WORKER, T, turns=9, steps=9, guests=())
        assert task.kind == "step"

    async def test_the_next_time_is_the_earliest(self, world: World) -> None:
        """Turns and steps count alike, claimed ones do not."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 20))
        await turn.commit(tasks=[NewTask("step_01", T + 10)], park=True)
        assert await world.next_ready_at(guests=GUESTS) == T + 10
        await claim_step(world, at=T + 10)
        assert await world.next_ready_at(guests=GUESTS) == T + 20
        await claim(world, at=T + 20)
        assert await world.next_ready_at(guests=GUESTS) is None

    async def test_a_task_goes_to_one_of_many(self, world: World, make_world: MakeWorld) -> None:
        """However many claim at once, through however many worlds on the same store, each turn is handed out once."""
        others = [make_world() for _ in range(2)]
        try:
            for other in others:
                await other.open()
            for n in range(20):
                await world.create_run(new_run(f"wrun_{n:02}"))
            worlds = [world, *others] * 5
            claims = (one.claim(f"wrkr_{n}", T, turns=2, steps=0, guests=GUESTS) for n, one in enumerate(worlds))
            handed = [task.run_id for tasks in await asyncio.gather(*claims) for task in tasks]
            assert sorted(handed) == [f"wrun_{n:02}" for n in range(20)]
        finally:
            for other in others:
                await other.close()

    async def test_released_work_is_ready_at_once(self, world: World) -> None:
        """For anybody, and the number of tasks is told."""
        await begin_task(world)
        await claim_step(world)
        assert await world.release([WORKER], T + 5) == 2
        assert await world.next_ready_at(guests=GUESTS) == T + 5
        kinds = [task.kind for task in await world.claim("wrkr_2", T + 5, turns=9, steps=9, guests=GUESTS)]
        assert sorted(kinds) == ["step", "turn"]

    async def test_only_the_named_workers_lose_their_work(self, world: World) -> None:
        """Others' claims and fences stay."""
        mine = await begin(world, "wrun_1", worker="wrkr_1")
        await begin(world, "wrun_2", worker="wrkr_2")
        await begin(world, "wrun_3", worker="wrkr_3")
        assert await world.release(["wrkr_2", "wrkr_3"], T) == 2
        assert (await mine.commit(step("step_created", 1))).stored
        again = await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS)
        assert sorted(task.run_id for task in again) == ["wrun_2", "wrun_3"]

    @pytest.mark.parametrize("names", [[], ["wrkr_unknown"]])
    async def test_nobody_has_nothing_to_release(self, world: World, names: list[str]) -> None:
        """Releasing workers without claims changes nothing."""
        await begin(world)
        before = await everything(world)
        assert await world.release(names, T) == 0
        assert await everything(world) == before

    async def test_a_heartbeat_registers_and_renews(self, world: World) -> None:
        """The newest row of each worker is told."""
        one = WorkerRow("wrkr_1", "machine", 2**31, T - 5, T, T + 30)
        two = WorkerRow("wrkr_2", "machine", 12, T - 5, T, T + 30)
        for row in (two, one, later := replace(one, seen_at=T + 10, until=T + 40)):
            await world.heartbeat(row)
        assert sorted(await world.workers(), key=lambda row: row.id) == [later, two]

    async def test_released_workers_are_forgotten(self, world: World) -> None:
        """Others stay."""
        for name in ("wrkr_1", "wrkr_2"):
            await world.heartbeat(WorkerRow(name, "machine", 1, T, T, T + 30))
        await world.release(["wrkr_1"], T)
        assert [row.id for row in await world.workers()] == ["wrkr_2"]
