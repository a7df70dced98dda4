"""A workflow asks for many trivial steps at once and awaits all of them."""

from __future__ import annotations

import asyncio

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.costs import spent
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from benchmarks.throughput import settle

STEPS = (10, 50, 200)

Walls = dict[int, list[float]]


def run(setting: Setting) -> list[Row]:
    """Return ``wall`` for each number of steps."""
    rows = Rows("fanout", setting)
    with fresh(setting) as place:
        child.call(settle, place)
        with spent(place) as costs:
            walls = child.call(measure, place)
    for steps, samples in walls.items():
        rows.add("wall", "ms", samples, {"steps": steps, "processes": setting.processes})
    costs.add_to(rows, (1 + setting.samples) * sum(STEPS), "step", {"processes": setting.processes})
    return rows.all


def measure(setting: Setting) -> Walls:
    """Run each number of steps once a round."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> Walls:
    walls: Walls = {steps: [] for steps in STEPS}
    async with working(setting) as app:
        for number in range(1 + setting.samples):
            say(f"fanout: round {number} of {setting.samples}")
            for steps in STEPS:
                total = steps * (steps + 1) // 2
                walls[steps].append(await timed_ms(finished(app.start("fanout", steps), total)))
    return {steps: samples[1:] for steps, samples in walls.items()}
