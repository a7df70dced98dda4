"""A workflow awaits trivial steps one after another."""

from __future__ import annotations

import asyncio
import statistics

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.commits import counted
from benchmarks.harness.costs import raw_commits, spent
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from benchmarks.throughput import settle

STEPS = (1, 10, 50, 200, 1_000)
STEPS_QUICK = (1, 10, 50, 200)
SLOPE = (50, 200)

Walls = dict[int, list[float]]


def run(setting: Setting) -> list[Row]:
    """Return ``wall`` for each number of steps, what one more step costs, and how many commits it makes."""
    rows = Rows("sequential", setting)
    with fresh(setting) as place:
        child.call(settle, place)
        raw = raw_commits(place)
        with spent(place) as costs:
            walls = child.call(measure, place)
        raw += raw_commits(place)
    for steps, samples in walls.items():
        rows.add("wall", "ms", samples, {"steps": steps, "processes": setting.processes})
    few, many = SLOPE
    slopes = [(b - a) / (many - few) for a, b in zip(walls[few], walls[many], strict=True)]
    rows.add("per_step", "ms", slopes, {"processes": setting.processes})
    if raw:
        rows.add("raw_commit", "ms", raw)
        rows.add("to_raw_commit", "ratio", [slope / statistics.median(raw) for slope in slopes])
    made = sum(_numbers(setting)) * (1 + setting.samples)
    costs.add_to(rows, made, "step", {"processes": setting.processes})
    if setting.scheme == "sqlite" and setting.processes == 1:  # counted in this process
        with fresh(setting) as place:
            rows.add("commits_per_step", "commits", child.call(count_commits, place))
    return rows.all


def _numbers(setting: Setting) -> tuple[int, ...]:
    return STEPS_QUICK if setting.quick else STEPS


def measure(setting: Setting) -> Walls:
    """Run each number of steps once a round, so that neighbours in time are compared."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Walls:
    numbers = _numbers(setting)
    walls: Walls = {steps: [] for steps in numbers}
    async with working(setting) as app:
        for steps in numbers:
            await finished(app.start("sequential", steps), steps)
        for number in range(setting.samples):
            say(f"sequential: round {number + 1} of {setting.samples}")
            for steps in numbers:
                walls[steps].append(await timed_ms(finished(app.start("sequential", steps), steps)))
    return walls


def count_commits(setting: Setting) -> list[float]:
    """Return how many transactions each further step commits, between the two numbers of steps of the slope."""
    return asyncio.run(_count_commits(setting))


async def _count_commits(setting: Setting) -> list[float]:
    found = []
    with counted() as commits:
        async with working(setting) as app:
            for _ in range(setting.samples):
                totals = []
                for steps in SLOPE:
                    commits.count = 0
                    await finished(app.start("sequential", steps), steps)
                    totals.append(commits.count)
                found.append((totals[1] - totals[0]) / (SLOPE[1] - SLOPE[0]))
    return found
