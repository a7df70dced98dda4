"""Rows that were damaged, or edited by hand: each is told by name, and all else goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.codec.crypto.keys import Keyring
from torpor.errors import DamagedError, SnapshotError
from torpor.inspection.soundness import find_damage
from torpor.model import ClaimRequest, Deployment, Event, NewTask, RunFilter, WorkerRow
from torpor.testing.worlds.story import (
    OTHER,
    RUN,
    STEPS,
    T,
    Turn,
    begin,
    ending,
    hook,
    new_run,
    snapshot,
    step,
    watching,
)
from torpor.worlds.sqlite import SqliteWorld

WORKER = "wrkr_1"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """An open world with two runs that are ready, the older of which the tests damage."""
    opened = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await opened.open()
    await opened.register(WorkerRow(WORKER, "here", 1, 1, 15_000))
    await opened.create_run(new_run(RUN))
    await opened.create_run(new_run(OTHER))
    yield opened
    await opened.close()


def damage(world: SqliteWorld, statement: str) -> None:
    """Change the file behind the world's back."""
    db = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    with db:
        db.execute(statement)
    db.close()


async def begin_with_steps(world: SqliteWorld) -> None:
    """Let both runs begin, each with a step that is a task."""
    for task in (await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))).tasks:
        created = (Event("run_started", T), step("step_created", 1))
        await Turn(world, task, 1, WORKER).commit(*created, tasks=[NewTask("step_01")])


def damage_type(world: SqliteWorld, table: str, statement: str) -> None:
    """Store what a STRICT table refuses, as a damaged page may hold it."""
    db = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    (sql,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    strict = [
        (sql.replace(" NOT NULL", "").replace(") STRICT", ")").replace("), WITHOUT", ") WITHOUT"), table),
        (sql, table),
    ]
    for text in strict:
        (version,) = db.execute("PRAGMA schema_version").fetchone()
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = ? WHERE name = ?", text)
        db.execute(f"PRAGMA schema_version = {version + 1}")
        db.commit()
        db.close()
        db = sqlite3.connect(world.url.removeprefix("sqlite:///"))
        if text is strict[0]:
            with db:
                db.execute(statement)
    db.close()


NONSENSE = {
    "status": "status = 9",
    "negative status": "status = -1",
    "runtime": "runtime = 7",
    "head": f"head = {1 << 40}",
    "base": "base = 5",
    "epoch": "epoch = -4",
    "route": "route = 999",
    "workflow": "workflow = 999",
    "program": "program = 999",
    "redeliveries": "redeliveries = 1000000",
    "time": f"created_at = {1 << 60}",
}


@pytest.mark.parametrize("change", NONSENSE.values(), ids=list(NONSENSE))
async def test_a_damaged_run_is_told_and_no_other_is_harmed(world: SqliteWorld, change: str) -> None:
    """Whoever asks for it hears which row is damaged; lists flag it, and claims, of whatever number, pass it by."""
    damage(world, f"UPDATE runs SET {change} WHERE k = 1")  # noqa: S608  # our own

    with pytest.raises(DamagedError, match=rf"row 1 of table runs of run {RUN} is damaged: .*torpor doctor"):
        await world.get_run(RUN)
    listed = {run.id: bool(run.damage) for run in await world.list_runs(RunFilter())}
    assert listed == {RUN: True, OTHER: False}
    assert list(await world.statuses([RUN, OTHER])) == [OTHER]
    assert list(await world.open_entities_of([RUN, OTHER])) == [OTHER]
    found = []
    for _ in range(2):
        claims = await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=1))
        found += [task.run_id for task in claims.tasks]
    assert found == [OTHER]


@pytest.mark.parametrize(
    "change",
    [
        "id = NULL", "id = x'ff'", "workflow = 'x'", "program = NULL", "route = 1.5", "status = 'x'", "seed = 7",
        "head = NULL", "epoch = x'00'", "queued_at = x'00'", "ready_at = 'x'", "worker = x'00'", "snoozed = NULL",
    ],
)  # fmt: skip
async def test_a_column_of_another_type_harms_only_its_row(world: SqliteWorld, change: str) -> None:
    """Not even where the row cannot be written any more; others are claimed, however few are asked for."""
    damage_type(world, "runs", f"UPDATE runs SET {change} WHERE k = 1")  # noqa: S608  # our own

    assert [run.id for run in await world.list_runs(RunFilter()) if not run.damage] == [OTHER]
    found = []
    for _ in range(3):
        await world.heartbeat(WORKER)
        claims = await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=1))
        found += [task.run_id for task in claims.tasks]
    assert found == [OTHER]
    assert claims.next_at is None or claims.next_at > world.clock.now()


