"""Many runs of a few trivial steps at the same time, in one process or with several worker processes."""

from __future__ import annotations

import asyncio

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.costs import spent
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.residence import cpu_seconds, worker_memory_mib, worker_peak_mib
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms

RUNS = 200
STEPS = 5


class Measured(msgspec.Struct, frozen=True):
    """
    What was measured of all processes.

    Attributes:
        walls, cpu: seconds that each round took, and of processor time in it.
        memory, peak: of the worker process with most, after a round, and resident at any time, in MiB.
    """

    walls: list[float]
    cpu: list[float]
    memory: float
    peak: float


def run(setting: Setting) -> list[Row]:
    """Return steps and runs per second, processor time of a step, and the memory of a process that worked."""
    rows = Rows("throughput", setting)
    with fresh(setting) as place:
        child.call(settle, place)
        with spent(place) as costs:
            measured = child.call(measure, place)
    params = {"runs": RUNS, "steps": STEPS, "processes": setting.processes}
    rows.add("steps_per_s", "1/s", [RUNS * STEPS / wall for wall in measured.walls], params)
    rows.add("runs_per_s", "1/s", [RUNS / wall for wall in measured.walls], params)
    rows.add("cpu_per_step", "µs", [1_000_000 * cpu / (RUNS * STEPS) for cpu in measured.cpu], params)
    if measured.memory:
        rows.add("memory", "MiB", [measured.memory], params)
    rows.add("peak_rss", "MiB", [measured.peak], params)
    costs.add_to(rows, (1 + setting.samples) * RUNS * STEPS, "step", params)
    return rows.all


def settle(setting: Setting) -> None:
    """Make the database, and let one run end in it, so that what is stored once is not counted."""
    asyncio.run(_settle(setting))


async def _settle(setting: Setting) -> None:
    async with working(setting) as app:
        await finished(app.start("sequential", STEPS), STEPS)


def measure(setting: Setting) -> Measured:
    """Do all rounds, and start them in this process."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    walls, cpu, memory = [], [], []
    async with working(setting) as app:
        for number in range(1 + setting.samples):
            say(f"throughput: round {number} of {setting.samples}")
            runs = (finished(app.start("sequential", STEPS), STEPS) for _ in range(RUNS))
            before = cpu_seconds()
            walls.append(await timed_ms(asyncio.gather(*runs)) / 1000)
            cpu.append(cpu_seconds() - before)
            memory.append(worker_memory_mib())
        return Measured(walls[1:], cpu[1:], max(memory), worker_peak_mib())
