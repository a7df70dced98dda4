"""
The application of the crash test of queues: steps and runs that take a lock for each slot that their queue has.

The kernel gives a lock back when its process dies, at the same moment. So whoever finds none left has been let in
beside as many as are allowed.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from pathlib import Path

from torpor import Torpor

AT_ONCE = 3
OF_A_KEY = 2
RUNS_AT_ONCE = 4

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("limited_flows/*.js")


@app.step(queue="limited", key=lambda key, _n: key)
async def held(key: str, _n: int) -> str:
    """Hold a lock of all, and one of the key, for a while."""
    mine = [_lock("all", AT_ONCE), _lock(f"key-{key}", OF_A_KEY)]
    await asyncio.sleep(0.02)
    for file in mine:
        os.close(file)
    return key


@app.workflow(queue="runs")
async def holds_in_python(key: str, n: int) -> int:
    """Take some steps at once."""
    return len(await asyncio.gather(*(held(key, i) for i in range(n))))


def _lock(name: str, most: int) -> int:
    folder = Path(os.environ["CRASH_LEDGER"])
    for n in range(most):
        file = os.open(folder / f"{name}-{n}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
        else:
            return file
    (folder / "passed").touch()
    raise AssertionError(f"more than {most} hold {name}")
