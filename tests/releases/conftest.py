"""Recorded databases that a worker of today has taken over."""

from __future__ import annotations

import asyncio
import functools
import importlib
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
import zstandard

from tests.releases.cast import KEYS
from tests.releases.record import GUESTS, afterwards, record
from tests.releases.shop.application import app
from tests.releases.upgrades import installed, newer_cpython, newer_quickjs
from tests.semantics.support import SECOND, MovableClock
from torpor import Torpor
from torpor.clock import SystemClock
from torpor.model import RunFilter
from torpor.vm.guest import Guest
from torpor.worlds import open_world

importlib.import_module("tests.releases.shop.flows.orders")  # which registers its workflows

THIS = "this-version"
"""Recorded now, with the guests of this version; then these are upgraded."""

THIS_WITHOUT_LOGS = "this-version-without-logs"
"""And what lies before the snapshots is dropped from the logs."""

RELEASES = ("0.1.0", THIS, THIS_WITHOUT_LOGS)


class RecordedClock(MovableClock):
    """A clock that goes on a minute after a recording, when its worker counts as dead, whenever the test runs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with closing(sqlite3.connect(path)) as db:
            (last,) = db.execute("SELECT max(at) FROM events").fetchone()
        self.put_forward(last + 60 * SECOND - SystemClock().now())


@pytest.fixture(scope="session")
def recorded_now(tmp_path_factory: pytest.TempPathFactory) -> functools._lru_cache_wrapper[Path]:
    """Records this version, once for each guest."""

    @functools.cache
    def recorded(guest: str) -> Path:
        path = tmp_path_factory.mktemp("recorded") / "torpor.db"
        record(guest, path)
        asyncio.run(afterwards(guest, path))
        return path

    return recorded


@pytest.fixture(
    scope="module",
    params=[(release, guest) for release in RELEASES for guest in GUESTS],
    ids="-".join,
)
def recording(
    request: pytest.FixtureRequest,
    recorded_now: functools._lru_cache_wrapper[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, Path]:
    """A copy of a recording, with the name of its release."""
    release, guest = request.param
    path = tmp_path_factory.mktemp("shop") / "torpor.db"
    if release in (THIS, THIS_WITHOUT_LOGS):
        shutil.copy(recorded_now(guest), path)
    else:
        kept = Path(__file__).with_name("recorded") / f"{release}-{guest}.db.zst"
        path.write_bytes(zstandard.decompress(kept.read_bytes()))
    if release == THIS_WITHOUT_LOGS:
        asyncio.run(drop_logs(path))
    return release, path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(recording: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Torpor]:
    """The application on a recorded database, with a worker whose guests are none that have recorded it."""
    _, path = recording
    newer: dict[str, Guest] = {
        "quickjs": newer_quickjs(tmp_path_factory.mktemp("newer") / "bootstrap"),
        "cpython": newer_cpython(),
    }
    with installed(app, newer):
        twin = app.on(f"sqlite:///{path}", clock=RecordedClock(path), keys=KEYS)
        async with twin, twin.worker():
            yield twin


async def drop_logs(path: Path) -> None:
    """Drop from every log what lies before the run's snapshot."""
    world = open_world(f"sqlite:///{path}")
    await world.open()
    for run in await world.list_runs(RunFilter(limit=1000)):
        snapshot = await world.snapshot(run.id)
        if snapshot is not None:
            assert (await world.archive(run.id, snapshot.cursor)).base > 0
    await world.close()
