"""A world on a new SQLite file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from torpor.testing.worlds.story import worker_row
from torpor.worlds.sqlite import SqliteWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """Yield an open world on a new file, with a worker."""
    world = SqliteWorld(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    await world.register(worker_row())
    yield world
    await world.close()
