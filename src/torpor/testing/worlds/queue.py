"""The queue: who gets what, in which order, and when there will be more."""

from __future__ import annotations

import asyncio

from torpor.model import NOW, Claims, NewTask
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import (
    RUN,
    SECOND,
    WORKER,
    T,
    ask,
    begin,
    begin_task,
    claim,
    claim_step,
    new_run,
    request,
    step,
    take,
    wait,
    worker_row,
)
from torpor.testing.worlds.suite import MakeWorld, Suite, opened
from torpor.world import World


class QueueSuite(Suite):
    """``claim``."""

    async def test_an_empty_queue_has_nothing(self, world: World) -> None:
        """There is no task, and no time when there will be."""
        assert await ask(world) == Claims()

    async def test_a_new_run_is_ready_at_once(self, world: World) -> None:
        """Its turn is handed out with the fence that the run has from then on."""
        await world.create_run(new_run())
        [task] = await take(world)
        run = await world.get_run(RUN)
        assert (task.kind, task.run_id, task.epoch) == ("turn", RUN, run.epoch)
        assert (run.worker, run.redeliveries) == (WORKER, 1)

    async def test_each_claim_raises_the_fence(self, world: World) -> None:
        """A later claim of the same run shows a larger epoch."""
        await world.create_run(new_run())
        first = await claim(world)
        await world.release([WORKER])
        second = await claim(world)
        assert second.task.epoch > first.task.epoch
        assert (await world.get_run(RUN)).epoch == second.task.epoch

    async def test_a_claimed_turn_is_not_handed_out_again(self, world: World, clock: ManualClock) -> None:
        """It is one worker's until it parks or the worker dies."""
        await world.create_run(new_run())
        await claim(world)
        clock.advance(T)
        assert await ask(world, SECOND) == Claims()

    async def test_the_longest_ready_turn_comes_first(self, world: World, clock: ManualClock) -> None:
        """Turns are handed out in the order in which they became ready, whatever their names."""
        for n in (3, 1, 2):
            await world.create_run(new_run(f"wrun_{n}"))
            clock.advance(1)
        assert [task.run_id for task in await take(world, turns_max=2)] == ["wrun_3", "wrun_1"]
        assert [task.run_id for task in await take(world)] == ["wrun_2"]

    async def test_of_equals_the_first_created_comes_first(self, world: World) -> None:
        """Runs that became ready in the same millisecond stand in the order of their creation."""
        names = [f"wrun_{n}" for n in (3, 1, 2)]
        for name in names:
            await world.create_run(new_run(name))
        assert [task.run_id for task in await take(world)] == names

    async def test_what_is_due_stands_where_it_became_due(self, world: World, clock: ManualClock) -> None:
        """A timer of long ago comes before what was made ready since, and a later one after it."""
        for n, due in ((1, T + 10), (2, T + 30)):
            turn = await begin(world, f"wrun_{n}", wait("wait_created", 1, due))
            await turn.commit(park=True)
        clock.advance(20)
        await world.create_run(new_run("wrun_3"))
        clock.advance(20)
        assert [task.run_id for task in await take(world)] == ["wrun_1", "wrun_3", "wrun_2"]

    async def test_the_longest_ready_step_comes_first(self, world: World, clock: ManualClock) -> None:
        """Whatever the order in which the tasks were made; what is ready at once stands where it was made."""
        turn = await begin(world, RUN, *(step("step_created", n, T + 4) for n in (1, 2, 3, 4)))
        dues = (T + 3, T + 1, NOW, T + 9)
        await turn.commit(tasks=[NewTask(f"step_{n:02}", due) for n, due in enumerate(dues, start=1)])
        clock.advance(5)
        assert [task.step_id for task in await take(world, steps_max=2)] == ["step_02", "step_01"]
        clock.advance(5)
        assert [task.step_id for task in await take(world)] == ["step_03", "step_04"]

    async def test_turns_and_steps_are_asked_for_apart(self, world: World) -> None:
        """A worker gets no more of either than it has room for, turns first."""
        turn = await begin(world, RUN, *(step("step_created", n) for n in range(1, 5)))
        await turn.commit(tasks=[NewTask(f"step_{n:02}") for n in range(1, 5)])
        for n in range(3):
            await world.create_run(new_run(f"wrun_{n}"))
        assert await take(world, turns_max=0, steps_max=0) == []
        kinds = [task.kind for task in await take(world, turns_max=2, steps_max=3)]
        assert kinds == ["turn"] * 2 + ["step"] * 3
        kinds = [task.kind for task in await take(world)]
        assert kinds == ["turn", "step"]

    async def test_the_next_time_is_the_earliest(self, world: World, clock: ManualClock) -> None:
        """Turns and steps count alike, claimed ones do not."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 20))
        await turn.commit(tasks=[NewTask("step_01", T + 10)], park=True)
        assert await ask(world) == Claims(next_at=T + 10)
        clock.advance(10)
        [task] = (claims := await ask(world)).tasks
        assert (task.kind, claims.next_at) == ("step", T + 20)
        clock.advance(10)
        [task] = (claims := await ask(world)).tasks
        assert (task.kind, claims.next_at) == ("turn", None)

    async def test_the_next_time_is_of_what_is_asked_for(self, world: World) -> None:
        """Who has no room for steps is not woken for one, and who has none for turns not for those."""
        turn = await begin(world, RUN, step("step_created", 1), wait("wait_created", 2, T + 20))
        await turn.commit(tasks=[NewTask("step_01", T + 10)], park=True)
        assert (await ask(world, steps_max=0)).next_at == T + 20
        assert (await ask(world, turns_max=0)).next_at == T + 10
        assert (await ask(world, turns_max=0, steps_max=0)).next_at is None

    async def test_the_next_time_is_not_told_while_there_may_be_more(self, world: World) -> None:
        """A full answer says: ask again."""
        await begin_task(world, ready_at=T + 10)
        await world.create_run(new_run("wrun_1"))
        assert (await ask(world, turns_max=1)).next_at is None
        assert (await ask(world, turns_max=1)).next_at == T + 10

    async def test_a_task_goes_to_one_of_many(self, world: World, make_world: MakeWorld, clock: ManualClock) -> None:
        """However many claim at once, through however many worlds on the same store, each turn is handed out once."""
        async with opened(make_world(clock)) as second, opened(make_world(clock)) as third:
            for n in range(20):
                await world.create_run(new_run(f"wrun_{n:02}"))
            workers = [(one, f"wrkr_{n}") for n, one in enumerate([world, second, third] * 5)]
            for one, name in workers:
                await one.register(worker_row(name))
            claims = await asyncio.gather(*(one.claim(request(name, turns_max=2)) for one, name in workers))
        handed = [task.run_id for answer in claims for task in answer.tasks]
        assert sorted(handed) == [f"wrun_{n:02}" for n in range(20)]

    async def test_released_work_is_ready_at_once(self, world: World, clock: ManualClock) -> None:
        """For anybody, behind what was ready before, and the number of tasks is told."""
        await begin_task(world)
        await claim_step(world)
        clock.advance(5)
        await world.create_run(new_run("wrun_1"))
        clock.advance(5)
        assert await world.release([WORKER]) == 2
        assert [task.run_id for task in await take(world, SECOND)] == ["wrun_1", RUN, RUN]
