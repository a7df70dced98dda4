"""What happens to a run when something breaks, and to the others: nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, Passages, has_event, resumed, until
from torpor import Torpor, WorkerSettings
from torpor.engine.failpoints import Failpoint
from torpor.engine.settings import TurnOptions
from torpor.errors import SerializationError, WorldError
from torpor.run_handle import RunHandle

DAMAGE = "UPDATE snapshots SET data = CAST(substr(data, 1, length(data) - 20) || zeroblob(20) AS BLOB)"
"""Makes every snapshot one that cannot be restored."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The database of the test."""
    return tmp_path / "torpor.db"


@pytest.fixture
async def app(file: Path) -> AsyncIterator[Torpor]:
    """An open application on a SQLite file."""
    async with application.on(f"sqlite:///{file}", runtime="snapshot") as opened:
        yield opened


async def parked(app: Torpor, token: str) -> RunHandle:
    """Return a run that sleeps at a hook, with no worker left."""
    async with app.worker():
        run = await app.start("waits", token)
        await until(app, lambda: app.world.snapshot(run.id))
    return run


def change(file: Path, statement: str, *values: object) -> None:
    """Change the database behind the world's back."""
    with sqlite3.connect(file) as connection:
        assert connection.execute(statement, values).rowcount > 0
    connection.close()


async def test_a_run_wakes_from_its_snapshot(app: Torpor) -> None:
    """A snapshot of a few kilobytes is all that is read besides the new event."""
    run = await parked(app, "f-0")
    snapshot = await app.world.snapshot(run.id)
    assert snapshot is not None
    assert snapshot.cursor >= 2
    assert len(snapshot.data) < 10_000
    async with app.worker():
        await app.resume_hook("f-0", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2


async def test_a_result_that_cannot_be_read_is_named(app: Torpor, file: Path) -> None:
    """The error says of which run and workflow it is."""
    async with app.worker():
        run = await app.start("many", 1)
        await run.result(timeout=TIMEOUT)
    change(file, "UPDATE events SET payload = ? WHERE k = (SELECT max(k) FROM events)", b"devl[")

    with pytest.raises(SerializationError, match=rf"^the result of run {run.id} \(workflow//.*//many\) cannot be read"):
        await run.result(timeout=TIMEOUT)


async def test_a_damaged_snapshot_costs_only_a_replay(app: Torpor, file: Path) -> None:
    """The run is rebuilt from its log and its own log says why."""
    run = await parked(app, "f-1")
    change(file, DAMAGE)
    async with app.worker():
        await app.resume_hook("f-1", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2
    assert "rebuilt from its log" in (await run.logs())[0].text


async def test_a_world_that_fails_while_a_snapshot_is_deleted(
    app: Torpor, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The turn tries again, as after every failure of the world."""
    run = await parked(app, "f-7")
    change(file, DAMAGE)
    delete, calls = app.world.delete_snapshot, 0

    async def failing(run_id: str) -> None:
        """Fail at the first call."""
        nonlocal calls
        calls += 1
        if calls == 1:
            raise WorldError("the disk is full")
        await delete(run_id)

    monkeypatch.setattr(app.world, "delete_snapshot", failing)
    async with app.worker():
        await app.resume_hook("f-7", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2
    assert calls > 1


async def test_a_missing_image_costs_only_a_replay(app: Torpor, file: Path) -> None:
    """A snapshot of an image that nobody has any more is given up."""
    run = await parked(app, "f-2")
    await app.close()
    change(file, "UPDATE labels SET text = ? WHERE k IN (SELECT image FROM snapshots)", "0" * 64)
    async with app, app.worker():
        await app.resume_hook("f-2", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2
        assert "is not in world" in (await run.logs())[0].text


async def test_a_log_that_does_not_fit_stops_the_run(app: Torpor, file: Path) -> None:
    """A replay that asks for something else than the log records is a divergence, and no doing of the run."""
    run = await parked(app, "f-3")
    change(file, "DELETE FROM snapshots")
    change(file, "UPDATE events SET digest = x'0102030405060708' WHERE length(digest) > 0")
    async with app.worker():
        await app.resume_hook("f-3", {"n": 1})

        async def given_back() -> str:
            return (await app.world.get_run(run.id)).snoozed

        assert "which is not what the log recorded" in await until(app, given_back)
    assert await run.status() == "running"


async def test_cancelling_ends_the_steps_that_run(app: Torpor) -> None:
    """An async step of a cancelled run is cancelled, so that the worker is free again."""
    async with app.worker() as worker:
        run = await app.start("runsSlow", 600_000)
        await has_event(app, run, "step_created")
        await run.cancel()
        await worker.wait_idle(timeout=TIMEOUT)
    assert [event.type for event in await run.events()][-1] == "run_cancelled"


async def test_a_stopped_worker_leaves_its_runs_to_the_next(app: Torpor) -> None:
    """What was awake is parked, and the next worker goes on from there."""
    app = app.on(app.world, settings=WorkerSettings(grace_seconds=5, turn=TurnOptions(inline_ms=2_000)))
    commits = Passages(Failpoint.AFTER_COMMIT, 20)
    async with app.worker(observers=[commits]):
        run = await app.start("many", 300)
        await commits.passed.wait()
    assert await run.status() == "running"
    async with app.worker():
        assert await run.result(timeout=TIMEOUT) == 300
    events = await run.events()
    assert sum(event.type == "step_completed" for event in events) == 300


async def test_a_hook_that_comes_while_no_worker_lives_waits(app: Torpor) -> None:
    """The payload is durable before anybody can wake the run."""
    run = await parked(app, "f-5")
    await app.resume_hook("f-5", {"n": 5})
    async with app.worker():
        assert (await run.result(timeout=TIMEOUT))["sum"] == 6


async def test_two_workers_share_a_file(app: Torpor, file: Path) -> None:
    """Two workers take different runs, and each run ends once."""
    other = application.on(f"sqlite:///{file}", runtime="snapshot")
    async with other, app.worker(), other.worker():
        runs = [await app.start("addTen", n) for n in range(30)]
        results = await asyncio.gather(*(run.result(timeout=TIMEOUT) for run in runs))
    assert results == [n + 10 for n in range(30)]


async def test_the_other_runtime_can_take_over(app: Torpor) -> None:
    """A run whose snapshots are deleted ends as if it had never had one."""
    run = await parked(app, "f-6")
    await app.world.delete_snapshot(run.id)
    async with app.worker():
        await resumed(app, "f-6", {"n": 1})
        assert (await run.result(timeout=TIMEOUT))["sum"] == 2
