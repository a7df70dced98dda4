"""
Several processes behind one command, some of which are killed again and again, and the command too: no run is lost,
no step recorded twice.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL, SIGTERM, SIGUSR1

import psutil
import pytest

from tests.cli.processes import Process
from tests.crash.test_kill import WORKFLOWS, check, resume
from torpor import ids
from torpor.client import Client
from torpor.worlds import open_world

FOLDER = Path(__file__).parent
WAVES = 3


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    """A client of an empty world."""
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    yield Client(world)
    await world.close()


@pytest.mark.timeout(600)
async def test_runs_outlive_processes_and_their_supervisor(client: Client, rounds: int, tmp_path: Path) -> None:
    """
    Whoever dies, every run completes with the right result, its log is dense, and each step has one recorded result.
    """
    dice = random.Random("processes")
    ledger = tmp_path / "ledger.txt"
    command = ("worker", "application.py", "-p", "2", "--world", client.world.url)

    def begin() -> Process:
        process = Process(FOLDER, *command, CRASH_LEDGER=str(ledger))
        for _ in range(2):
            process.wait_line("is at work")
        return process

    process = await asyncio.to_thread(begin)
    try:
        for _ in range(max(1, rounds // 2)):
            runs = await _started(client)
            resuming = [asyncio.create_task(resume(client, f"token-{run_id}")) for run_id in runs]
            for kill in (_kill_one, _replace, _kill_supervisor, _kill_one):
                await asyncio.sleep(dice.uniform(0.05, 0.3))
                if kill(process, dice):
                    await asyncio.to_thread(process.__exit__, None, None, None)
                    process = await asyncio.to_thread(begin)
            await asyncio.gather(*resuming)
            for run_id in runs:
                await asyncio.wait_for(client.run(run_id).result(), 60)
                await check(client, run_id, ledger)
        process.send(SIGTERM)
        assert await asyncio.to_thread(process.wait_end) == 0
    finally:
        process.__exit__(None, None, None)


async def _started(client: Client) -> list[str]:
    """Start some runs of each workflow, which wait under ``token-`` and their ids."""
    started = []
    for workflow in WORKFLOWS * WAVES:
        run_id = ids.fresh("wrun", client.world.clock.now())
        started.append((await client.start(workflow, f"token-{run_id}", run_id=run_id)).id)
    return started


def _kill_one(process: Process, dice: random.Random) -> bool:
    """Kill one of the worker processes."""
    workers = psutil.Process(process.pid).children()
    if workers:
        dice.choice(workers).send_signal(SIGKILL)
    return False


def _replace(process: Process, _: random.Random) -> bool:
    """Have all processes replaced."""
    process.send(SIGUSR1)
    return False


def _kill_supervisor(process: Process, _: random.Random) -> bool:
    """Kill the command, whose processes stop by themselves."""
    process.send(SIGKILL)
    return True
