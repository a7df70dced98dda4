"""A world that holds thousands of runs answers as one that holds three."""

from __future__ import annotations

import asyncio
from typing import Final

from msgspec.structs import replace

from torpor.model import Event, NewTask, RunFilter, StepOutcome, Task
from torpor.testing.clock import ManualClock
from torpor.testing.worlds.story import RUN, WORKER, T, Turn, ask, hook, new_run, open_steps, step, take, wait
from torpor.testing.worlds.suite import Suite
from torpor.world import World

POPULATION: Final = 2_000


async def _populate(world: World, count: int, *, ready_every: int) -> None:
    """Create runs that sleep, each until a time of its own; every so many are ready instead, in another queue."""
    for n in range(count):
        await world.create_run(replace(new_run(f"wrun_{n:05}"), queue="" if n % ready_every else "busy"))
    await asyncio.gather(
        *(
            Turn(world, task, 1).commit(
                Event("run_started", T), wait("wait_created", 1, T + 1000 + n), hook("hook_created", 2, task.run_id),
                park=True,
            )
            for n, task in enumerate(await take(world, turns_max=count))
        )
    )  # fmt: skip


class PopulationSuite(Suite):
    """
    Many runs, and many steps of one run.

    Attributes:
        population: how many. A world of which each call is a journey may have fewer.
    """

    population = POPULATION

    async def test_sleepers_hide_nobody(self, world: World, clock: ManualClock) -> None:
        """What is ready is found in its order, and the next time is the earliest of all timers."""
        await _populate(world, self.population, ready_every=100)
        claims = await ask(world, queues=("", "busy"), turns_max=self.population)
        assert [task.run_id for task in claims.tasks] == [f"wrun_{n:05}" for n in range(0, self.population, 100)]
        assert claims.next_at == T + 1000
        clock.advance(1010)
        tasks = await take(world, turns_max=self.population)
        assert [task.run_id for task in tasks] == [f"wrun_{n:05}" for n in range(1, 12)]

    async def test_each_is_found_by_its_token(self, world: World) -> None:
        """Among thousands of live hooks."""
        await _populate(world, self.population, ready_every=self.population)
        await world.resume_hook(f"wrun_{self.population // 2:05}", b"devl1", "r1")
        assert [task.run_id for task in await take(world)] == [f"wrun_{self.population // 2:05}"]

    async def test_pages_add_up(self, world: World) -> None:
        """Each run is on one page, newest first, with a filter and without."""
        await _populate(world, self.population, ready_every=4)
        limit = self.population // 7
        for where in (RunFilter(limit=limit), RunFilter(status="pending", limit=limit)):
            found: list[str] = []
            while page := await world.list_runs(replace(where, before=found[-1] if found else None)):
                found += [run.id for run in page]
            every = 4 if where.status else 1
            assert found == [f"wrun_{n:05}" for n in range(0, self.population, every)][::-1]

    async def test_a_wide_fan_out_ends_step_by_step(self, world: World) -> None:
        """Thousands of tasks of one run are claimed in their order, and each of them ends."""
        await world.create_run(new_run())
        [task] = await take(world)
        names = [f"step_{n:05}" for n in range(self.population)]
        created = [replace(step("step_created", n), id=name) for n, name in enumerate(names, start=1)]
        turn = Turn(world, task, 1)
        await turn.commit(Event("run_started", T), *created, tasks=[NewTask(name) for name in names], park=True)
        tasks = await take(world, steps_max=self.population)
        assert [task.step_id for task in tasks] == names
        await asyncio.gather(*(self._complete(world, task) for task in tasks))
        log = await world.events(RUN, after=2 + self.population)
        assert sorted(event.id for event in log) == names
        assert {event.type for event in log} == {"step_completed"}
        assert await open_steps(world) == []

    async def _complete(self, world: World, task: Task) -> None:
        event = Event("step_completed", T, attempt=task.attempt)
        await world.finish_step(StepOutcome(RUN, task.step_id, WORKER, task.epoch, event))
