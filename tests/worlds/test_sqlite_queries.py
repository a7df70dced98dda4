"""No operation of a worker looks through rows that it does not need, however many runs are parked."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from torpor.model import LogEntry, NewTask, WorkerRow
from torpor.testing.worlds.story import (
    GUESTS,
    OTHER,
    RUN,
    WORKER,
    T,
    begin,
    claim,
    claim_step,
    ending,
    hook,
    new_run,
    outcome,
    snapshot,
    step,
    wait,
    watching,
)
from torpor.worlds.sqlite import SqliteWorld
from torpor.worlds.sqlite.connection import ConnectionThread
from torpor.worlds.sqlite.store import Store


async def _trace(thread: ConnectionThread, seen: list[str]) -> None:
    def operation(store: Store) -> tuple[None, None]:
        store.db.set_trace_callback(seen.append)
        return None, None

    await thread._submit(operation, "a test")


async def _live_a_whole_life(world: SqliteWorld) -> None:
    """Do everything that workers and callers do, but for lists that people ask for."""
    await world.create_run(replace(new_run("wrun_encrypted"), key_id="k1"))
    await world.heartbeat(WorkerRow(WORKER, "machine", 1, T, T, T + 30))
    turn = await begin(world, RUN, step("step_created", 1), step("step_started", 1), step("step_created", 2))
    await turn.commit(wait("wait_created", 3, T + 9), hook("hook_created", 4), inputs=[step("step_completed", 1)])
    await world.resume_hook("token", b"devl1", "r1", T)
    await turn.commit(lines=[LogEntry(1, T, "info", "line")], snapshot=snapshot())
    await turn.commit(tasks=[NewTask("step_02", T)], park=True)
    task = await claim_step(world)
    await world.finish_step(outcome(task, "step_retrying", due=T))
    task = await claim_step(world)
    await world.finish_step(outcome(task, "step_completed"))
    await world.next_ready_at(guests=GUESTS)
    await world.release([WORKER], T)
    turn = await claim(world)
    await world.snooze(RUN, WORKER, turn.task.epoch, T)
    turn = await claim(world)
    await world.load(RUN)
    await turn.commit(hook("hook_disposed", 4), inputs=[wait("wait_completed", 3)])
    await turn.commit(ending())
    await begin(world, OTHER, hook("hook_created", 1))
    parent = await begin(world, "wrun_parent", watching(1, OTHER), watching(2, RUN))
    await parent.commit()
    await parent.commit(park=True)
    await world.hook("token")
    await world.get_run(OTHER)
    await world.events(OTHER, after=1)
    await world.cancel_run(OTHER, "", T)
    await world.delete_snapshot(OTHER)
    await world.runs_by_key(live=True)
    await world.runs_by_key(live=False)
    await world.put_blob("key", b"data")
    await world.blob("key")


async def test_every_query_of_a_life_is_a_search(tmp_path: Path) -> None:
    """SQLite's own plan of each statement goes by an index, and looks through no table."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    seen: list[str] = []
    for thread in (world._writer, world._reader):
        await _trace(thread, seen)
    await _live_a_whole_life(world)
    statements = {text for text in seen if text.split()[0] in {"SELECT", "INSERT", "UPDATE", "DELETE"}}
    assert len(statements) > 50

    def plans(store: Store) -> dict[str, list[str]]:
        return {text: [row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in list(statements)}

    scans = [
        (text, line)
        for text, plan in (await world._reader.submit(plans, "a test")).items()
        for line in plan
        if line.startswith("SCAN") and line != "SCAN CONSTANT ROW"
    ]
    assert scans == []
    await world.close()


async def test_a_claim_reads_no_more_than_it_takes(tmp_path: Path) -> None:
    """Ready turns and steps are found in the order of an index that knows the key; none is sorted, none passed over."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    seen: list[str] = []
    turn = await begin(world, RUN, step("step_created", 1))
    await turn.commit(tasks=[NewTask("step_01", T)])
    for thread in (world._writer, world._reader):
        await _trace(thread, seen)
    await world.next_ready_at(guests=GUESTS, keys=("", "k1"))
    await world.claim(WORKER, T, turns=9, steps=9, guests=GUESTS, keys=("", "k1"))
    asked = {text for text in seen if text.startswith("SELECT") and "ready_at" in text and "id = " not in text}
    assert len(asked) == 8

    def plans(store: Store) -> list[list[str]]:
        return [[row[3] for row in store.db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in asked]

    for plan in await world._reader.submit(plans, "a test"):
        assert not [line for line in plan if "TEMP B-TREE" in line]
        assert [line for line in plan if "_ready (" in line and "key=? AND ready_at" in line]
    await world.close()
