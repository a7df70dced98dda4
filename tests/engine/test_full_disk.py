"""A disk that is full for a while: nothing half-written, and the run goes on when there is room again."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, has_event


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """Let the kernel refuse writes of this process beyond *size* bytes of any file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_delays_a_run_and_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The commit fails as a whole, the turn tries again, and the log is dense in the end."""
    caplog.set_level(logging.WARNING, "torpor.engine")
    app = application.on(f"sqlite:///{tmp_path}/torpor.db")
    async with app, app.worker():
        run = await app.start("many", 200)
        await has_event(app, run, "step_completed")
        with no_file_grows_beyond((tmp_path / "torpor.db-wal").stat().st_size):
            async with asyncio.timeout(TIMEOUT):
                while "trying again" not in caplog.text:
                    await asyncio.sleep(0)
            stuck = await run.events()
        assert await run.result(timeout=TIMEOUT) == 200
        events = await run.events()
    assert events[: len(stuck)] == stuck
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.type == "step_completed" for event in events) == 200
