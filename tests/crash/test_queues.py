"""Several worker processes that are killed while limits are in force: no limit is passed, and every slot comes back."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from signal import SIGKILL, SIGTERM

import psutil
import pytest

from tests.cli.processes import Process
from tests.crash.limited import AT_ONCE, OF_A_KEY, RUNS_AT_ONCE
from torpor.client import Client
from torpor.queues import Queues
from torpor.worlds import open_world

FOLDER = Path(__file__).parent
WORKFLOWS = ("holds_in_python", "holdsInJavascript")
RUNS = 12
STEPS = 8
KILLS = 6


@pytest.mark.timeout(300)
async def test_limits_hold_whoever_dies(tmp_path: Path) -> None:
    """Bodies are counted by locks, which a process lets go of as it dies; all runs complete, and no slot is lost."""
    dice = random.Random("queues")
    locks = tmp_path / "locks"
    locks.mkdir()
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    queues = Queues(client := Client(world))

    def begin() -> Process:
        command = ("worker", "limited.py", "-p", "3", "--world", world.url)
        process = Process(FOLDER, *command, CRASH_LEDGER=str(locks))
        process.wait_line("is at work")
        return process

    process = await asyncio.to_thread(begin)
    try:
        await queues.set("limited", concurrency=AT_ONCE, per_key=OF_A_KEY)
        await queues.set("runs", concurrency=RUNS_AT_ONCE)
        runs = [
            await client.start(WORKFLOWS[n % 2], f"key-{n % 3}", STEPS, queue="runs", queue_key=f"key-{n % 3}")
            for n in range(RUNS)
        ]
        for _ in range(KILLS):
            await asyncio.sleep(dice.uniform(0.2, 0.8))
            held = {info.name: info.held for info in await queues.list()}
            assert held["limited"] <= AT_ONCE
            assert held["runs"] <= RUNS_AT_ONCE
            if workers := psutil.Process(process.pid).children():
                dice.choice(workers).send_signal(SIGKILL)
        for run in runs:
            assert await asyncio.wait_for(run.result(), 120) == STEPS
        assert not (locks / "passed").exists()
        assert {info.name: (info.waiting, info.held) for info in await queues.list()} == {
            "limited": (0, 0),
            "runs": (0, 0),
        }
        process.send(SIGTERM)
        assert await asyncio.to_thread(process.wait_end) == 0
    finally:
        process.__exit__(None, None, None)
        await world.close()
