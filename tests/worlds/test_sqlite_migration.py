"""A file of version 0.1.0, with runs in many states, goes on under this version."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.errors import LeaseLostError
from torpor.model import (
    NOTHING,
    NOW,
    ClaimRequest,
    Commit,
    Entities,
    Event,
    Hook,
    NewTask,
    RunFilter,
    Snapshot,
    Step,
    StepOutcome,
    Task,
    Wait,
    WorkerRow,
)
from torpor.worlds.sqlite import SqliteWorld, schema

RECORDED = Path(__file__).parent / "files" / "0.1.0.sql"
T = 1_700_000_000_000
FAR = 4_000_000_000_000
PAY = "step//./steps.py//pay"
MAIL = "step//./steps.py//mail"
WORKER = "wrkr_new"
EVERYTHING = ClaimRequest(
    WORKER,
    guests=("quickjs", "cpython"),
    key_ids=("", "k1"),
    steps=(PAY, MAIL),
    turns_max=99,
    steps_max=99,
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """Yield an open world on a file that version 0.1.0 left behind, with a worker of this version."""
    db = sqlite3.connect(tmp_path / "torpor.db")
    db.executescript(RECORDED.read_text())
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute("PRAGMA user_version = 4")
    db.close()
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    await world.register(WorkerRow(WORKER, "host/boot/ns", 78, 5, 15_000))
    yield world
    await world.close()


async def _open(world: SqliteWorld, run_id: str) -> Entities:
    entities = await world.open_entities(run_id)
    assert (await world.load(run_id)).run == entities.run
    return entities


async def _claim(world: SqliteWorld, run_id: str) -> Task:
    tasks = (await world.claim(EVERYTHING)).tasks
    [task] = [task for task in tasks if task.kind == "turn" and task.run_id == run_id]
    return task


async def test_runs_are_anybodys(world: SqliteWorld) -> None:
    """They have no application, queue or build, a whole log, and the order in which they were created."""
    runs = await world.list_runs(RunFilter())
    assert [run.id for run in reversed(runs)] == [
        *("wrun_hooks", "wrun_sleeping", "wrun_due", "wrun_in_flight", "wrun_tasks", "wrun_encrypted"),
        *("wrun_completed", "wrun_failed", "wrun_cancelled", "wrun_parent", "wrun_new"),
    ]
    assert {(run.app, run.queue, run.build, run.base, run.worker) for run in runs} == {("", "", "", 0, "")}
    for run in runs:
        log = await world.events(run.id)
        assert [event.seq for event in log] == list(range(1, run.head + 1))
    new = runs[0]
    assert (new.workflow, new.guest, new.status, new.parent, new.root) == (
        *("workflow//./flows.py//order", "quickjs", "pending", "wrun_parent", "wrun_parent"),
    )


async def test_hooks_carry_their_facts(world: SqliteWorld) -> None:
    """Live and conflicting ones are there, one that was disposed of is not, and repeated payloads are known."""
    entities = await _open(world, "wrun_hooks")
    live = Hook("wrun_hooks", "hook_2", 2, "live", "live", T, b"devl[2]")
    assert entities.hooks == {
        "hook_2": live,
        "hook_4": Hook("wrun_hooks", "hook_4", 4, "live", "conflict", T, b"devl[4]"),
    }
    assert entities.steps == {}
    assert await world.hook("live") == live
    await world.resume_hook("live", b"devl[]", "r1")
    assert (await world.get_run("wrun_hooks")).head == entities.run.head
    await world.resume_hook("live", b"devl[]", "r2")
    assert (await world.events("wrun_hooks"))[-1].payload == b"devl[]"
    assert await _claim(world, "wrun_hooks")


async def test_snapshots_and_lines_stay(world: SqliteWorld) -> None:
    """A run with a snapshot is loaded from it, and its log lines are there."""
    state = await world.load("wrun_hooks")
    assert state.snapshot == Snapshot(9, 3, 2, "c0" * 32, T + 5, b"zstd-delta")
    assert [event.type for event in state.events] == ["hook_received"]
    assert [line.text for line in await world.log_entries("wrun_hooks")] == ["hello"]
    assert await world.blob("program/5f") == b"program"


async def test_timers_are_due_when_they_were(world: SqliteWorld) -> None:
    """A past one makes its run ready, a far one does not."""
    assert (await _open(world, "wrun_due")).waits == {"wait_1": Wait("wait_1", 1, T + 10)}
    sleeping = await _open(world, "wrun_sleeping")
    assert sleeping.waits == {"wait_2": Wait("wait_2", 2, FAR)}
    assert (sleeping.run.ready_at, sleeping.run.queued_at) == (FAR, FAR)
    claims = await world.claim(EVERYTHING)
    assert [task.run_id for task in claims.tasks if task.kind == "turn"] == ["wrun_in_flight", "wrun_due", "wrun_new"]
    assert claims.next_at == FAR


async def test_what_was_in_flight_is_ready_for_anybody(world: SqliteWorld) -> None:
    """Its old worker is fenced off; the step that it was carrying out goes on with its attempts counted."""
    entities = await _open(world, "wrun_in_flight")
    assert (entities.run.ready_at, entities.run.epoch, entities.run.redeliveries) == (NOW, 2, 0)
    running = Step("wrun_in_flight", "step_1", 1, 3, PAY, "running", T, 2, 1, started_at=T + 4)
    assert entities.steps == {
        "step_1": running,
        "step_2": Step("wrun_in_flight", "step_2", 2, 7, PAY, "pending", T + 4),
    }
    with pytest.raises(LeaseLostError):
        await world.commit(Commit("wrun_in_flight", "wrkr_old", 1, 7))
    task = await _claim(world, "wrun_in_flight")
    state = await world.load("wrun_in_flight")
    assert [step.input for step in state.held.steps.values()] == [b"devl[1]", b"devl[2]"]
    done = Event("step_completed", T + 9, "step_1", op=1, attempt=2)
    commit = Commit("wrun_in_flight", WORKER, task.epoch, 7, inputs=(done,), tasks=(NewTask("step_2"),), park=True)
    assert (await world.commit(commit, state.held)).parked


async def test_step_tasks_go_on(world: SqliteWorld) -> None:
    """Waiting ones and those of the old worker are handed out, a far retry waits; each can be finished."""
    steps = (await _open(world, "wrun_tasks")).steps.values()
    assert [(step.status, step.attempt, step.failures, step.started_at) for step in steps] == [
        ("retrying", 1, 1, T + 1),
        ("running", 1, 0, T + 1),
        ("retrying", 1, 1, T + 1),
    ]
    assert [(step.task, step.ready_at, step.worker) for step in steps] == [
        (True, T + 8, ""),
        (True, NOW, ""),
        (True, FAR, ""),
    ]
    tasks = [task for task in (await world.claim(EVERYTHING)).tasks if task.kind == "step"]
    assert [(task.run_id, task.step_id, task.name, task.attempt, task.failures, task.input) for task in tasks] == [
        ("wrun_encrypted", "step_1", PAY, 1, 0, b"devl[1]"),
        ("wrun_tasks", "step_2", MAIL, 2, 0, b"devl[2]"),
        ("wrun_tasks", "step_1", PAY, 2, 1, b"devl[1]"),
    ]
    assert tasks[0].key_id == "k1"
    for task in tasks:
        ended = Event("step_completed", T, attempt=task.attempt, payload=b"devl[0]")
        await world.finish_step(StepOutcome(task.run_id, task.step_id, WORKER, task.epoch, ended))
    assert list((await _open(world, "wrun_tasks")).steps) == ["step_3"]
    woken = [task.run_id for task in (await world.claim(EVERYTHING)).tasks]
    assert sorted(woken) == ["wrun_encrypted", "wrun_tasks"]


async def test_a_completed_run_keeps_nothing_open(world: SqliteWorld) -> None:
    """As one that completes today."""
    entities = await _open(world, "wrun_completed")
    assert (entities.run.status, entities.steps, entities.waits, entities.hooks) == ("completed", {}, {}, {})


async def test_a_failed_run_gets_its_facts_back(world: SqliteWorld) -> None:
    """Version 0.1.0 let go of them at the end; the log has them, and they are nobody's work."""
    entities = await _open(world, "wrun_failed")
    assert [(step.id, step.status, step.attempt, step.task) for step in entities.steps.values()] == [
        ("step_1", "running", 1, False),
        ("step_2", "pending", 0, False),
    ]
    assert entities.waits == {"wait_3": Wait("wait_3", 3, T + 999)}
    assert entities.hooks == {"hook_5": Hook("wrun_failed", "hook_5", 5, "failed", "ended", T, b"devl[5]")}
    assert "wrun_failed" not in {task.run_id for task in (await world.claim(EVERYTHING)).tasks}


