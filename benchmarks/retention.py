"""
Very many runs that ended long ago, and what it costs to delete them while others run: how many go in a second, and what
a step takes meanwhile.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.costs import spent
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from benchmarks.lists import APP, store_runs
from torpor import Torpor
from torpor.clock import SystemClock
from torpor.engine.pruning import prune
from torpor.model import EndedFilter
from torpor.retention import NAMES_KEPT_MS
from torpor.worlds import open_world

RUNS = 300_000
"""Of these every third has ended."""

RUNS_QUICK = 9_000
STEPS = 20

_BESIDE_SECONDS = 30.0
_BESIDE_SECONDS_QUICK = 5.0


class Measured(msgspec.Struct, frozen=True):
    """
    What was measured.

    Attributes:
        alone, beside: milliseconds of a step, of each sample, without and with pruning.
        deleted: how many runs went.
        per_s: how many in a second.
    """

    alone: list[float]
    beside: list[float]
    deleted: int
    per_s: float


class LaterClock(SystemClock):
    """The machine's clock, after names of what has just ended are kept no longer."""

    def now(self) -> int:
        return super().now() + NAMES_KEPT_MS + 60_000


def run(setting: Setting) -> list[Row]:
    """Return ``per_step`` alone and beside, ``deleted_per_s``, and what a run that goes costs besides."""
    runs = RUNS_QUICK if setting.quick else RUNS
    rows = Rows("retention", setting)
    with fresh(setting) as place:
        child.call(fill, place)
        alone = child.call(measure, place, seconds=3_600)
        with spent(place) as costs:
            deleted = child.call(delete, place)
    params = {"ended": runs // 3}
    rows.add("per_step", "ms", alone.alone, {**params, "beside": "nothing"})
    rows.add("per_step", "ms", alone.beside, {**params, "beside": "pruning"})
    rows.add("deleted_per_s", "1/s", [alone.per_s], {**params, "beside": "steps"})
    costs.add_to(rows, max(1, deleted), "run", params)
    return rows.all


def fill(setting: Setting) -> None:
    """Store the runs."""
    asyncio.run(_fill(setting))


async def _fill(setting: Setting) -> None:
    async with working(setting) as app:
        await store_runs(app, RUNS_QUICK if setting.quick else RUNS)


def measure(setting: Setting) -> Measured:
    """Let steps run, alone and while what has ended goes, in this process."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Measured:
    async with working(setting) as app:
        alone = [await _step_ms(app) for _ in range(1 + 3 * setting.samples)][1:]
        pruning = asyncio.create_task(_prune(setting, _BESIDE_SECONDS_QUICK if setting.quick else _BESIDE_SECONDS))
        beside = []
        while not pruning.done():
            beside.append(await _step_ms(app))
        deleted, seconds = await pruning
    say(f"retention: {deleted} runs went in {seconds:.1f} s")
    return Measured(alone, beside[1:], deleted, deleted / seconds)


def delete(setting: Setting) -> int:
    """Delete for a while with nothing beside, so that what it costs can be counted; return how many runs went."""
    return asyncio.run(_prune(setting, _BESIDE_SECONDS_QUICK))[0]


async def _prune(setting: Setting, seconds: float) -> tuple[int, float]:
    world = open_world(setting.world, LaterClock())
    await world.open()
    gone = 0

    def note(*_: object) -> None:
        nonlocal gone
        gone += 1

    begun = time.perf_counter()
    try:
        async with asyncio.timeout(seconds):
            await prune(world, EndedFilter(0, APP, None, ("cancelled",), limit=200), 0, told=note)
    except TimeoutError:
        pass
    finally:
        await world.close()
    return gone, time.perf_counter() - begun


async def _step_ms(app: Torpor) -> float:
    return await timed_ms(finished(app.start("sequential", STEPS), STEPS)) / STEPS
