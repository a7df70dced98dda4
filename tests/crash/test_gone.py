"""Workers on two machines whose connections to Postgres go: for good, or for a moment. No lease passes meanwhile."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.crash.freezing import FAR_AWAY
from tests.crash.freezing import app as application
from tests.engine.support import TIMEOUT, until
from tests.postgres_server import empty, execute, restart, server_url
from torpor import Torpor
from torpor.model import GONE_MS
from torpor.worlds.postgres.times import LOCK_OF_PRESENCE, STARTED

ROOT = Path(__file__).parents[2]

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid()"
)

_SHOWN = (
    f"SELECT id FROM torpor.workers WHERE server = {STARTED} "  # noqa: S608  # of constants
    f"AND NOT pg_try_advisory_xact_lock({LOCK_OF_PRESENCE.format('presence')})"
)

Worker = asyncio.subprocess.Process


@pytest.fixture
async def app() -> AsyncIterator[Torpor]:
    """The application on Postgres, without a worker in this process."""
    empty(server_url())
    async with application.on(server_url(), settings=FAR_AWAY) as opened:
        await opened.store_programs()
        yield opened


@pytest.fixture
async def workers(app: Torpor, tmp_path: Path) -> AsyncIterator[list[Worker]]:
    """Two workers, each of which seems to be on a machine of its own; the first holds the step of a run."""

    async def start(machine: str) -> Worker:
        command = (sys.executable, "-m", "tests.crash.freezing", server_url(), str(tmp_path / "ledger"), machine)
        return await asyncio.create_subprocess_exec(*command, cwd=ROOT)

    async def has_begun() -> bool:
        return (tmp_path / "ledger").exists()

    async def are_there() -> bool:
        return len(await app.world.workers()) == len(started)

    await app.start("holds", str(tmp_path / "gate"), run_id="held")
    started = [await start("here")]
    await until(app, has_begun)
    started.append(await start("elsewhere"))
    await until(app, are_there)
    yield started
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_the_work_of_a_killed_worker_goes_on_elsewhere(
    app: Torpor, workers: list[Worker], tmp_path: Path
) -> None:
    """Its process cannot be looked for from there; the attempt that it had begun is made again."""
    killed, survivor = workers
    killed.kill()
    (tmp_path / "gate").touch()
    assert await app.run("held").result(timeout=TIMEOUT) == survivor.pid
    assert (tmp_path / "ledger").read_text().splitlines() == [f"1 {killed.pid}", f"2 {survivor.pid}"]


@pytest.mark.parametrize(
    "disturb",
    [
        pytest.param(lambda: execute(server_url(), _CUT), id="all connections are cut"),
        pytest.param(lambda: restart(server_url()), id="the server is restarted"),
    ],
)
async def test_who_loses_connections_and_is_back_is_alive(
    app: Torpor, workers: list[Worker], tmp_path: Path, disturb: Callable[[], object]
) -> None:
    """Both go on as who they are, are seen to be there, and nothing is done twice."""

    async def known() -> dict[str, int]:
        return {row.id: row.seen_at for row in await app.world.workers()}

    before = await known()
    await asyncio.to_thread(disturb)

    async def were_judged() -> bool:
        now = await known()
        return set(now) != set(before) or min(now[each] - before[each] for each in now) > 2 * GONE_MS

    await until(app, were_judged)
    assert set(await known()) == set(before) == {worker_id for (worker_id,) in execute(server_url(), _SHOWN)}
    (tmp_path / "gate").touch()
    assert await app.run("held").result(timeout=TIMEOUT) == workers[0].pid
    assert (tmp_path / "ledger").read_text().splitlines() == [f"1 {workers[0].pid}"]
