"""
Very many parked runs, each with a timer a year ahead and a hook, and what they cost: bytes on disk, memory, and time
when some of them wake.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.costs import spent
from benchmarks.harness.database import file_bytes, fresh
from benchmarks.harness.parked import wait_parked
from benchmarks.harness.progress import say
from benchmarks.harness.residence import resident_mib
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from torpor import Torpor

RUNS = 100_000
RUNS_QUICK = 1_000
WOKEN = 100

_BATCH = 500
_PARKING_SECONDS_MAX = 600


class Parked(msgspec.Struct, frozen=True):
    """
    What the parked runs cost.

    Attributes:
        runs: how many were parked; fewer than asked for when parking took too long.
        runs_per_s: how quickly they were started and parked.
        rss_growth: MiB of memory that the process has gained by it.
        all_runs: how many were parked with those before the clock was started.
    """

    runs: int
    runs_per_s: float
    rss_growth: float
    all_runs: int


def run(setting: Setting) -> list[Row]:
    """
    Return ``bytes_per_run`` (of SQLite and Postgres), ``rss_growth``, ``wake_100`` and ``parked_per_s``, and what a run
    costs besides.
    """
    rows = Rows("idle", setting)
    with fresh(setting) as place:
        child.call(settle, place)
        before = file_bytes(place)
        with spent(place) as costs:
            parked = child.call(measure, place)
        after = file_bytes(place)
        walls = child.call(measure_waking, place)
    params = {"runs": parked.runs}
    if before is not None and after is not None:
        rows.add("bytes_per_run", "bytes", [(after - before) / parked.all_runs], params)
    rows.add("rss_growth", "MiB", [parked.rss_growth], params)
    rows.add(f"wake_{WOKEN}", "ms", walls, params)
    rows.add("parked_per_s", "1/s", [parked.runs_per_s], params)
    costs.add_to(rows, parked.all_runs, "run", params)
    return rows.all


def settle(setting: Setting) -> None:
    """Make the database and park one batch, so that what is stored once is not counted as a run's."""
    asyncio.run(_settle(setting))


async def _settle(setting: Setting) -> None:
    async with working(setting) as app:
        await _park(app, [f"settle-{number}" for number in range(_BATCH)])


def measure(setting: Setting) -> Parked:
    """Park the runs, in this process."""
    return asyncio.run(_measure(setting))


def measure_waking(setting: Setting) -> list[float]:
    """Return how many milliseconds it takes until some of the parked runs have ended, once for each sample."""
    return asyncio.run(_measure_waking(setting))


async def _measure(setting: Setting) -> Parked:
    wanted = RUNS_QUICK if setting.quick else RUNS
    async with working(setting) as app:
        await _park(app, [f"first-{number}" for number in range(_BATCH)])
        before = resident_mib()
        begun = time.perf_counter()
        parked = 0
        for batch in _batches(wanted):
            await _park(app, [f"run-{number}" for number in batch])
            parked += len(batch)
            elapsed = time.perf_counter() - begun
            if parked % (20 * _BATCH) == 0:
                say(f"idle: {parked} of {wanted} runs are parked after {elapsed:.0f} s")
            if elapsed > _PARKING_SECONDS_MAX:
                say(f"idle: {parked} runs must do, parking took longer than {_PARKING_SECONDS_MAX} s")
                break
        elapsed = time.perf_counter() - begun
        growth = resident_mib() - before
    return Parked(parked, parked / elapsed, growth, parked + _BATCH)


async def _measure_waking(setting: Setting) -> list[float]:
    firsts = range(0, (1 + setting.samples) * WOKEN, WOKEN)
    async with working(setting) as app:
        walls = [await _wake(app, range(first, first + WOKEN)) for first in firsts]
    return walls[1:]


async def _park(app: Torpor, tokens: list[str]) -> None:
    await asyncio.gather(*(app.start("idle", token) for token in tokens))
    await wait_parked(app, tokens)


async def _wake(app: Torpor, numbers: range) -> float:
    """Wake runs all at once and return how many milliseconds it takes until all of them have ended."""
    woken = (finished(app.resume_hook(f"run-{number}", number), number) for number in numbers)
    return await timed_ms(asyncio.gather(*woken))


def _batches(wanted: int) -> Iterator[range]:
    for first in range(0, wanted, _BATCH):
        yield range(first, min(first + _BATCH, wanted))
