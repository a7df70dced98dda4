"""
A run with a long past waits on a hook; resume it, and it does one more step and returns.

*Warm*: the worker has had other runs of this program. *Cold*: the worker is a fresh process that has had none; compiled
code is in the cache on disk, as after the first start on a machine. Each sample is a run of its own. Cold samples need
none to warm up: the process that parked the runs has left the disk's caches warm, and nothing else is kept.
"""

from __future__ import annotations

import asyncio
import statistics
import time

import msgspec

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.parked import wait_parked
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import RUNTIMES, Setting
from benchmarks.harness.stopwatch import finished, timed_ms
from torpor.model import Runtime

PAST_STEPS = (10, 100, 1_000, 10_000)
PAST_STEPS_QUICK = (10, 100)


class Work(msgspec.Struct, frozen=True):
    """What a process is to do: runs with this past, or the one run that waits for this token."""

    setting: Setting
    past_steps: int
    token: str = ""


class Woken(msgspec.Struct, frozen=True):
    """Of a fresh process: milliseconds from worker ready to result, and when that was on the machine's clock."""

    cold_ms: float
    ended_at: float


def run(setting: Setting) -> list[Row]:
    """Return ``warm``, ``cold`` and ``cold_spawn`` for each past and runtime, and how they grow with the past."""
    rows = Rows("resume", setting)
    for runtime in [setting.runtime] if setting.runtime else RUNTIMES:
        firsts: dict[str, float] = {}
        for past_steps in PAST_STEPS_QUICK if setting.quick else PAST_STEPS:
            say(f"resume: {runtime}, {past_steps} past steps")
            found = _measure(setting, runtime, past_steps)
            for name, samples in found.items():
                rows.add(name, "ms", samples, {"past_steps": past_steps}, runtime=runtime)
            for name in ("warm", "cold"):
                if name not in found:
                    continue
                median = statistics.median(found[name])
                first = firsts.setdefault(name, median)
                if past_steps != PAST_STEPS[0]:
                    to = {"past_steps": past_steps, "to_past_steps": PAST_STEPS[0]}
                    rows.add(f"{name}_ratio", "ratio", [median / first], to, runtime=runtime)
    return rows.all


def _measure(setting: Setting, runtime: Runtime, past_steps: int) -> dict[str, list[float]]:
    with fresh(msgspec.structs.replace(setting, runtime=runtime)) as place:
        found = {"warm": child.call(warm, Work(place, past_steps))}
        if setting.scheme == "memory":
            say("resume: no cold samples, a world in memory ends with its process")
            return found
        cold, spawn = [], []
        for number in range(setting.samples):
            begun = time.monotonic()
            woken = child.call(wake, Work(place, past_steps, _token("cold", number)))
            cold.append(woken.cold_ms)
            spawn.append((woken.ended_at - begun) * 1000)
    return found | {"cold": cold, "cold_spawn": spawn}


def warm(work: Work) -> list[float]:
    """Park the runs for warm and cold samples alike, and wake the warm ones."""
    return asyncio.run(_warm(work))


async def _warm(work: Work) -> list[float]:
    warm_tokens = [_token("warm", number) for number in range(1 + work.setting.samples)]
    cold_tokens = [_token("cold", number) for number in range(work.setting.samples)]
    tokens = warm_tokens if work.setting.scheme == "memory" else warm_tokens + cold_tokens
    async with working(work.setting) as app:
        await asyncio.gather(*(app.start("waiting", work.past_steps, token) for token in tokens))
        await wait_parked(app, tokens)
        expect = work.past_steps + 1
        samples = [await timed_ms(finished(app.resume_hook(token, 1), expect)) for token in warm_tokens]
    return samples[1:]


def wake(work: Work) -> Woken:
    """Wake one run in this fresh process."""
    return asyncio.run(_wake(work))


async def _wake(work: Work) -> Woken:
    async with working(work.setting) as app:
        elapsed = await timed_ms(finished(app.resume_hook(work.token, 1), work.past_steps + 1))
        return Woken(elapsed, time.monotonic())


def _token(kind: str, number: int) -> str:
    return f"{kind}-{number}"
