"""Operations that come together share a call of the server, and none of them suffers from another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import redis
from msgspec.structs import replace

from tests.redis_server import empty_redis, shared_server
from tests.worlds.many_turns import RUNS, refuses_alone, started, stored
from torpor.errors import DamagedError, EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.model import NOW, NewTask, Run
from torpor.testing.worlds.story import RUN, begin, ending, new_run, outcome, request, step, take, types, watching
from torpor.testing.worlds.suite import opened
from torpor.world import World
from torpor.worlds import open_world
from torpor.worlds.redis.connection import Connection, Stored
from torpor.worlds.redis.pool import Pool
from torpor.worlds.redis.scripts import STORE


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """An open world, whose clock is the server's."""
    async with opened(open_world(empty_redis())) as world:
        yield world


@contextmanager
def _resting() -> Iterator[list[int]]:
    """Let operations gather for long; yield how many groups each call had."""
    groups: list[int] = []
    store = Connection.store

    def counted(self: Connection, channel: bytes, news: bytes, its: Sequence[Sequence[Any]]) -> list[Stored]:
        groups.append(len(its))
        return store(self, channel, news, its)

    with (
        mock.patch.object(Pool, "_rest_seconds", return_value=0.01),
        mock.patch.object(Connection, "store", counted),
    ):
        yield groups


async def test_what_comes_together_is_a_call(world: World) -> None:
    """Creations, commits, and ends, while some are stored and others gather."""
    with _resting() as groups:
        turns = await started(world)
        assert len(groups) < len(RUNS)
        assert sum(groups) > 2 * len(RUNS)
        groups.clear()
        found = await asyncio.gather(*(stored(world, turn, ending()) for turn in turns))
        assert 1 <= len(groups) < 10
        assert sum(groups) == len(RUNS)
    assert all(each.stored for each in found)
    assert [(await world.get_run(run_id)).status for run_id in RUNS] == ["completed"] * len(RUNS)


async def test_a_stale_one_is_refused_alone(world: World) -> None:
    """Those that came with it are stored, each once."""
    with _resting():
        turns = await started(world)
        turns[7] = (replace(turns[7][0], epoch=turns[7][0].epoch - 1), turns[7][1])
        commits = (stored(world, turn, step("step_created", 1)) for turn in turns)
        found = await asyncio.gather(*commits, return_exceptions=True)
    assert [isinstance(each, LeaseLostError) for each in found] == [run_id == RUNS[7] for run_id in RUNS]
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == (run_id != RUNS[7])


async def test_a_damaged_one_stops_nobody_and_is_not_half_written(world: World) -> None:
    """A key of another type is found before the first of its writes: once it is mended the turn goes on."""
    server, log = shared_server(), f"{{torpor}}:log:{RUNS[7]}"
    with _resting():
        turns = await started(world)
        server.execute("RENAME", log, "kept")
        server.execute("SET", log, "nonsense")
        commits = (stored(world, turn, step("step_created", 1)) for turn in turns)
        found = await asyncio.gather(*commits, return_exceptions=True)
    assert [isinstance(each, DamagedError) for each in found] == [run_id == RUNS[7] for run_id in RUNS]
    assert [each.run_id for each in found if isinstance(each, DamagedError)] == [RUNS[7]]
    server.execute("RENAME", "kept", log)
    assert (await stored(world, turns[7], step("step_created", 1))).stored
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == 1
    assert await world.damaged() == []


async def test_a_claim_sets_what_is_damaged_aside(world: World) -> None:
    """Others are claimed; it waits for some minutes, and is claimed once it is mended."""
    server, run = shared_server(), f"{{torpor}}:run:{RUNS[3]}"
    for run_id in RUNS[:6]:
        await world.create_run(new_run(run_id))
    server.execute("RENAME", run, "kept")
    server.execute("SET", run, "nonsense")
    assert [task.run_id for task in await take(world)] == [run_id for run_id in RUNS[:6] if run_id != RUNS[3]]
    assert await take(world) == []
    assert [each.run_id for each in await world.damaged()] == [RUNS[3]]
    server.execute("RENAME", "kept", run)
    assert [each.run_id for each in await world.damaged()] == []


async def test_refusals_disturb_nobody(world: World) -> None:
    """Who sends to a run that is not there is told so, and stores nothing; so is who asks for another run of an id."""
    await world.create_run(new_run(RUNS[0]))
    with _resting():
        found = await asyncio.gather(
            *(world.create_run(new_run(run_id)) for run_id in RUNS),
            world.create_run(new_run(RUNS[0], workflow="other")),
            world.send("wrun_gone", "news", b"devl[1]", "m"),
            return_exceptions=True,
        )
    assert [type(each) for each in found[len(RUNS) :]] == [EntityConflictError, RunNotFoundError]
    assert [run.id for run in found if isinstance(run, Run)] == RUNS


async def test_one_that_cannot_begin_is_refused_alone(world: World) -> None:
    """It is refused before it has asked the world for anything."""
    with _resting():
        await refuses_alone(world)


async def test_outcomes_of_one_run_are_one_group(world: World) -> None:
    """A run that has started many tasks hears of all their ends, in one piece, as they came."""
    turn = await begin(world)
    names = range(1, 21)
    tasks = [NewTask(f"step_{n:02}", NOW) for n in names]
    await turn.commit(*(step("step_created", n) for n in names), tasks=tasks, park=True)
    claimed = (await world.claim(request(turns_max=0, steps_max=len(tasks)))).tasks
    with _resting() as groups:
        await asyncio.gather(*(world.finish_step(outcome(task, "step_completed")) for task in claimed))
    assert sum(groups) < len(tasks) / 2
    assert (await types(world)).count("step_completed") == len(tasks)
    [woken] = await take(world)
    assert woken.run_id == RUN


@pytest.mark.parametrize("before", [True, False])
async def test_an_answer_that_is_lost_is_known(world: World, before: bool) -> None:
    """Of all that was sent together; nothing is stored twice, and nobody waits in vain."""
    run = Connection._run
    lost: list[int] = []

    def losing(self: Connection, client: redis.Redis, script: str, *arguments: Any, **options: Any) -> Any:
        if script != STORE or lost or arguments[6] < 2:
            return run(self, client, script, *arguments, **options)
        lost.append(arguments[6])
        if not before:
            run(self, client, script, *arguments, **options)
        raise redis.ConnectionError("the connection was lost")

    with _resting():
        turns = await started(world)
        with mock.patch.object(Connection, "_run", losing):
            found = await asyncio.gather(*(stored(world, turn, step("step_created", 1)) for turn in turns))
    assert lost
    assert all(each.stored for each in found)
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == 1


async def test_connections_that_are_cut_lose_nothing(world: World) -> None:
    """Commits, while the server ends one connection after the other."""
    turns = await started(world)

    async def cut() -> None:
        for _ in range(5):
            await asyncio.to_thread(shared_server().execute, "CLIENT", "KILL", "TYPE", "normal")

    await asyncio.gather(cut(), *(stored(world, turn, step("step_created", 1)) for turn in turns))
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == 1


async def test_who_watches_an_end_is_told_with_it(world: World) -> None:
    """Though the end came with those of others, whom nobody watches."""
    turns = await started(world)
    await stored(world, turns[0], watching(1, RUNS[1]), park=True)
    with _resting():
        await asyncio.gather(*(stored(world, turn, ending()) for turn in turns[1:]))
    assert (await types(world, RUNS[0]))[-1] == "hook_received"
    assert (await world.get_run(RUNS[0])).ready_at == NOW
