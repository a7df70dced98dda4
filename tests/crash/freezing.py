"""
A worker that tests freeze, kill or cut off: ``python -m tests.crash.freezing URL LEDGER [MACHINE]``. Its steps note
each of their attempts. With a machine it seems to be on another one, and its lease is longer than any test.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

from torpor import Torpor, WorkerSettings, current_step
from torpor.engine import liveness

LEASE_MS = 600
FAR_AWAY = WorkerSettings(lease_ms=600_000, heartbeat_ms=500, grace_seconds=0.2)

app = Torpor(
    "memory://",
    root=Path(__file__).parent,
    settings=WorkerSettings(lease_ms=LEASE_MS, heartbeat_ms=50, grace_seconds=0.2),
)
app.workflows("frozen_flows/frozen.js")


@app.step
async def held(gate: str) -> int:
    """Wait until there is a file; return which process has waited."""
    _note()
    while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240  # nobody tells of files
        await asyncio.sleep(0.01)
    return os.getpid()


@app.step
async def hangs(seconds: float) -> int:
    """Hold the whole process up; return the number of the attempt."""
    _note()
    time.sleep(seconds)  # noqa: ASYNC251  # that is the point
    return current_step().attempt


def _note() -> None:
    """Append a line, which is whole even when the process dies after it."""
    file = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{current_step().attempt} {os.getpid()}\n".encode())
    os.close(file)


async def _work(url: str, machine: str = "") -> None:
    if machine:
        liveness.machine = lambda: machine  # type: ignore[assignment]  # the point of it
        app.settings = FAR_AWAY
    app.use_world(url)
    async with app, app.worker():
        await asyncio.Event().wait()


if __name__ == "__main__":
    sys.modules["freezing"] = sys.modules["__main__"]  # the workflows' name of this file
    asyncio.run(_work(sys.argv[1], *sys.argv[3:]))
