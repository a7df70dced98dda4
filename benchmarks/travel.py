"""
Moments of a run's past: the first one of a log of 10 000 events, its neighbours, and a fork from its middle.

``open`` reads the log and leases a VM; ``moment`` is the first one shown by a traveller, the newest, for which the
whole log is replayed; ``forwards`` and ``backwards`` are neighbours of one that was shown; ``fork`` stores a run that
goes on from the middle.
"""

from __future__ import annotations

import asyncio

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from torpor import RunHandle

EVENTS = 10_000
EVENTS_QUICK = 1_000
NEIGHBOURS = 10


class Work(msgspec.Struct, frozen=True):
    """What a process is to do: travel in a run with so many events."""

    setting: Setting
    events: int


def run(setting: Setting) -> list[Row]:
    """Return how long each of them takes."""
    rows = Rows("travel", setting)
    events = EVENTS_QUICK if setting.quick else EVENTS
    say(f"travel: {events} events")
    with fresh(setting) as place:
        found = child.call(measure, Work(place, events))
    for name, samples in found.items():
        rows.add(name, "ms", samples, {"events": events})
    return rows.all


def measure(work: Work) -> dict[str, list[float]]:
    """Make a run, and travel in it."""
    return asyncio.run(_measure(work))


async def _measure(work: Work) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in ("open", "moment", "forwards", "backwards", "fork")}
    steps = work.events // 2
    async with working(work.setting) as app:
        handle = await app.start("sequential", steps)
        await finished(_itself(handle), steps)
    async with app:
        for _ in range(min(work.setting.samples, 5)):
            context = handle.travel()
            traveller = None

            async def enter() -> None:
                nonlocal traveller
                traveller = await context.__aenter__()  # noqa: B023  # awaited in the same round

            found["open"].append(await timed_ms(enter()))
            assert traveller is not None
            try:
                found["moment"].append(await timed_ms(traveller.at(-4)))
                middle = work.events // 2
                await traveller.at(middle)
                for step in range(1, NEIGHBOURS + 1):
                    found["forwards"].append(await timed_ms(traveller.at(middle + step)))
                for step in range(1, NEIGHBOURS + 1):
                    found["backwards"].append(await timed_ms(traveller.at(middle - step)))
            finally:
                await context.__aexit__(None, None, None)
            found["fork"].append(await timed_ms(handle.fork(at=middle)))
    return found


async def _itself(handle: RunHandle) -> RunHandle:
    return handle
