"""Durable timers."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from tests.semantics.application import app
from tests.semantics.steps import add
from torpor import hook, sleep

HOUR = 3_600


def now() -> int:
    """Return the time in epoch milliseconds, as JavaScript tells it."""
    return round(time.time() * 1000)


@app.workflow
async def sleeping(duration: str | float | datetime) -> int:
    before = now()
    await sleep(duration)
    return now() - before


@app.workflow
async def parallel_sleep() -> int:
    before = now()
    await asyncio.gather(*(sleep("1h") for _ in range(10)))
    return now() - before


@app.workflow
async def sleep_in_loop(n: int) -> list[int]:
    gaps = []
    for _ in range(n):
        before = now()
        await asyncio.sleep(HOUR)
        gaps.append(now() - before)
    return gaps


@app.workflow
async def sleep_with_sequential_steps() -> list[object]:
    night = asyncio.create_task(asyncio.sleep(8 * HOUR, "night"))
    order: list[object] = [await add(i, 1) for i in range(3)]
    order.append(await night)
    return order


@app.workflow
async def deadline(token: str) -> str:
    try:
        async with asyncio.timeout(HOUR):
            return str(await hook(token))
    except TimeoutError:
        return "expired"
