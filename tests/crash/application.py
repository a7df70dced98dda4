"""The application of the crash tests: steps that write each of their executions into a file."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import UTC, datetime
from pathlib import Path

from torpor import Backoff, Torpor, WritableStream, current_step, get_writable, hook, receive, sleep
from torpor.testing.crash import CrashAt

app = Torpor(os.environ.get("TORPOR_WORLD", "memory://"), root=Path(__file__).parent)
app.workflows("flows/*.js")

crash = CrashAt(os.environ.get("CRASH_POINT", ""), int(os.environ.get("CRASH_NTH", "1")))


@app.step(backoff=Backoff(first=0.01))
async def add(a: int, b: int) -> int:
    """Add, and note it."""
    _note("add")
    crash("while a step runs")
    return a + b


@app.step(backoff=Backoff(first=0.01))
def flaky(value: int) -> int:
    """Fail the first time."""
    _note("flaky")
    if current_step().attempt == 1:
        raise ConnectionError("the first attempt always fails")
    return value


@app.step(effect="once")
async def charge(cents: int, seconds: float) -> int:
    """Charge, which must not happen twice, and take so long."""
    _note("charge")
    await asyncio.sleep(seconds)
    crash("while a step runs")
    return cents


@app.workflow
async def charges_in_python(seconds: float) -> int:
    """Do what ``charges`` of flows/once.js does."""
    return await charge(1000, seconds) + await add(1, 1)


@app.workflow
async def reserves_in_python(token: str) -> None:
    """Do what ``reserves`` of flows/once.js does."""
    try:
        await hook(token)
    finally:
        await add(await add(1, 1), 1)


@app.step(backoff=Backoff(first=0.01))
async def tell(writable: WritableStream, count: int) -> int:
    """Write numbers, some of them at once, and close."""
    for n in range(count):
        writable.write(n)
        crash("while a stream is written")
        if n % 7 == 0:
            await writable.flush()
    await writable.close()
    _note("tell")
    return count


@app.workflow
async def telling_in_python(count: int) -> int:
    """Do what ``telling`` of flows/telling.js does."""
    return await tell(get_writable(), count)


@app.workflow
async def mixed_in_python(token: str) -> dict[str, object]:
    """Do what ``mixed`` of flows/mixed.js does."""
    live = hook(token)
    total = 0
    drawn = []
    for i in range(1, 5):
        total = await add(total, i)
        drawn.append(random.random())
    async with asyncio.TaskGroup() as group:
        parts = [group.create_task(add(n, 10)) for n in range(1, 6)]
    await sleep(0.02)
    total += await flaky(sum(part.result() for part in parts))
    racers = {asyncio.ensure_future(asyncio.sleep(0.005, "timer")), asyncio.ensure_future(add(1, 1))}
    done, _ = await asyncio.wait(racers, return_when=asyncio.FIRST_COMPLETED)
    winner = {str: "string", int: "number"}[type(done.pop().result())]
    payload = await live
    async with asyncio.timeout(60):
        await asyncio.sleep(0.01)
    total = await add(total, payload["extra"])
    return {"total": total, "winner": winner, "drawn": drawn, "at": datetime.now(UTC).timestamp() > 0}


@app.workflow
async def collecting_in_python() -> list[int]:
    """Do what ``collecting`` of flows/collecting.js does."""
    seen = []
    while (message := await receive("work")) != "stop":
        seen.append(message)
        if message % 3 == 0:
            await add(message, 1)
        if message % 7 == 0:
            await sleep(0.001)
    return seen


def _note(name: str) -> None:
    """Append one line; a single small write to an O_APPEND file is whole even when the process dies after it."""
    step = current_step()
    line = f"{step.run_id} {step.step_id} {name} {step.attempt}\n"
    file = os.open(os.environ["CRASH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(file, line.encode())
    os.close(file)
