"""A run that goes on and on under a policy that drops its log: what a step costs, and what is kept, early and late."""

from __future__ import annotations

import asyncio
from time import perf_counter

import msgspec

from benchmarks.application import application
from benchmarks.harness import child
from benchmarks.harness.database import file_bytes, fresh
from benchmarks.harness.progress import say
from benchmarks.harness.residence import resident_mib
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from torpor import KeepLog
from torpor.engine.observer import AttemptEnded, only

STEPS = 1_000_000
STEPS_QUICK = 20_000
WINDOW = 1_000
"""Steps that are timed together, behind each place."""

EVENTS_KEPT = 1_000
SECONDS_MAX = 4 * 3_600
MIB = 1024 * 1024


class Place(msgspec.Struct):
    """
    How things stand when so many steps are done.

    Attributes:
        steps: how many.
        began: seconds, by a clock of no meaning.
        per_step: milliseconds, over the window that follows.
        file: MiB of the world's file.
        resident: MiB of this process.
    """

    steps: int
    began: float
    per_step: float = 0
    file: float = 0
    resident: float = 0


def run(setting: Setting) -> list[Row]:
    """Return the cost of a step, the size of the file and the memory at places a tenfold apart, and at the end."""
    rows = Rows("forever", setting)
    with fresh(setting) as place:
        places, total = child.call(measure, place, seconds=SECONDS_MAX)
    for each in places:
        params = {"after": each.steps, "events_kept": EVENTS_KEPT}
        rows.add("per_step", "ms", [each.per_step], params)
        rows.add("file", "MiB", [each.file], params)
        rows.add("resident", "MiB", [each.resident], params)
    rows.add("wall", "s", [total], {"steps": STEPS_QUICK if setting.quick else STEPS})
    return rows.all


def measure(setting: Setting) -> tuple[list[Place], float]:
    """Let one run do all steps."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> tuple[list[Place], float]:
    steps = STEPS_QUICK if setting.quick else STEPS
    wanted = [each for each in (10, 100, 1_000, 10_000, 50_000, 100_000, 300_000) if each < steps] + [steps - WINDOW]
    places: list[Place] = []
    done = 0

    def count(_observation: object) -> None:
        nonlocal done
        done += 1
        if places and not places[-1].per_step and done == places[-1].steps + min(WINDOW, max(10, places[-1].steps)):
            window = done - places[-1].steps
            places[-1].per_step = (perf_counter() - places[-1].began) * 1000 / window
        if len(places) < len(wanted) and done == wanted[len(places)]:
            say(f"forever: {done} of {steps} steps")
            size = (file_bytes(setting) or 0) / MIB
            places.append(Place(done, perf_counter(), file=size, resident=resident_mib()))

    app = application(setting)
    app.keep("sequential", log=KeepLog(events=EVENTS_KEPT))
    async with app, app.worker(observers=[only(count, AttemptEnded)]):
        began = perf_counter()
        assert await (await app.start("sequential", steps)).result() == steps
        return places, perf_counter() - began
