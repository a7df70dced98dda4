"""From a file to Postgres and back, with workers at work in both, and a mover that is killed again and again."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.capsules.moved import NOTES, app, note, walk
from tests.postgres_server import empty, server_url
from torpor import Quotas, Tenant, TenantInfo, Torpor
from torpor.attributes import MOVED
from torpor.model import RunFilter
from torpor.worlds import open_world

RUNS = 8
STEPS = 3
KILLS = 2
TEXT = """
from steps import note

async def main(run: str) -> int:
    return await note(run, 0)
"""

Used = tuple[int, int, int]
"""Runs, steps, and microseconds of CPU time of a tenant."""


async def mover(source: str, target: str) -> asyncio.subprocess.Process:
    """Start a process that moves a world."""
    command = (sys.executable, "-m", "torpor.cli", "move", "--from", source, "--to", target)
    return await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )


async def moved(app: Torpor) -> int:
    """Return how many runs of a world have gone to another one."""
    return sum(MOVED in run.attributes for run in await app.world.list_runs(RunFilter(limit=2 * RUNS)))


async def test_a_world_moves_under_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run goes on, every step is carried out once, and every result is there, also back in a file."""
    postgres = server_url()
    empty(postgres)
    notes = tmp_path / "notes"
    monkeypatch.setenv(NOTES, str(notes))
    first, last = f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/last.db"
    here, there = app.on(first), app.on(postgres)
    async with here, there, here.worker(), there.worker():
        for n in range(RUNS):
            await here.start(walk, f"{n}", STEPS, run_id=f"walk-{n}")
        for kill in range(KILLS):
            process = await mover(first, postgres)
            while await moved(here) <= kill and process.returncode is None:  # noqa: ASYNC110  # another process moves
                await asyncio.sleep(0.01)
            if process.returncode is None:
                process.send_signal(signal.SIGKILL)
            await process.wait()
        used = await _of_tenant(here.tenant("acme", quotas=Quotas(steps=10), allow=[note]), "first")
        process = await mover(first, postgres)
        out, err = await process.communicate()
        assert process.returncode == 0, err.decode()
        assert await moved(here) == RUNS + 1, out.decode()
        acme = there.tenant("acme")
        assert _spent(await acme.info()) == used
        assert (await acme.info()).tenant.quotas.steps == 10
        used = await _of_tenant(acme, "second")
        assert used[:2] == (2, 2)
        for n in range(RUNS):
            await there.resume_hook(f"go-{n}", 100, wait="60s")
        expected = 100 + sum(range(2 * STEPS))
        assert [await there.run(f"walk-{n}").result(timeout=60) for n in range(RUNS)] == [expected] * RUNS
    counted = Counter(line for line in notes.read_text().splitlines() if not line.startswith("acme"))
    assert counted == Counter(f"{n} {step}" for n in range(RUNS) for step in range(2 * STEPS))
    await _moves_back(postgres, last, expected, used)


async def _of_tenant(acme: Tenant, name: str) -> Used:
    """Let a run of a tenant end, and return what the tenant has used."""
    run = await acme.start(TEXT, [f"acme {name}"], language="python", workflow="main")
    assert await run.result(timeout=60) == 0
    return _spent(await acme.info())


def _spent(info: TenantInfo) -> Used:
    return info.usage.runs, info.usage.steps, info.usage.cpu_us


async def _moves_back(postgres: str, last: str, expected: int, used: Used) -> None:
    """What has ended moves, too: with its result, its log and its streams, and what tenants have used."""
    process = await mover(postgres, last)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    async with app.on(last) as back:
        for n in range(RUNS):
            run = back.run(f"walk-{n}")
            assert await run.result(timeout=10) == expected
            assert [value async for value in run.stream("notes", until="now")] == list(range(2 * STEPS))
            assert (await run.events())[0].type == "run_created"
        assert await back.world.damaged() == []
        assert _spent(await back.tenant("acme").info()) == used
    world = open_world(postgres)
    await world.open()
    try:
        assert all(MOVED in run.attributes for run in await world.list_runs(RunFilter(limit=2 * RUNS)))
    finally:
        await world.close()
