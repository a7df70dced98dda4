"""Turns of many runs that commit at the same time, as drivers do that hurry."""

from __future__ import annotations

import asyncio
from typing import Any

from torpor.errors import LimitExceededError
from torpor.model import Commit, Committed, Entities, Event, Task
from torpor.testing.worlds.story import WORKER, T, new_run, step, take
from torpor.world import World
from torpor.worlds.requests import Operation
from torpor.worlds.server_world import ServerWorld

RUNS = [f"wrun_{n:02}" for n in range(20)]

Claimed = tuple[Task, Entities]


async def started(world: World) -> list[Claimed]:
    """Return a claimed turn of each of many runs, in their order."""
    await asyncio.gather(*(world.create_run(new_run(run_id)) for run_id in RUNS))
    tasks = await take(world, turns_max=len(RUNS))
    turns = [(task, (await world.load(task.run_id)).held) for task in tasks]
    turns.sort(key=lambda turn: turn[0].run_id)
    found = await asyncio.gather(*(stored(world, turn, Event("run_started", T)) for turn in turns))
    return [(task, each.held) for (task, _), each in zip(turns, found, strict=True) if each.held is not None]


async def stored(world: World, turn: Claimed, *outputs: Event, **fields: Any) -> Committed:
    """Commit what a turn says first, from wherever it is, and return what came of it."""
    task, held = turn
    commit = Commit(task.run_id, WORKER, task.epoch, held.run.head, outputs=outputs, **fields)
    found: asyncio.Future[Committed] = asyncio.get_running_loop().create_future()
    assert world.hand_in(commit, held, found)
    return await found


async def refuses_alone(world: World) -> None:
    """Have an operation refused before it asks anything, with commits of many turns; these must be stored."""
    assert isinstance(world, ServerWorld)

    def refused(_: int) -> Operation[None]:
        raise LimitExceededError("it cannot begin")
        yield

    turns = await started(world)
    found = await asyncio.gather(
        *(stored(world, turn, step("step_created", 1)) for turn in turns),
        world._operate_on("wrun_00", refused, "a test"),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [Committed] * len(RUNS) + [LimitExceededError]
