"""A stage for every guest and runtime, shared by the tests of a module."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import AsyncIterator
from typing import cast

import pytest
import pytest_asyncio

from tests.semantics import flows, python_flows
from tests.semantics.application import app as application
from tests.semantics.support import MovableClock, Stage
from torpor import WorkerSettings
from torpor.model import Runtime
from torpor.worlds import open_world

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(guest: str, runtime: Runtime, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A world that nobody has used, and a worker."""
    clock = MovableClock()
    # Not a twin made by on(): a step that starts a run asks the application that its module knows.
    application.runtime, application.settings = runtime, WorkerSettings(turns=8)
    application.use_world(open_world(f"sqlite:///{tmp_path_factory.mktemp('semantics')}/torpor.db", clock))
    async with application, application.worker():
        yield Stage(application, guest, clock)
