"""Workers on two machines whose connections to Postgres or Redis go, for good or for a moment; no lease passes then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crash.apart import end_all, start_apart
from tests.crash.freezing import FAR_AWAY
from tests.crash.freezing import app as application
from tests.engine.support import TIMEOUT, until
from tests.postgres_server import empty, execute, restart, server_url
from tests.redis_server import started as redis_server
from torpor import Torpor
from torpor.model import GONE_MS, WorkerRow
from torpor.worlds.postgres.times import LOCK_OF_PRESENCE, STARTED

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid()"
)

_SHOWN = (
    f"SELECT id FROM torpor.workers WHERE server = {STARTED} "  # noqa: S608  # of constants
    f"AND NOT pg_try_advisory_xact_lock({LOCK_OF_PRESENCE.format('presence')})"
)

Worker = asyncio.subprocess.Process


class _Postgres:
    """A server of this process's, without a world."""

    def __init__(self) -> None:
        self.url = server_url()
        empty(self.url)

    def cut(self) -> None:
        """End all connections of the world."""
        execute(self.url, _CUT)

    def restart(self) -> None:
        """Stop it, and start it again."""
        restart(self.url)

    def seen(self, _: list[WorkerRow]) -> set[str]:
        """Return those of some workers that it sees to be there."""
        return {str(worker_id) for (worker_id,) in execute(self.url, _SHOWN)}

    def close(self) -> None:
        """Leave it to others."""


class _Redis:
    """A server with a log, which is a test's own."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._server = self._stack.enter_context(redis_server("--appendonly", "yes", "--appendfsync", "always"))
        self.url = self._server.url

    def cut(self) -> None:
        """End all connections."""
        for kind in ("normal", "pubsub"):
            self._server.execute("CLIENT", "KILL", "TYPE", kind)

    def restart(self) -> None:
        """Kill it, and start it again."""
        self._server.kill()
        self._server.start()

    def seen(self, workers: list[WorkerRow]) -> set[str]:
        """Return those of some workers that it sees to be there."""
        channels = self._server.execute("PUBSUB", "CHANNELS", "{torpor}:here:*")
        assert isinstance(channels, list)
        return {each.id for each in workers if f"{{torpor}}:here:{each.presence}".encode() in channels}

    def close(self) -> None:
        """Stop it."""
        self._stack.close()


@pytest.fixture(params=[_Postgres, _Redis], ids=["postgres", "redis"])
def server(request: pytest.FixtureRequest) -> Iterator[_Postgres | _Redis]:
    """Yield a server without a world."""
    found = request.param()
    yield found
    found.close()


@pytest.fixture
async def app(server: _Postgres | _Redis) -> AsyncIterator[Torpor]:
    """The application on the server, without a worker in this process."""
    async with application.on(server.url, settings=FAR_AWAY) as opened:
        await opened.store_programs()
        yield opened


@pytest.fixture
async def workers(app: Torpor, server: _Postgres | _Redis, tmp_path: Path) -> AsyncIterator[list[Worker]]:
    """Two workers, each of which seems to be on a machine of its own; the first holds the step of a run."""

    async def start(machine: str) -> Worker:
        return await start_apart(server.url, tmp_path / "ledger", machine)

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
    await end_all(started)


async def test_the_work_of_a_killed_worker_goes_on_elsewhere(
    app: Torpor, workers: list[Worker], tmp_path: Path
) -> None:
    """Its process cannot be looked for from there; the attempt that it had begun is made again."""
    killed, survivor = workers
    killed.kill()
    (tmp_path / "gate").touch()
    assert await app.run("held").result(timeout=TIMEOUT) == survivor.pid
    assert (tmp_path / "ledger").read_text().splitlines() == [f"1 {killed.pid}", f"2 {survivor.pid}"]


@pytest.mark.parametrize("how", ["all connections are cut", "the server is restarted"])
async def test_who_loses_connections_and_is_back_is_alive(
    app: Torpor, workers: list[Worker], server: _Postgres | _Redis, tmp_path: Path, how: str
) -> None:
    """Both go on as who they are, are seen to be there, and nothing is done twice."""

    async def known() -> dict[str, int]:
        return {row.id: row.seen_at for row in await app.world.workers()}

    before = await known()
    await asyncio.to_thread(server.restart if how == "the server is restarted" else server.cut)

    async def were_judged() -> bool:
        now = await known()
        return set(now) != set(before) or min(now[each] - before[each] for each in now) > 2 * GONE_MS

    await until(app, were_judged)
    assert set(await known()) == set(before) == server.seen(await app.world.workers())
    (tmp_path / "gate").touch()
    assert await app.run("held").result(timeout=TIMEOUT) == workers[0].pid
    assert (tmp_path / "ledger").read_text().splitlines() == [f"1 {workers[0].pid}"]
