"""Worker processes that are killed while failed runs are taken up again: each goes on once, from where it failed."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path
from signal import SIGKILL, SIGTERM

import psutil
import pytest

from tests.cli.processes import Process
from torpor import RunFailedError
from torpor.client import Client
from torpor.run_handle import RunHandle
from torpor.worlds import open_world

FOLDER = Path(__file__).parent
RUNS = 20
KILLS = 4


@pytest.mark.timeout(300)
async def test_retried_runs_survive_kills(tmp_path: Path) -> None:
    """All complete after one retry; what was done before the failure was done before it, and not again."""
    dice = random.Random("retried")
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    client = Client(world)

    def begin() -> Process:
        command = ("worker", "retried.py", "-p", "2", "--world", world.url)
        process = Process(FOLDER, *command, CRASH_LEDGER=str(tmp_path))
        process.wait_line("is at work")
        return process

    process = await asyncio.to_thread(begin)
    try:
        runs: list[RunHandle] = [await client.start("checkout", f"o-{n}", run_id=f"o-{n}") for n in range(RUNS)]
        for run in runs:
            with pytest.raises(RunFailedError, match="the bank is closed"):
                await run.result(timeout=60)
        before = (tmp_path / "reserved").read_text().splitlines()
        (tmp_path / "open").touch()
        for n, run in enumerate(runs):
            await run.retry()
            if n % (RUNS // KILLS) == 0 and (workers := psutil.Process(process.pid).children()):
                dice.choice(workers).send_signal(SIGKILL)
        for run in runs:
            assert await run.result(timeout=120) == [run.id, f"{run.id} paid", f"{run.id} again"]
            told = Counter(event.type for event in await run.events())
            assert (told["run_failed"], told["run_retried"], told["run_completed"], told["step_completed"]) == (
                1,
                1,
                1,
                3,
            )
        after = Counter((tmp_path / "reserved").read_text().splitlines())
        assert {order: after[order] for order in before} == Counter(before)
        process.send(SIGTERM)
        assert await asyncio.to_thread(process.wait_end) == 0
    finally:
        process.__exit__(None, None, None)
        await world.close()
