"""Several worker processes that start runs by the clock, and are killed: each slot begins one run, and none is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from signal import SIGKILL, SIGTERM

import psutil
import pytest

from tests.cli.processes import Process
from torpor.client import Client
from torpor.model import RunFilter
from torpor.schedules import ScheduleInfo, Schedules
from torpor.worlds import open_world

FOLDER = Path(__file__).parent
SECOND = 1_000
KILLS = 6


@pytest.mark.timeout(300)
async def test_each_slot_begins_one_run_whoever_dies(tmp_path: Path) -> None:
    """From the first slot to the last there is one run for each, and each completes."""
    dice = random.Random("schedules")
    world = open_world(f"sqlite:///{tmp_path}/torpor.db")
    await world.open()
    schedules = Schedules(client := Client(world))

    def begin() -> Process:
        process = Process(FOLDER, "worker", "scheduled.py", "-p", "3", "--world", world.url)
        process.wait_line("is at work")
        return process

    process = await asyncio.to_thread(begin)
    try:
        for kill in range(KILLS):
            await asyncio.sleep(dice.uniform(0.3, 1.5))
            if kill == KILLS // 2:
                process.send(SIGKILL)
                await asyncio.to_thread(process.__exit__, None, None, None)
                process = await asyncio.to_thread(begin)
            else:
                for worker in psutil.Process(process.pid).children()[: dice.randint(1, 3)]:
                    worker.send_signal(SIGKILL)
        for name in ("every_second", "in_javascript"):
            begun = (await schedules.get(name)).created_at // SECOND * SECOND + SECOND
            info = await _went_on(schedules, name)
            last = (await schedules.pause(name)).last_at
            assert last is not None
            runs = {run.id: run for run in await world.list_runs(RunFilter(workflow=info.workflow, limit=1_000))}
            slots = [await asyncio.wait_for(client.run(run_id).result(), 60) for run_id in runs]
            assert sorted(slots) == [slot / SECOND for slot in range(begun, last + 1, SECOND)]
        process.send(SIGTERM)
        assert await asyncio.to_thread(process.wait_end) == 0
    finally:
        process.__exit__(None, None, None)
        await world.close()


async def _went_on(schedules: Schedules, name: str) -> ScheduleInfo:
    """Return a schedule that has started a run since it was asked for."""
    before = (await schedules.get(name)).last_at or 0
    while ((info := await schedules.get(name)).last_at or 0) <= before:  # noqa: ASYNC110  # others' writes tell nobody here
        await asyncio.sleep(0.05)
    return info
