"""Capsules under SIGKILL: a file is whole or not there, a run has arrived whole or not at all, and once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from tests.capsules.moved import NOTES, app
from tests.engine.support import TIMEOUT, until
from torpor import Torpor
from torpor.capsules import SUFFIX
from torpor.errors import EntityConflictError

RUNS = tuple(f"walk-{number}" for number in range(8))
STEPS = 2
CARRY = """
import asyncio, sys
from tests.capsules.moved import app

async def carry(source, target, *names):
    here, there = app.on(source), app.on(target)
    async with here, there:
        for name in names:
            await here.run(name).export(f"{name}.capsule")
            await there.import_run(f"{name}.capsule")
            print(name, flush=True)

asyncio.run(carry(*sys.argv[1:]))
"""


async def _killed_after(folder: Path, count: int, names: list[str]) -> None:
    """Let a process carry runs from world to world, and kill it once some are there, in the middle of the next one."""
    command = [sys.executable, "-c", CARRY, f"sqlite:///{folder}/here.db", f"sqlite:///{folder}/there.db", *names]
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(TIMEOUT):
        for _ in range(count):
            assert await process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()


async def _asleep(here: Torpor) -> None:
    """Let all runs walk to where they wait."""
    for name in RUNS:
        await here.start("walk", name, STEPS, run_id=name)
    for name in RUNS:

        async def waits(name: str = name) -> bool:
            return any(each.kind == "hook" for each in (await here.run(name).info()).waits_for)

        await until(here, waits)


async def test_capsules_under_sigkill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes die while they carry runs over; what is there goes on, and the rest is carried by asking again."""
    monkeypatch.setenv(NOTES, str(tmp_path / "notes"))
    here, there = app.on(f"sqlite:///{tmp_path}/here.db"), app.on(f"sqlite:///{tmp_path}/there.db")
    async with here:
        async with here.worker():
            await _asleep(here)
        left = [*RUNS]
        for count in (1, 3):
            await _killed_after(tmp_path, count, left)
            async with there:
                arrived = await there.world.statuses({*left})
            left = [name for name in left if name not in arrived]
        assert len(left) <= len(RUNS) - 4
        async with there, there.worker():
            for name in RUNS:
                file = tmp_path / f"{name}{SUFFIX}"
                if name not in left:
                    with pytest.raises(EntityConflictError):
                        await there.import_run(file)  # it is whole, and the run is there already
                else:
                    await here.run(name).export(file)
                    await there.import_run(file)
                log, origin = await there.run(name).events(), await here.run(name).events()
                assert [event.id for event in log[: len(origin)]] == [event.id for event in origin]
                await there.resume_hook(f"go-{name}", 10)
                assert await there.run(name).result(timeout=TIMEOUT) == sum(range(2 * STEPS)) + 10
    told = (tmp_path / "notes").read_text().split("\n")[:-1]
    assert sorted(told) == sorted(f"{name} {n}" for name in RUNS for n in range(2 * STEPS))
