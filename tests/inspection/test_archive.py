"""Dropping the beginning of a log, with real runs in real VMs."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.engine.support import has_event
from tests.inspection.application import app as application
from tests.releases.upgrades import installed, newer_cpython, newer_quickjs
from torpor import Torpor
from torpor.engine.builds import stored_manifest
from torpor.errors import BuildMissingError, EntityConflictError, SnapshotError
from torpor.inspection.archive import archive
from torpor.model import Run, build_key

TIMEOUT = 30


@pytest.fixture
def app(tmp_path: Path) -> Torpor:
    """The application of these tests, in a file of its own."""
    return application.on(f"sqlite:///{tmp_path}/torpor.db")


async def asleep(app: Torpor, run_id: str) -> Run:
    """Return the run once it sleeps with a snapshot."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            run = await app.world.get_run(run_id)
            if run.status == "running" and not run.worker and await app.world.snapshot(run_id):
                return run
            await asyncio.sleep(0.01)  # a commit that makes no work tells nobody


async def test_a_run_goes_on_without_the_beginning_of_its_log(app: Torpor) -> None:
    """Its hook is resumed and its result is what it would have been."""
    async with app, app.worker():
        handle = await app.start("counts_and_waits", 5, "token")
        run = await asleep(app, handle.id)

        archived, dropped = await archive(app.client, run.id)

        assert archived.base == dropped > 5
        assert [event.type for event in await handle.events()] == ["hook_created"]  # the snapshot awaits it
        await app.resume_hook("token", "yes")
        assert await handle.result(timeout=TIMEOUT) == "yes"


async def test_an_ended_run_keeps_how_it_ended(app: Torpor) -> None:
    """Its result is there after the log that led to it is gone."""
    async with app, app.worker():
        handle = await app.start("counts", 3)
        assert await handle.result(timeout=TIMEOUT) == 3

        _, dropped = await archive(app.client, handle.id)

        assert dropped
        assert [event.type for event in await handle.events()] == ["run_completed"]
        assert await handle.result(timeout=TIMEOUT) == 3


async def test_a_snapshot_that_cannot_be_restored_keeps_the_log(app: Torpor) -> None:
    """Nothing is dropped, because only the log makes up for the snapshot then."""
    async with app:
        async with app.worker():
            handle = await app.start("waits", "token")
            run = await asleep(app, handle.id)
        path = app.world.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE snapshots SET data = substr(data, 1, 20)")

        with pytest.raises(SnapshotError):
            await archive(app.client, run.id)

        assert len(await handle.events()) == run.head


async def test_a_run_that_is_replayed_keeps_its_log(app: Torpor) -> None:
    """It begins at the log's beginning whenever it wakes."""
    async with app, app.worker():
        handle = await app.start("waits", "token", runtime="replay")
        await has_event(app, handle, "hook_created")
        run = await app.world.get_run(handle.id)

        with pytest.raises(EntityConflictError, match="was not dropped"):
            await archive(app.client, run.id)

        assert len(await handle.events()) == run.head


async def test_a_run_whose_guest_build_is_nowhere_keeps_its_log(app: Torpor, tmp_path: Path) -> None:
    """Only the log makes up for a snapshot that nothing here can restore."""
    async with app:
        with installed(app, {"quickjs": newer_quickjs(tmp_path / "newer"), "cpython": newer_cpython()}):
            async with app.worker():
                handle = await app.start("waits", "token")
                run = await asleep(app, handle.id)

        with pytest.raises(BuildMissingError, match="neither installed here nor in world"):
            await archive(app.client, run.id)

        assert len(await handle.events()) == run.head


async def test_the_guest_build_that_a_run_needs_is_kept(app: Torpor) -> None:
    """It is put into the world before the log goes, if no worker has done that yet."""
    async with app:
        async with app.worker():
            handle = await app.start("waits", "token")
            run = await asleep(app, handle.id)
        await app.world.delete_blob(build_key(run.build))

        await archive(app.client, run.id)

        assert await stored_manifest(app.world, run.build) is not None
