"""The application on a world of its own, with a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.tenants.application import app as application
from tests.tenants.application import done
from torpor import Torpor, WorkerSettings


@pytest.fixture
async def app() -> AsyncIterator[Torpor]:
    """An open application with a worker; what its steps did before is forgotten."""
    done.clear()
    async with application.on("memory://", settings=WorkerSettings(turns=4)) as opened, opened.worker():
        yield opened