@pytest.mark.parametrize(
    "change",
    [
        "run = 'x'", "id = x'ff'", "op = 'x'", "seq = x'00'", "kind = NULL", "status = NULL", "attempt = 'x'",
        "queued_at = x'00'", "ready_at = 'x'", "worker = x'00'", "input = 'x'", "route = 'x'",
    ],
)  # fmt: skip
async def test_a_step_task_with_a_column_of_another_type_harms_no_other(world: SqliteWorld, change: str) -> None:
    """It is passed by."""
    await begin_with_steps(world)
    damage_type(world, "steps", f"UPDATE steps SET {change} WHERE run = 1")  # noqa: S608  # our own

    found = []
    for _ in range(3):
        await world.heartbeat(WORKER)
        claims = await world.claim(ClaimRequest(WORKER, steps=STEPS, steps_max=1))
        found += [task.run_id for task in claims.tasks]
    assert found == [OTHER]


@pytest.mark.parametrize("change", ["pid = NULL", "pid = -1", "lease_ms = 'x'", "boot = x'00'", "beat = NULL"])
async def test_a_worker_whose_row_is_damaged_begins_anew(world: SqliteWorld, change: str) -> None:
    """The others live on, and what it had claimed is theirs."""
    await world.register(WorkerRow("wrkr_2", "here", 1, 1, 15_000))
    claimed = await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))
    assert len(claimed.tasks) == 2
    damage_type(world, "workers", f"UPDATE workers SET {change} WHERE id = '{WORKER}'")  # noqa: S608  # our own

    beat = await world.heartbeat("wrkr_2")

    assert (beat.known, beat.others, beat.orphans) == (True, (), 2)
    assert not (await world.heartbeat(WORKER)).known


async def test_a_name_that_is_no_text_is_told_of_who_refers_to_it(world: SqliteWorld) -> None:
    """A run is not looked for under a program called None."""
    damage_type(world, "labels", "UPDATE labels SET text = NULL WHERE k = (SELECT program FROM runs WHERE k = 1)")

    with pytest.raises(DamagedError, match="of table labels, which it refers to, holds no texts"):
        await world.get_run(RUN)


async def test_claims_of_dead_workers_are_released_past_a_damaged_run(world: SqliteWorld) -> None:
    """The damaged run is given to nobody, the other to anybody."""
    claimed = await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))
    assert len(claimed.tasks) == 2
    damage(world, "UPDATE runs SET status = 9 WHERE k = 1")

    assert await world.release([WORKER]) == 2
    await world.register(WorkerRow(WORKER, "here", 1, 1, 15_000))
    again = await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))

    assert [task.run_id for task in again.tasks] == [OTHER]


async def test_a_text_that_is_none_harms_only_its_row(world: SqliteWorld) -> None:
    """What stands beside it is read, in lists and in changes."""
    damage(world, "UPDATE runs SET snoozed = CAST(x'ff' AS TEXT) WHERE k = 1")

    assert [run.snoozed for run in await world.list_runs(RunFilter())] == ["", "\ufffd"]
    await world.cancel_run(OTHER, "")
    assert (await world.cancel_run(RUN, "")).status == "cancelled"


ITS = {"events": "k >> 32 = 1", "FROM": "k >> 32 = 1", "runs": "k = 1", "steps": "run = 1"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("UPDATE events SET type = 99 WHERE k & 0xffffffff = 3", "its type is 99"),
        ("UPDATE events SET at = -1 WHERE k & 0xffffffff = 3", "its at is -1"),
        ("DELETE FROM events WHERE k & 0xffffffff = 2", "of the 3 events of its log after event 0 there are 2"),
        ("UPDATE runs SET head = head - 1", "its log ends with event 2, which ends with event 3"),
        ("UPDATE runs SET head = head + 1", "its log ends with event 4, which ends with event 3"),
        ("UPDATE steps SET status = 9", "its status is 9"),
        ("UPDATE steps SET kind = 999", "row 999 of table kinds"),
        ("UPDATE steps SET attempt = 1000", "it was begun 1000 times in a row"),
    ],
)
async def test_what_is_damaged_in_a_run_is_told_when_it_is_loaded(
    world: SqliteWorld, change: str, problem: str
) -> None:
    """Nothing is made of it that the run did not do."""
    await world.cancel_run(OTHER, "")
    await begin(world, RUN, step("step_created", 1, attempt=1))
    damage(world, f"{change} {'AND' if 'WHERE' in change else 'WHERE'} {ITS[change.split()[1]]}")

    with pytest.raises(DamagedError) as caught:
        await world.load(RUN)

    assert problem in str(caught.value)


