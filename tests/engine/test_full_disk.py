"""A disk that is full for a while: nothing half-written, and the run goes on when there is room again."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.engine.application import app as application
from tests.engine.support import TIMEOUT, Passages, logged
from torpor.engine.failpoints import Failpoint


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """Let the kernel refuse writes of this process beyond *size* bytes of any file, as a full disk would."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_delays_a_run_and_loses_nothing(tmp_path: Path) -> None:
    """The commit fails as a whole, the turn tries again, and the log is dense in the end."""
    app = application.on(f"sqlite:///{tmp_path}/torpor.db")
    commits = Passages(Failpoint.AFTER_COMMIT, 20)
    async with app, app.worker(observers=[commits]):
        run = await app.start("many", 200)
        await commits.passed.wait()
        full = no_file_grows_beyond((tmp_path / "torpor.db-wal").stat().st_size)
        with logged("torpor.engine", "trying again") as tries_again, full:
            await asyncio.wait_for(tries_again.wait(), TIMEOUT)
            stuck = await run.events()
        assert await run.result(timeout=TIMEOUT) == 200
        events = await run.events()
    assert events[: len(stuck)] == stuck
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert sum(event.type == "step_completed" for event in events) == 200
