"""Rows that were damaged, or edited by hand: each is told by name, and all else goes on."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.errors import DamagedError, SnapshotError
from torpor.model import ClaimRequest, RunFilter, WorkerRow
from torpor.testing.worlds.story import OTHER, RUN, begin, new_run, snapshot, step
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