async def test_a_damaged_row_of_a_snapshot_has_its_run_rebuilt(world: SqliteWorld) -> None:
    """The whole log is there."""
    await world.cancel_run(OTHER, "")
    turn = await begin(world, RUN)
    await turn.commit(snapshot=snapshot(b"devl"), park=True)
    damage(world, "UPDATE snapshots SET cursor = -3")

    with pytest.raises(SnapshotError, match="its cursor is -3"):
        await world.load(RUN)
    await world.delete_snapshot(RUN)
    assert (await world.load(RUN)).snapshot is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("UPDATE events SET type = 99 WHERE k = (1 << 32) + 1", "event 1 of run wrun_01A"),
        ("DELETE FROM events WHERE k = (1 << 32) + 2", "it has 3 events from 1 to 4; it goes from 1 to 4"),
        ("DELETE FROM events WHERE k >> 32 = 1", "nothing of it is there; it has 4 events"),
        ("UPDATE events SET k = k + (9 << 32) WHERE k >> 32 = 2", "there is no run number 11, whose they are"),
        ("UPDATE steps SET run = 9 WHERE run = 2", "1 of table steps is damaged: there is no run number 9"),
        ("UPDATE steps SET route = 999 WHERE run = 2", "its task lies where no worker"),
        ("UPDATE workflows SET app = 'other'", "workflow and route are of two applications"),
        ("UPDATE workers SET pid = -1", "worker wrkr_1 is damaged: its pid is -1"),
        ("UPDATE deployments SET body = x'00'", "row 1 of table deployments is damaged"),
        ("UPDATE runs SET head = -1 WHERE k = 1", "its head is -1"),
    ],
)
async def test_the_file_is_examined_whole(world: SqliteWorld, change: str, told: str) -> None:
    """Ended runs too, what belongs to nobody, and what no run has."""
    await world.put_deployment(Deployment("d1", "shop"))
    for task in (await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))).tasks:
        turn = Turn(world, task, 1, WORKER)
        await turn.commit(Event("run_started", T), step("step_created", 1), tasks=[NewTask("step_01")])
        if task.run_id == RUN:
            await turn.commit(ending("run_failed"))
    assert await world.damaged() == []

    damage(world, change)

    assert told in "\n".join(map(str, await world.damaged()))


async def test_a_broken_page_is_told(world: SqliteWorld) -> None:
    """SQLite's own look at the file belongs to the examination."""
    damage_type(world, "runs", "UPDATE runs SET status = 'x' WHERE k = 1")

    rows = [error.row for error in await world.damaged()]

    assert rows == ["the file", "row 1 of table runs"]


async def test_an_error_that_is_kept_keeps_nobody_in_the_past(world: SqliteWorld) -> None:
    """Who has read of a damaged row goes on to read what was stored since."""
    await begin_with_steps(world)
    damage(world, "UPDATE events SET at = -1 WHERE k = (1 << 32) + 1")
    with pytest.raises(DamagedError) as kept:
        await world.events(RUN)

    await world.create_run(new_run("wrun_later"))

    assert (await world.get_run("wrun_later")).status == "pending"
    assert kept.value.run_id == RUN


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE steps SET kind = (SELECT k FROM kinds WHERE name = 'refund') WHERE run = 1",
        "UPDATE steps SET seq = 2 WHERE run = 1",
        "UPDATE steps SET seq = 77 WHERE run = 1",
    ],
)
async def test_no_other_step_is_carried_out_for_a_damaged_one(world: SqliteWorld, change: str) -> None:
    """Its task is compared with the event that created it."""
    await begin_with_steps(world)
    damage(world, "INSERT INTO kinds (name, signature) VALUES ('refund', '')")
    damage(world, change)

    claims = await world.claim(ClaimRequest(WORKER, steps=(*STEPS, "refund"), steps_max=9))

    assert [task.run_id for task in claims.tasks] == [OTHER]


