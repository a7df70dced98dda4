"""
A run that lives in a process for each of its moments: a step, then an hour's sleep, which the benchmark ends.

*Cold*: a fresh process makes one tick; processor time from the start of the interpreter to its first commit of the run,
and to its end. *Warm*: one process makes ticks one after the other, as functions do that are asked again; processor
time of a whole tick. Each figure is a process's own, all threads together.
"""

from __future__ import annotations

from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.installed import installed
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.ticks import Work, check, start, tick_cold, tick_warm

_MOMENTS, _MOMENTS_QUICK = 100, 10


def run(setting: Setting) -> list[Row]:
    """Return the rows; fails when the run did not go through all its moments."""
    rows = Rows("serverless", setting)
    moments = _MOMENTS_QUICK if setting.quick else _MOMENTS
    with fresh(setting) as place, installed() as environment:
        child.call(start, Work(place, 2 * moments + 1))
        child.call(tick_cold, Work(place, 1), environment=environment)  # writes the byte code
        cold = []
        for number in range(moments):
            say(f"serverless: {number + 1} of {moments} processes")
            cold.append(child.call(tick_cold, Work(place, 1), environment=environment))
        warm = child.call(tick_warm, Work(place, moments), environment=environment)
        child.call(check, Work(place, 2 * moments + 1))
    rows.add("cold_first_commit", "ms", [each.first_commit for each in cold])
    rows.add("cold_tick", "ms", [each.tick for each in cold])
    rows.add("warm_tick", "ms", warm)
    return rows.all
