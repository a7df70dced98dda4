"""A recorded database that a worker of today has taken over."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
import pytest_asyncio
import zstandard

from tests.behaviour.support import SECOND, MovableClock
from tests.releases.cast import KEYS
from tests.releases.shop.application import app
from torpor import Torpor
from torpor.clock import SystemClock

importlib.import_module("tests.releases.shop.flows.orders")  # which registers its workflows

RELEASES = ("0.1.0",)
GUESTS = ("quickjs", "cpython")


class RecordedClock(MovableClock):
    """A clock that goes on a minute after a recording, when its worker counts as dead, whenever the test runs."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        with closing(sqlite3.connect(path)) as db:
            (last,) = db.execute("SELECT max(at) FROM events").fetchone()
        self.put_forward(last + 60 * SECOND - SystemClock().now())


def unpacked(release: str, guest: str, folder: Path) -> Path:
    """Return a copy of a recorded database."""
    kept = Path(__file__).with_name("recorded") / f"{release}-{guest}.db.zst"
    path = folder / "torpor.db"
    path.write_bytes(zstandard.decompress(kept.read_bytes()))
    return path


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=[(release, guest) for release in RELEASES for guest in GUESTS],
    ids="-".join,
)
async def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Torpor]:
    """The application on a recorded database, with a worker of today."""
    release, guest = request.param
    path = unpacked(release, guest, tmp_path_factory.mktemp("recorded"))
    twin = app.on(f"sqlite:///{path}", clock=RecordedClock(path), keys=KEYS)
    async with twin, twin.worker():
        yield twin
