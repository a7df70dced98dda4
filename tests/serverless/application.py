"""
The application of these tests, and of the processes that they start: ``python -m tests.serverless.application URL``.

Such a process makes one tick and prints what it did as JSON. ``TORPOR_TEST_DIES`` names the point at which it dies.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import datetime
from pathlib import Path

import msgspec

from torpor import Torpor, WorkerSettings, sleep
from torpor.engine.failpoints import Failpoint
from torpor.testing.crash import CrashAt
from torpor.ticking import Tick

app = Torpor(
    "memory://", name="moments", root=Path(__file__).parent, settings=WorkerSettings(lease_ms=600, grace_seconds=0.2)
)
woken: list[tuple[datetime, str]] = []


@app.step
async def note(n: int) -> tuple[int, int]:
    """Return the number, and which process has seen it."""
    return n, os.getpid()


@app.step
async def stuck() -> None:
    """Never end."""
    await asyncio.Event().wait()


@app.workflow
async def naps(times: int, seconds: float) -> list[tuple[int, int]]:
    """Take a step, sleep, and so on."""
    seen = []
    for n in range(times):
        seen.append(await note(n))
        await sleep(seconds)
    return seen


@app.workflow
async def waits_long() -> None:
    """Wait for a step that never ends."""
    await stuck()


async def _tick(url: str) -> Tick:
    app.use_world(url)
    if point := os.environ.get("TORPOR_TEST_DIES"):
        async with app, app.worker(observers=[CrashAt(Failpoint(point), 1)]):
            await asyncio.Event().wait()
    async with app:
        return await app.tick()


if __name__ == "__main__":
    sys.modules["application"] = sys.modules["__main__"]  # the workflows' name of this file
    print(msgspec.json.encode(asyncio.run(_tick(sys.argv[1]))).decode())  # noqa: T201  # for the test to read
