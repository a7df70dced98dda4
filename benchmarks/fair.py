"""What busy neighbours in the same worker cost a trivial run, and how late they make a timer."""

from __future__ import annotations

import asyncio
import time

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from torpor import Torpor

HOT = 16
BURNING = 2
NAP_MS = 200
LOOPS = {"quickjs": 40_000_000, "cpython": 10_000_000}
"""About a second of computing."""

_ROUNDS = 4
_SETTLE_SECONDS = 2.0

Samples = dict[str, list[float]]


class Neighbours(msgspec.Struct, frozen=True):
    """How many busy runs there are beside what is measured, and where."""

    place: Setting
    hot: int
    burning: int

    @property
    def name(self) -> str:
        """What they are called in rows."""
        kinds = {"hot": self.hot, "burning": self.burning}
        return ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count) or "nothing"


def run(setting: Setting) -> list[Row]:
    """Return ``latency`` of a trivial run and ``timer_late``, alone and beside each kind of neighbours."""
    rows = Rows("fair", setting)
    for hot, burning in ((0, 0), (HOT, 0), (0, BURNING), (HOT, BURNING)):
        with fresh(setting) as place:
            neighbours = Neighbours(place, hot, burning)
            say(f"fair: beside {neighbours.name}")
            samples = child.call(measure, neighbours)
        for name, values in samples.items():
            rows.add(name, "ms", values, {"beside": neighbours.name})
    return rows.all


def measure(neighbours: Neighbours) -> Samples:
    """Run trivial runs and naps beside these neighbours, in one process that nothing else needs."""
    return asyncio.run(_measure(neighbours))


async def _measure(beside: Neighbours) -> Samples:
    samples: Samples = {"latency": [], "timer_late": []}
    async with working(beside.place) as app:
        await finished(app.start("sequential", 1), 1)  # what is compiled and loaded once is no neighbour's doing
        await finished(app.start("nap", 1), 1)
        busy = [await app.start("hot") for _ in range(beside.hot)]
        busy += [await app.start("burning", LOOPS[beside.place.guest]) for _ in range(beside.burning)]
        await asyncio.sleep(_SETTLE_SECONDS if busy else 0)
        for _ in range(_ROUNDS * beside.place.samples):
            samples["latency"].append(await timed_ms(finished(app.start("sequential", 1), 1)))
            samples["timer_late"].append(await _lateness(app))
        for run in busy:
            await run.cancel()
    return samples


async def _lateness(app: Torpor) -> float:
    """Return how many milliseconds a run that sleeps ends later than its sleep does, its start and end included."""
    begun = time.perf_counter()
    await finished(app.start("nap", NAP_MS), NAP_MS)
    return (time.perf_counter() - begun) * 1000 - NAP_MS
