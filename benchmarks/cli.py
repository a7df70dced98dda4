"""
What a command costs: processor time of ``torpor …`` from start to end, in a project that has an application.

Python keeps byte code, as installers leave it, in a folder of the benchmark: a checkout may be one where it keeps none.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.application import SETTING, working
from benchmarks.harness import child
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.database import fresh
from benchmarks.harness.installed import installed
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished

COMMANDS = {
    "--help": ["--help"],
    "runs": ["runs", "--app", "benchmarks.served"],
    "inspect": ["inspect", "--last", "--app", "benchmarks.served"],
}
RUNS = 20

_ROOT = Path(__file__).parent.parent


def run(setting: Setting) -> list[Row]:
    """Return ``cpu`` and ``wall`` of each command."""
    rows = Rows("cli", setting)
    with fresh(setting) as place, installed() as environment:
        child.call(prepare, place)
        for name, arguments in COMMANDS.items():
            say(f"cli: torpor {name}")
            samples = [_timed(arguments, place, environment) for _ in range(1 + 2 * setting.samples)][1:]
            cpu, wall = zip(*samples, strict=True)
            rows.add("cpu", "ms", cpu, {"command": name})
            rows.add("wall", "ms", wall, {"command": name})
    return rows.all


def prepare(setting: Setting) -> None:
    """Make some runs to show."""
    asyncio.run(_prepare(setting))


async def _prepare(setting: Setting) -> None:
    async with working(setting) as app:
        for _ in range(RUNS):
            await finished(app.start("sequential", 3), 3)


def _timed(arguments: list[str], setting: Setting, environment: dict[str, str]) -> tuple[float, float]:
    """Return milliseconds of processor time and of real time."""
    environment |= {SETTING: msgspec.json.encode(setting).decode(), "PYTHONPATH": str(_ROOT)}
    command = [sys.executable, "-P", "-m", "torpor.cli", *arguments]
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise BenchmarkError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return 1000 * cpu, 1000 * wall
