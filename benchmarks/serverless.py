"""
A run that lives in a process for each of its moments: a step, then an hour's sleep, which the benchmark ends.

*Cold*: a fresh process makes one tick; processor time from the start of the interpreter to its first commit of the run,
and to its end. *Warm*: one process makes ticks one after the other, as functions do that are asked again; processor
time of a whole tick. Each figure is a process's own, all threads together.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from benchmarks.application import application
from benchmarks.harness import child
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting

_MOMENTS, _MOMENTS_QUICK = 100, 10
RUN = "moments"


class Work(msgspec.Struct, frozen=True):
    """What a process is to do: so many ticks; or to start the run, whose moments are so many."""

    setting: Setting
    count: int


class Spent(msgspec.Struct, frozen=True):
    """Milliseconds of processor time since the interpreter began: at the first commit, and at the end of the tick."""

    first_commit: float
    tick: float


def run(setting: Setting) -> list[Row]:
    """Return the rows; fails when the run did not go through all its moments."""
    rows = Rows("serverless", setting)
    moments = _MOMENTS_QUICK if setting.quick else _MOMENTS
    with fresh(setting) as place:
        child.call(start, Work(place, 2 * moments))
        cold = []
        for number in range(moments):
            say(f"serverless: {number + 1} of {moments} processes")
            cold.append(child.call(tick_cold, Work(place, 1)))
        warm = child.call(tick_warm, Work(place, moments))
        child.call(check, Work(place, 2 * moments))
    rows.add("cold_first_commit", "ms", [each.first_commit for each in cold])
    rows.add("cold_tick", "ms", [each.tick for each in cold])
    rows.add("warm_tick", "ms", warm)
    return rows.all


def start(work: Work) -> None:
    """Start the run and let it come to its first sleep."""
    asyncio.run(_start(work))


async def _start(work: Work) -> None:
    async with application(work.setting) as app:
        await app.start("moments", work.count, run_id=RUN)
        await app.tick()


def tick_cold(work: Work) -> Spent:
    """Make one tick in this fresh process."""
    return asyncio.run(_tick_cold(work))


async def _tick_cold(work: Work) -> Spent:
    commits: list[float] = []
    async with application(work.setting) as app:
        await app.run(RUN).wake_up()
        begun = app.world.commit_at_once, app.world.commit

        def at_once(*args: Any) -> Any:
            committed = begun[0](*args)
            if committed is not None:
                commits.append(time.process_time())
            return committed

        async def commit(*args: Any) -> Any:
            committed = await begun[1](*args)
            commits.append(time.process_time())
            return committed

        app.world.commit_at_once, app.world.commit = at_once, commit  # type: ignore[method-assign, assignment]  # to look
        done = await app.tick()
    if done.runs != 1:
        raise BenchmarkError(f"a tick advanced {done.runs} runs in place of 1")
    return Spent(commits[0] * 1e3, time.process_time() * 1e3)


def tick_warm(work: Work) -> list[float]:
    """Make ticks in this process; the first is none of the samples."""
    return asyncio.run(_tick_warm(work))


async def _tick_warm(work: Work) -> list[float]:
    samples = []
    async with application(work.setting) as app:
        for _ in range(work.count):
            await app.run(RUN).wake_up()
            begun = time.process_time()
            await app.tick()
            samples.append((time.process_time() - begun) * 1e3)
    return samples[1:]


def check(work: Work) -> None:
    """Fail unless the run has been through its moments."""
    asyncio.run(_check(work))


async def _check(work: Work) -> None:
    async with application(work.setting) as app:
        total = await app.run(RUN).result(timeout=60)
    if total != work.count:
        raise BenchmarkError(f"the run was awake {total} times in place of {work.count}")
