"""A run that lives through many processes, each of which lives for one tick."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.engine.support import TIMEOUT
from tests.serverless.application import app as application
from torpor.engine.failpoints import Failpoint
from torpor.ticking import Tick

ROOT = Path(__file__).parents[2]
PROCESSES = 4


def in_a_process(url: str) -> Tick:
    """Return what a fresh process did in a tick."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.serverless.application", url],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Tick)


async def test_a_run_lives_through_a_process_for_each_of_its_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each process does one step and dies; one is killed in it, and the next one takes its run over and goes on."""
    async with application.on(f"sqlite:///{tmp_path}/torpor.db") as app:
        run = await app.start("naps", PROCESSES, 3_600)
        for n in range(PROCESSES):
            if n == 2:
                with monkeypatch.context() as killed:
                    killed.setenv("TORPOR_TEST_DIES", Failpoint.AFTER_CLAIM.value)
                    with pytest.raises(AssertionError):
                        in_a_process(app.world.url)
                assert (await app.world.get_run(run.id)).worker
            tick = in_a_process(app.world.url)
            assert (tick.runs, tick.more) == (1, False)
            assert tick.next_at is not None
            assert len(await run.wake_up()) == 1
        assert in_a_process(app.world.url) == Tick(1, None, more=False)
        seen = await run.result(timeout=TIMEOUT)
        assert [n for n, _ in seen] == list(range(PROCESSES))
        assert len({process for _, process in seen}) == PROCESSES
