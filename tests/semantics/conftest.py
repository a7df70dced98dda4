"""
A stage for every guest and runtime, shared by the tests of a module: on one world, on each (``--every-world``), or on
one that has a server (``--world postgres``, ``--world redis``).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio

from tests.postgres_server import empty, server_url
from tests.redis_server import empty_redis
from tests.semantics import flows, python_flows
from tests.semantics.application import app as application
from tests.semantics.support import MovableClock, Stage
from torpor import WorkerSettings
from torpor.model import Runtime
from torpor.worlds import open_world

HERE = Path(__file__).parent
REPLAYED = {"test_hooks", "test_python_entropy", "test_errors"}

for package in (flows, python_flows):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)  # importing a module of workflows registers them


@pytest.fixture(scope="module", params=["quickjs", "cpython"])
def guest(request: pytest.FixtureRequest) -> str:
    """Both guests must behave alike."""
    return str(request.param)


@pytest.fixture(scope="module", params=["snapshot", "replay"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Both runtimes must behave alike."""
    return cast("Runtime", request.param)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Mark Python's replay as long: it costs as much as all the rest that is not JavaScript's.

    What only a replay could break is tested in every run of the suite as well: all of it in JavaScript, what comes
    from outside in Python (``REPLAYED``), random programs of both and every moment of runs (tests/travel) besides.
    """
    for item in items:
        params = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if (
            item.path.is_relative_to(HERE)
            and (params.get("guest"), params.get("runtime")) == ("cpython", "replay")
            and item.path.stem not in REPLAYED
        ):
            item.add_marker("long")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Ask for both worlds of each guest and runtime, when that is wanted."""
    if "other_world" in metafunc.fixturenames and metafunc.config.getoption("--every-world"):
        metafunc.parametrize("other_world", [False, True], ids=["usual-world", "other-world"], scope="module")


@pytest.fixture(scope="module")
def other_world() -> bool:
    """Whether it is not the world where this guest and this runtime are commonly tested."""
    return False


@pytest.fixture(scope="module")
def world_url(
    request: pytest.FixtureRequest,
    guest: str,
    runtime: Runtime,
    other_world: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """
    Where runs live; all worlds must behave alike.

    Of the four kinds of runs two are in each world, so that each world meets both guests and both runtimes. With
    ``--world`` all are there, in an empty world for each module.
    """
    wanted = request.config.getoption("--world")
    if wanted == "redis":
        return empty_redis()
    if wanted == "postgres":
        url = server_url()
        empty(url)
        return url
    commonly_on_disk = (guest == "quickjs") == (runtime == "snapshot")
    if commonly_on_disk != other_world:
        return f"sqlite:///{tmp_path_factory.mktemp('semantics')}/torpor.db"
    return "memory://"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(guest: str, runtime: Runtime, world_url: str) -> AsyncIterator[Stage]:
    """A world that nobody has used, and a worker."""
    clock = MovableClock()
    # Not a twin made by on(): a step that starts a run asks the application that its module knows.
    application.runtime, application.settings = runtime, WorkerSettings(turns=8)
    application.use_world(open_world(world_url, clock))
    async with application, application.worker():
        yield Stage(application, guest, clock)
