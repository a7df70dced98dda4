"""The population: workflows in two languages, and steps that write each of their executions into a ledger."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

from torpor import Backoff, FatalError, RunHandle, Torpor, current_step, get_writable, hook, sleep

SOON = Backoff(first=0.05, most=0.5)
RETRIES = 60
"""More than a soak can make necessary: what a step meets in a process without memory is no fault of the step."""

app = Torpor("memory://", name="soak", root=Path(__file__).parent)
app.workflows("flows/*.js")


class Ledger:
    """The file of executions. It is opened before anything can go wrong."""

    def __init__(self) -> None:
        self._file = -1

    def open(self, path: Path) -> None:
        """Write to this file from now on."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self) -> None:
        """Append a line about the step that runs here; it is whole even when the process dies after it."""
        step = current_step()
        os.write(self._file, f"{step.run_id} {step.step_id} {step.attempt} {os.getpid()}\n".encode())


ledger = Ledger()


@app.step(backoff=SOON, max_retries=RETRIES)
async def add(a: int, b: int) -> int:
    """Add."""
    ledger.note()
    return a + b


@app.step(backoff=SOON, max_retries=RETRIES)
async def slow(value: int, seconds: float) -> int:
    """Take longer than a turn waits, so that the step is handed over."""
    ledger.note()
    await asyncio.sleep(seconds)
    return value


@app.step(backoff=SOON, max_retries=RETRIES)
def flaky(value: int, times: int) -> int:
    """Fail at the first attempts, in a thread."""
    ledger.note()
    if current_step().attempt <= times:
        raise ConnectionError("not yet")
    return value


@app.step(backoff=SOON, max_retries=RETRIES)
async def tell(count: int) -> int:
    """Write numbers to the run's stream."""
    ledger.note()
    stream = get_writable()
    for number in range(count):
        await stream.write(number)
        await asyncio.sleep(0.01)
    await stream.close()
    return count


@app.step
async def fatal() -> int:
    """Fail for good."""
    ledger.note()
    raise FatalError("no")


@app.workflow
async def seq_py(n: int) -> int:
    """Add one number after another."""
    total = 0
    for i in range(n):
        total = await add(total, i)
    return total


@app.workflow
async def fan_py(n: int) -> list[int]:
    """Add many at once."""
    async with asyncio.TaskGroup() as group:
        parts = [group.create_task(add(i, i)) for i in range(n)]
    return [part.result() for part in parts]


@app.workflow
async def hooked_py(token: str) -> list[int]:
    """Wait for three payloads, one after another."""
    got = []
    for i in range(3):
        payload = await hook(f"{token}:{i}")
        got.append(await add(payload["v"], 1))
    return got


@app.workflow
async def timers_py(ms: list[int]) -> list[int]:
    """Sleep for so long each, all at once."""

    async def one(m: int) -> int:
        await sleep(m / 1000)
        return await add(m, 1)

    return list(await asyncio.gather(*(one(m) for m in ms)))


@app.workflow
async def child_py(n: int) -> int:
    """Sleep for as long as chance says, and double."""
    await sleep(random.uniform(0, 0.5))
    return await add(n, n)


@app.workflow
async def parent_py(n: int) -> list[int]:
    """Start runs and wait for them."""
    runs: list[RunHandle[int]] = [await app.start(child_py, i) for i in range(n)]
    return [await run.result() for run in runs]


@app.workflow
async def retry_py(times: int) -> int:
    """Call steps that fail, that take long and that give up."""
    total = await flaky(5, times) + await slow(7, 0.7)
    try:
        await fatal()
    except FatalError:
        total += 100
    return total


@app.workflow
async def stay_py(token: str) -> str:
    """Wait for what never comes."""
    await add(1, 1)
    return str(await hook(token))


@app.workflow
async def race_py(ms: int) -> int:
    """Sleep; somebody may cancel meanwhile."""
    await sleep(ms / 1000)
    return await add(1, 2)


@app.workflow
async def told_py(count: int) -> int:
    """Write a stream."""
    return await tell(count)