async def test_a_parent_is_told_of_its_childs_end(world: SqliteWorld) -> None:
    """It watches the live run still, and was told of the other one before."""
    watching = [(hook.watch, hook.status) for hook in (await _open(world, "wrun_parent")).hooks.values()]
    assert watching == [("wrun_sleeping", "live"), ("wrun_completed", "told")]
    await world.cancel_run("wrun_sleeping", "enough")
    told = (await world.events("wrun_parent"))[-1]
    assert (told.type, told.id, told.ref, told.payload) == ("hook_received", "hook_1", "wrun_sleeping", NOTHING)
    assert await _claim(world, "wrun_parent")


async def test_keys_are_counted(world: SqliteWorld) -> None:
    """Encrypted runs have the key that they had."""
    assert await world.runs_by_key(live=True) == {"k1": 1}
    assert (await world.get_run("wrun_encrypted")).public == b"p" * 32


def test_a_large_file_is_carried_over_row_by_row() -> None:
    """No step of the migration compares every run with every event: SQLite's plans need no index that is not there."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    schema.migrate(db, schema.MIGRATIONS[:4], "URL")
    made = []
    for statement in schema.statements(schema.MIGRATIONS[4]):
        if "INSERT" in statement:
            made += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {statement}") if "AUTOMATIC" in row[3]]
        db.execute(statement)
    db.close()
    assert made == []
