"""SIGSTOP of a worker beyond its lease, and a process that hangs: nothing is stored twice, nobody is wronged."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.crash.apart import end_all, start_apart
from tests.crash.freezing import LEASE_MS
from tests.crash.freezing import app as application
from tests.engine.support import PATIENCE, TIMEOUT, until
from torpor import Torpor

StartWorker = Callable[[], Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[Torpor]:
    """The application on a file, without a worker in this process."""
    async with application.on(f"sqlite:///{tmp_path}/torpor.db") as opened:
        await opened.store_programs()
        yield opened


@pytest.fixture
async def start_worker(app: Torpor, tmp_path: Path) -> AsyncIterator[StartWorker]:
    """Start a worker in a process of its own; return once it has registered."""
    started: list[asyncio.subprocess.Process] = []

    async def start() -> asyncio.subprocess.Process:
        process = await start_apart(app.world.url, tmp_path / "ledger")
        started.append(process)
        await until(app, lambda: _ids(app, process.pid))
        return process

    yield start
    await end_all(started)


async def test_a_frozen_worker_is_replaced_and_comes_back_as_another(
    app: Torpor, start_worker: StartWorker, tmp_path: Path
) -> None:
    """What it finishes after it has thawed is not stored, and it works on under a new id."""
    gate = tmp_path / "gate"
    frozen = await start_worker()
    run = await app.start("holds", str(gate))
    await _noted(app, tmp_path, 1)
    before = await _ids(app, frozen.pid)
    await _freeze(frozen, tmp_path)
    successor = await start_worker()
    await _noted(app, tmp_path, 2)
    gate.touch()
    assert await run.result(timeout=TIMEOUT) == successor.pid
    frozen.send_signal(signal.SIGCONT)

    async def is_back() -> bool:
        now = await _ids(app, frozen.pid)
        return bool(now) and not now & before

    await until(app, is_back)
    successor.kill()
    again = await app.start("holds", str(gate))
    assert await again.result(timeout=PATIENCE) == frozen.pid
    [outcome] = [event for event in await run.events() if event.type in ("step_completed", "step_failed")]
    assert (outcome.type, outcome.attempt) == ("step_completed", 2)


async def test_a_process_that_hangs_keeps_its_work(app: Torpor, start_worker: StartWorker, tmp_path: Path) -> None:
    """A step that holds its process up for many leases is not begun a second time beside itself."""
    workers = [await start_worker() for _ in range(2)]
    before = [await _ids(app, worker.pid) for worker in workers]
    run = await app.start("blocks", 5 * LEASE_MS / 1000)
    assert await run.result(timeout=TIMEOUT) == 1
    assert len(await _noted(app, tmp_path, 1)) == 1
    assert [await _ids(app, worker.pid) for worker in workers] == before


async def _ids(app: Torpor, pid: int) -> set[str]:
    return {worker.id for worker in await app.world.workers() if worker.pid == pid}


async def _freeze(process: asyncio.subprocess.Process, folder: Path) -> None:
    """Stop a process between two commits: who holds the lock of a SQLite file keeps it while frozen."""
    async with asyncio.timeout(TIMEOUT):
        while True:
            process.send_signal(signal.SIGSTOP)
            while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110  # nobody tells of it
                await asyncio.sleep(0)
            with closing(sqlite3.connect(folder / "torpor.db", timeout=0, isolation_level=None)) as db:
                try:
                    db.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    process.send_signal(signal.SIGCONT)
                else:
                    return
            await asyncio.sleep(0)


async def _noted(app: Torpor, folder: Path, count: int) -> list[str]:
    """Return the lines of the ledger once there are so many."""
    ledger = folder / "ledger"

    async def lines() -> list[str]:
        found = ledger.read_text().splitlines() if ledger.exists() else []
        return found if len(found) >= count else []

    return await until(app, lines)
