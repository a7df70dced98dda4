"""Sequential steps that each take and return 10 KB of text."""

from __future__ import annotations

import asyncio
import base64
import random

from benchmarks.application import working
from benchmarks.harness import child
from benchmarks.harness.database import fresh
from benchmarks.harness.progress import say
from benchmarks.harness.rows import Row, Rows
from benchmarks.harness.setting import Setting
from benchmarks.harness.stopwatch import finished, timed_ms

STEPS = 50
BYTES = 10_240


def run(setting: Setting) -> list[Row]:
    """Return ``wall``."""
    rows = Rows("payload", setting)
    with fresh(setting) as place:
        rows.add(
            "wall", "ms", child.call(measure, place), {"steps": STEPS, "bytes": BYTES, "processes": setting.processes}
        )
    return rows.all


def measure(setting: Setting) -> list[float]:
    """Return the milliseconds of each sample."""
    return asyncio.run(_measure(setting))


async def _measure(setting: Setting) -> list[float]:
    walls = []
    async with working(setting) as app:
        for number in range(1 + setting.samples):
            say(f"payload: round {number} of {setting.samples}")
            text = _text(number)
            walls.append(await timed_ms(finished(app.start("payload", STEPS, text), text)))
    return walls[1:]


def _text(number: int) -> str:
    """Return base64 of random bytes: text that compression can do little about."""
    noise = random.Random(number).randbytes(BYTES * 3 // 4)  # noqa: S311  # a benchmark's data, no secret
    return base64.b64encode(noise).decode()
