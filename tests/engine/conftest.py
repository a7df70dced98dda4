"""The application of these tests on a fresh world, for each runtime and world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest

from tests.engine.application import app as application
from torpor import Torpor, WorkerSettings
from torpor.model import Runtime


@pytest.fixture(params=["snapshot", "replay"])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Both runtimes must behave alike."""
    return cast("Runtime", request.param)


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Return the URL of a SQLite world that nobody has used."""
    return f"sqlite:///{tmp_path}/torpor.db"


@pytest.fixture(params=["sqlite", "memory"])
def url(request: pytest.FixtureRequest, database: str) -> str:
    """Return the URL of a world that nobody has used."""
    return database if request.param == "sqlite" else "memory://"


@pytest.fixture
async def app(url: str, runtime: Runtime) -> AsyncIterator[Torpor]:
    """An open application without a worker."""
    async with application.on(url, runtime=runtime, settings=WorkerSettings(turns=4)) as opened:
        yield opened


@pytest.fixture
async def working(app: Torpor) -> AsyncIterator[Torpor]:
    """An open application with a worker."""
    async with app.worker():
        yield app