async def test_a_row_with_another_key_than_its_route_is_damaged(world: SqliteWorld) -> None:
    """Who lists runs by key and who claims them would not agree."""
    damage(world, "UPDATE runs SET key_id = 'k1' WHERE k = 1")

    with pytest.raises(DamagedError, match="its key is 'k1', and its route is for ''"):
        await world.get_run(RUN)


async def test_a_damaged_deployment_is_stored_anew(world: SqliteWorld) -> None:
    """By the next worker that brings it."""
    await world.put_deployment(Deployment("d1", "shop"))
    damage_type(world, "deployments", "UPDATE deployments SET created_at = 'x'")
    assert await world.deployments() == []

    await world.put_deployment(Deployment("d1", "shop"))

    assert [deployment.id for deployment in await world.deployments()] == ["d1"]


@pytest.mark.parametrize("change", ["data = 7", "data = NULL"])
async def test_a_blob_that_is_none_is_not_there(world: SqliteWorld, change: str) -> None:
    """Who has its content stores it anew."""
    await world.put_blob("program/x", b"content")
    damage_type(world, "blobs", f"UPDATE blobs SET {change}")  # noqa: S608  # our own

    assert await world.blob("program/x") is None
    assert not await world.has_blob("program/x")
    assert await world.blob_sizes("program/") == {}
    await world.put_blob("program/x", b"content")
    assert await world.blob("program/x") == b"content"


@pytest.mark.parametrize("change", ["status = 9", "seed = 7"])
async def test_a_run_ends_whoever_waits_for_its_end(world: SqliteWorld, change: str) -> None:
    """A damaged parent is stopped, and none of its children; once it is mended, it is told for what it would wait."""
    for task in (await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))).tasks:
        created = (Event("run_started", T), *([watching(1, OTHER)] if task.run_id == RUN else []))
        await Turn(world, task, 1, WORKER).commit(*created, park=True)
    backup = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    status, seed = backup.execute("SELECT status, seed FROM runs WHERE k = 1").fetchone()
    backup.close()
    damage_type(world, "runs", f"UPDATE runs SET {change} WHERE k = 1")  # noqa: S608  # our own

    assert (await world.cancel_run(OTHER, "")).status == "cancelled"

    db = sqlite3.connect(world.url.removeprefix("sqlite:///"))
    with db:
        db.execute("UPDATE runs SET status = ?, seed = ? WHERE k = 1", (status, seed))
    db.close()
    assert f"it waits for the end of run {OTHER}, which has ended" in (await find_damage(world, Keyring()))[RUN]


@pytest.mark.parametrize("change", ["id = ''", "id = CAST(x'ff' AS TEXT)"])
async def test_a_hook_that_is_found_by_its_token_alone_holds_nobody_up(world: SqliteWorld, change: str) -> None:
    """Who resumes it hears that it is damaged, and whoever comes next is served."""
    for task in (await world.claim(ClaimRequest(WORKER, guests=("quickjs",), turns_max=2))).tasks:
        created = (Event("run_started", T), *([hook("hook_created", 1)] if task.run_id == RUN else []))
        await Turn(world, task, 1, WORKER).commit(*created, park=True)
    damage(world, f"UPDATE hooks SET {change}")  # noqa: S608  # our own

    with pytest.raises(DamagedError, match="found, and never as it was read"):
        await world.resume_hook("token", b"devl1", "r1")

    assert (await world.cancel_run(OTHER, "")).status == "cancelled"


@pytest.mark.parametrize("table", ["runs", "steps"])
async def test_a_claim_of_nobody_by_name_holds_nobody_up(world: SqliteWorld, table: str) -> None:
    """A text without characters is not what no worker is stored as."""
    await begin_with_steps(world)
    damage(world, f"UPDATE {table} SET worker = '' WHERE {'k' if table == 'runs' else 'run'} = 1")  # noqa: S608

    with pytest.raises(DamagedError, match="its worker is a text without characters"):
        await world.load(RUN)
    assert (await world.cancel_run(OTHER, "")).status == "cancelled"
