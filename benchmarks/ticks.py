"""
What the processes of the benchmark ``serverless`` do, and no more: what they import is a function's own, too.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from benchmarks.application import application
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.setting import Setting

RUN = "moments"


class Work(msgspec.Struct, frozen=True):
    """What a process is to do: so many ticks; or to start the run, whose moments are so many."""

    setting: Setting
    count: int


class Spent(msgspec.Struct, frozen=True):
    """Milliseconds of processor time since the interpreter began: at the first commit, and at the end of the tick."""

    first_commit: float
    tick: float


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
