"""Operations that come together share a transaction, and none of them suffers from another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from unittest import mock

import psycopg
import pytest
from msgspec.structs import replace

from tests.postgres_server import execute
from tests.worlds.empty_postgres import server, world
from tests.worlds.many_turns import RUNS, refuses_alone, started, stored
from torpor.errors import EntityConflictError, LeaseLostError, RunNotFoundError
from torpor.model import NOW, Event, NewTask, Run
from torpor.model.flow import Place
from torpor.model.tenants import Quotas, Tenant
from torpor.testing.worlds.batches import batch
from torpor.testing.worlds.notices import Ear
from torpor.testing.worlds.story import (
    T,
    ending,
    new_run,
    outcome,
    request,
    snapshot,
    step,
    take,
    types,
    wait,
    watching,
)
from torpor.worlds import open_world
from torpor.worlds.postgres import PostgresWorld
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.statements import Statement

__all__ = ["server", "world"]

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid()"
)


_STATEMENTS_OF_ONE = 4


def _transactions(server: str, seq: int) -> int:
    """Return how many transactions have stored this event of all runs."""
    [(found,)] = execute(server, "SELECT count(DISTINCT xmin::text) FROM torpor.events WHERE seq = %s", seq)
    return int(str(found))


async def test_what_comes_together_is_one_transaction(world: PostgresWorld, server: str) -> None:
    """While some are stored others gather: creations, commits, and ends."""
    turns = await started(world)
    assert 1 <= _transactions(server, 1) < 10
    found = await asyncio.gather(*(stored(world, turn, step("step_created", 1, attempt=1)) for turn in turns))
    assert 1 <= _transactions(server, 3) < 10
    turns = [(task, each.held) for (task, _), each in zip(turns, found, strict=True) if each.held is not None]
    found = await asyncio.gather(*(stored(world, turn, ending()) for turn in turns))
    assert all(each.stored for each in found)
    assert 1 <= _transactions(server, 4) < 10
    assert [(await world.get_run(run_id)).status for run_id in RUNS] == ["completed"] * len(RUNS)


async def test_what_is_stored_together_is_what_is_stored_alone(world: PostgresWorld, server: str) -> None:
    """Rows of the same table go as columns: with values and without, of steps that begin and of those that are gone."""
    turns = await started(world)
    first: tuple[Event, ...] = (step("step_created", 1, attempt=1), wait("wait_created", 2, T), step("step_created", 3))
    first = (*first, replace(step("step_created", 4, attempt=1), name="na\0me", payload=b""))
    second = step("step_completed", 1), wait("wait_completed", 2), step("step_failed", 4)
    tasks = [NewTask("step_03", NOW, place=Place("slow", weight=2))]
    said: list[tuple[tuple[Event, ...], dict[str, Any]]] = [
        (first, {"tasks": tasks}),
        ((step("step_created", 5, attempt=1),), {"inputs": second, "snapshot": snapshot()}),
        ((ending(),), {}),
    ]
    for outputs, fields in said:
        alone, *others = turns
        found = [await stored(world, alone, *outputs, **fields)]
        found += await asyncio.gather(*(stored(world, turn, *outputs, **fields) for turn in others))
        rows = _rows(server)
        assert rows == dict.fromkeys(RUNS, rows[RUNS[0]])
        turns = [(task, each.held) for (task, _), each in zip(turns, found, strict=True) if each.held is not None]
    assert [(await world.get_run(run_id)).status for run_id in RUNS] == ["completed"] * len(RUNS)
    assert await world.damaged() == []


def _rows(server: str) -> dict[object, list[object]]:
    """Return what each run has in all tables, without its name, its number and times of now."""
    found: dict[object, list[object]] = {}
    query = (
        "SELECT run, to_jsonb(t) - '{{run,n,at,created_at,started_at,queued_at}}'::text[] FROM torpor.{} t ORDER BY 2"
    )
    for table in ("events", "steps", "waits", "turns", "snapshots"):
        for run, row in execute(server, query.format(table)):
            found.setdefault(run, []).append((table, row))
    return found


async def test_a_stale_one_is_refused_alone(world: PostgresWorld, server: str) -> None:
    """Those that came with it are stored, each once, and most of them together."""
    turns = await started(world)
    lost = RUNS[7]
    execute(server, "UPDATE torpor.runs SET epoch = epoch + 1 WHERE id = %s", lost)
    commits = (stored(world, turn, step("step_created", 1)) for turn in turns)
    found = await asyncio.gather(*commits, return_exceptions=True)
    assert [isinstance(each, LeaseLostError) for each in found] == [run_id == lost for run_id in RUNS]
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == (run_id != lost)
    assert 1 <= _transactions(server, 3) < 10


async def test_refusals_disturb_nobody(world: PostgresWorld, server: str) -> None:
    """Who sends to a run that is not there is told so, and stores nothing; the others are one transaction."""
    await asyncio.gather(*(world.create_run(new_run(run_id)) for run_id in RUNS))
    found = await asyncio.gather(
        *(world.send(run_id, "news", b"devl[1]", f"m-{run_id}") for run_id in RUNS),
        world.send("wrun_gone", "news", b"devl[1]", "m"),
        return_exceptions=True,
    )
    assert [type(each) for each in found if isinstance(each, Exception)] == [RunNotFoundError]
    assert [(await world.get_run(run_id)).head for run_id in RUNS] == [2] * len(RUNS)
    assert 1 <= _transactions(server, 2) < 10


async def test_one_that_cannot_begin_is_refused_alone(world: PostgresWorld) -> None:
    """It is refused before it has asked the world for anything."""
    await refuses_alone(world)


async def test_who_begins_what_is_there_finds_it(world: PostgresWorld) -> None:
    """Though others begin runs with it; of two that ask for different runs of one id, one is refused."""
    await world.create_run(new_run(RUNS[0]))
    found = await asyncio.gather(
        *(world.create_run(new_run(run_id)) for run_id in RUNS),
        world.create_run(new_run(RUNS[0], workflow="other")),
        *(world.create_run(new_run(run_id)) for run_id in RUNS),
        return_exceptions=True,
    )
    refused = found.pop(len(RUNS))
    assert isinstance(refused, EntityConflictError)
    assert [run.id for run in found if isinstance(run, Run)] == RUNS * 2


@pytest.mark.parametrize("before", [True, False])
async def test_an_answer_that_is_lost_is_looked_up(world: PostgresWorld, before: bool) -> None:
    """Of all that was sent together; nothing is stored twice, and nobody waits in vain."""
    turns = await started(world)
    store = Connection.store
    lost: list[int] = []

    def losing(self: Connection, statements: Iterable[Statement]) -> None:
        kept = [*statements]
        if len(kept) > _STATEMENTS_OF_ONE and not lost:
            lost.append(len(kept))
            if not before:
                store(self, kept)
            self.db.close()
        store(self, kept)

    with mock.patch.object(Connection, "store", losing):
        found = await asyncio.gather(*(stored(world, turn, step("step_created", 1)) for turn in turns))
    assert lost
    assert all(each.stored for each in found)
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_created") == 1


async def test_connections_that_are_cut_lose_nothing(world: PostgresWorld, server: str) -> None:
    """Outcomes of tasks, while the server ends one connection after the other."""
    turns = await started(world)
    tasks = [NewTask("step_01", NOW)]
    await asyncio.gather(*(stored(world, turn, step("step_created", 1), tasks=tasks, park=True) for turn in turns))
    claimed = (await world.claim(request(turns_max=0, steps_max=len(RUNS)))).tasks
    assert len(claimed) == len(RUNS)

    async def cut() -> None:
        for _ in range(5):
            with suppress(psycopg.Error):
                await asyncio.to_thread(execute, server, _CUT)

    await asyncio.gather(cut(), *(world.finish_step(outcome(task, "step_completed")) for task in claimed))
    for run_id in RUNS:
        assert (await types(world, run_id)).count("step_completed") == 1


async def test_who_watches_an_end_is_told_with_it(world: PostgresWorld) -> None:
    """Though the end came with those of others, whom nobody watches."""
    turns = await started(world)
    await stored(world, turns[0], watching(1, RUNS[1]), park=True)
    await asyncio.gather(*(stored(world, turn, ending()) for turn in turns[1:]))
    assert (await types(world, RUNS[0]))[-1] == "hook_received"
    assert (await world.get_run(RUNS[0])).ready_at == NOW


async def test_ends_of_children_wait_for_nobody_crosswise(world: PostgresWorld, server: str) -> None:
    """What is about two runs shares no transaction: two workers end children of the same parents, in opposite order."""
    await asyncio.gather(*(world.create_run(new_run(parent)) for parent in ("wrun_x", "wrun_y")))
    parents = [f"wrun_{'xy'[n % 2]}" for n in range(8)]
    children = [f"wrun_{n}" for n in range(8)]
    for child, parent in zip(children, parents, strict=True):
        await world.create_run(replace(new_run(child), parent=parent, root=parent))
    tasks = {task.run_id: task for task in await take(world, turns_max=99)}
    for n, parent in enumerate(("wrun_x", "wrun_y")):
        held = (await world.load(parent)).held
        hooks = [watching(op, child) for op, child in enumerate(children, 1) if op % 2 != n]
        await stored(world, (tasks[parent], held), Event("run_started", T), *hooks, park=True)
    other = open_world(server)
    assert isinstance(other, PostgresWorld)
    await other.open()
    turns = [(tasks[child], (await world.load(child)).held) for child in children]
    await asyncio.gather(
        *(stored(world, turn, Event("run_started", T), ending()) for turn in turns[:4]),
        *(stored(other, turn, Event("run_started", T), ending()) for turn in reversed(turns[4:])),
    )
    for parent in ("wrun_x", "wrun_y"):
        assert (await types(world, parent)).count("hook_received") == 4
    await other.close()


async def test_chunks_of_a_tenants_run_wait_crosswise_for_nobody(world: PostgresWorld, server: str) -> None:
    """Who writes them has the run before he changes what it has used, as a commit; and may not have it before that."""
    await world.put_tenant(Tenant("acme", "", quotas=Quotas(storage=0)))
    await world.create_run(new_run("@acme:one"))
    with psycopg.connect(server) as commit:
        commit.execute("UPDATE torpor.runs SET queued_at = queued_at WHERE id = '@acme:one'")
        commit.execute("UPDATE torpor.usages SET steps = steps WHERE run = '@acme:one'")
        writing = asyncio.create_task(world.write_stream(batch("x", run_id="@acme:one")))
        waiting: list[tuple[object, ...]] = []
        while not waiting:
            query = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            waiting = await asyncio.to_thread(execute, server, query)
        assert [query for (query,) in waiting if "torpor.runs" not in str(query)] == []
        await asyncio.to_thread(commit.execute, "SELECT 1 FROM torpor.runs WHERE id = '@acme:one' FOR UPDATE")
    assert (await writing).count == 1


async def test_others_hear_of_it_once(world: PostgresWorld, server: str) -> None:
    """Not for each of those that came together."""
    other = open_world(server)
    await other.open()
    ear = Ear(other)
    await started(world)
    await ear.wait_for(lambda notice: notice.work)
    assert len(ear.heard) < len(RUNS)
    await other.close()
