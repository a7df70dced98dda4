"""Runs of both languages on Postgres, also while connections are cut and the server restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.engine.support import TIMEOUT, result
from tests.engine.two_languages.application import app as application
from tests.postgres_server import empty, execute, restart, server_url
from torpor import Torpor, WorkerSettings
from torpor.model import RunFilter, Runtime

_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE application_name = 'torpor' AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def server() -> str:
    """Return the URL of a server."""
    return server_url()


@pytest.fixture
async def working(server: str, runtime: Runtime) -> AsyncIterator[Torpor]:
    """The application, on a world of its own, with a worker."""
    empty(server)
    application.use_world(server)
    application.runtime = runtime
    application.settings = WorkerSettings(turns=4, steps=4)
    async with application, application.worker():
        yield application


async def test_runs_of_both_languages_pass_through_one_another(working: Torpor) -> None:
    """Steps, child runs, hooks that watch and results of two languages."""
    assert (await result(working, "python_parent", 5))["result"] == 113
    runs = await working.world.list_runs(RunFilter())
    assert sorted(run.guest for run in runs) == ["cpython", "cpython", "quickjs"]
    assert {run.status for run in runs} == {"completed"}
    assert await working.world.damaged() == []


@pytest.mark.parametrize("fault", ["cut", "restart"])
async def test_runs_come_through(working: Torpor, server: str, fault: str) -> None:
    """Connections that are cut and a server that restarts fail no run, and no worker is taken for dead."""
    [worker] = [row.id for row in await working.world.workers()]
    runs = [await working.start("python_parent", n) for n in range(6)]
    for _ in range(3 if fault == "cut" else 1):
        if fault == "cut":
            await asyncio.to_thread(execute, server, _CUT)
        else:
            await asyncio.to_thread(restart, server)
    told = await asyncio.gather(*(run.result(timeout=3 * TIMEOUT) for run in runs))
    assert {each["status"] for each in told} == {"completed"}
    assert [row.id for row in await working.world.workers()] == [worker]
    assert await working.world.damaged() == []
