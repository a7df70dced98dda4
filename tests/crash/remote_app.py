"""The application of workers behind a URL; its steps write down each of their attempts."""

from __future__ import annotations

import os

from torpor import Torpor, WorkerSettings, current_step

app = Torpor(name="ladders", settings=WorkerSettings(lease_ms=3_000, heartbeat_ms=200, grace_seconds=0.2))


@app.step
async def rung(run: str, n: int) -> int:
    """Note the attempt; return the number of the rung."""
    file = os.open(os.environ["CRASH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, f"{run} {n} {current_step().attempt} {os.getpid()}\n".encode())  # a line, whole even if we die here
    os.close(file)
    return n


@app.workflow
async def climbs(run: str, rungs: int) -> list[int]:
    """Take one step after the other."""
    return [await rung(run, n) for n in range(rungs)]
