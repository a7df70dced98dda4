"""
A step writes a stream, and a reader follows it: in the worker's process, or in another one.

The step begins when the reader has said, by a stream of its own, that it is there. Each chunk begins with the time at
which it was written, by a clock that all processes of the machine share. Rates go from the first chunk's time to the
arrival of the last one; lags are of chunks that are written one by one, with a pause between.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Final, Literal

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.child import BenchmarkError
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.steps import READY, written_at
from torpor import Client, RunHandle, Torpor
from torpor.errors import RunNotFoundError
from torpor.worlds import open_world

MIB: Final = 1 << 20

Where = Literal["same", "other"]


class Load(msgspec.Struct, frozen=True):
    """What is written: so many chunks of so many bytes, with a pause in seconds between two."""

    chunks: int
    size: int
    pause: float = 0


SMALL, LARGE, PACED = Load(10_000, 100), Load(100, MIB), Load(200, 100, 0.005)
SMALL_QUICK, LARGE_QUICK, PACED_QUICK = Load(1_000, 100), Load(10, MIB), Load(40, 100, 0.005)


class Work(msgspec.Struct, frozen=True):
    """What the two processes are to do: with which load, and where the reader is."""

    setting: Setting
    load: Load
    reader: Where


class Reading(msgspec.Struct, frozen=True):
    """Which run's stream a process is to follow, and what it has to find there."""

    setting: Setting
    run_id: str
    load: Load


class Seen(msgspec.Struct, frozen=True):
    """What a reader saw: seconds from the first chunk's time to the last one's arrival, and each one's lag."""

    seconds: float
    lags: list[float]


def run(setting: Setting) -> list[Row]:
    """Return ``chunks_per_s``, ``mib_per_s`` and ``lag`` of readers in the same process and in another one."""
    rows = Rows("streams", setting)
    small, large, paced = (SMALL_QUICK, LARGE_QUICK, PACED_QUICK) if setting.quick else (SMALL, LARGE, PACED)
    places: tuple[Where, ...] = ("same",) if setting.scheme == "memory" else ("same", "other")
    for reader in places:
        for load in (small, large, paced):
            say(f"streams: {load.chunks} chunks of {load.size} bytes, a reader in the {reader} process")
            with fresh(setting) as place:
                seen = child.call(measure, Work(place, load, reader))
            about = {"reader": reader, "chunks": load.chunks, "bytes": load.size}
            if load is paced:
                rows.add("lag", "ms", [1000 * statistics.median(each.lags) for each in seen], about)
                rows.add("lag_worst", "ms", [1000 * max(each.lags) for each in seen], about)
            elif load is small:
                rows.add("chunks_per_s", "1/s", [load.chunks / each.seconds for each in seen], about)
            else:
                rows.add("mib_per_s", "MiB/s", [load.chunks * load.size / MIB / each.seconds for each in seen], about)
    return rows.all


def measure(work: Work) -> list[Seen]:
    """Return what the reader saw of each sample."""
    return asyncio.run(_measure(work))


def read(reading: Reading) -> Seen:
    """Follow a stream in this fresh process."""
    return asyncio.run(_read(reading))


async def _measure(work: Work) -> list[Seen]:
    async with working(work.setting) as app:
        samples = [await _sample(app, work, f"sample-{n}") for n in range(1 + work.setting.samples)]
    return samples[1:]


async def _sample(app: Torpor, work: Work, run_id: str) -> Seen:
    load = work.load
    reading = Reading(work.setting, run_id, load)
    if work.reader == "same":
        following = asyncio.create_task(_follow(app.run(run_id), load))
    else:
        following = asyncio.create_task(asyncio.to_thread(child.call, read, reading))
    run = await app.start("streaming", load.chunks, load.size, load.pause, run_id=run_id)
    seen = await following
    if await run.result() != load.chunks:
        raise BenchmarkError(f"run {run_id} returned something else than the number of chunks; its time means nothing")
    return seen


async def _read(reading: Reading) -> Seen:
    world = open_world(reading.setting.world)
    await world.open()
    try:
        return await _follow(Client(world).run(reading.run_id), reading.load)
    finally:
        await world.close()


async def _follow(run: RunHandle, load: Load) -> Seen:
    await _there(run)
    await run.writable(READY).close()
    first, lags = 0.0, []
    async for chunk in run.stream(until="close"):
        written = written_at(chunk)
        lags.append(time.monotonic() - written)
        first = first or written
    seconds = time.monotonic() - first
    if len(lags) != load.chunks:
        raise BenchmarkError(f"{len(lags)} of {load.chunks} chunks were read; their time means nothing")
    return Seen(seconds, lags)


async def _there(run: RunHandle) -> None:
    while True:
        try:
            await run.status()
            return
        except RunNotFoundError:
            await asyncio.sleep(0.001)
