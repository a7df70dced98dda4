"""Runs that fail, and are taken up again."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add, pass_gate, pay
from torpor import StepError, hook, set_status, sleep


@app.workflow
async def paying(name: str) -> list[Any]:
    before = await add(1, 1)
    print("before")
    paid = await pay(name)
    print("after")
    return [before, paid, await add(before, 1)]


@app.workflow
async def paying_with_cleanup(name: str) -> list[Any]:
    done: list[Any] = []
    try:
        done.append(await pay(name))
    except Exception:
        set_status("failing")
        await sleep(0.01)
        done.append(await add(10, 10))
        raise
    return [*done, await add(1, 1)]


@app.workflow
async def paying_inside(name: str) -> list[Any]:
    async with asyncio.timeout(3600), hook(f"inside-{name}") as inside:
        paid = await pay(name)
        return [paid, await inside]


@app.workflow
async def paying_beside(name: str) -> list[Any]:
    outside = hook(f"beside-{name}")
    other = asyncio.create_task(pass_gate(name))
    paid = await pay(name)
    return [paid, await other, await outside]


@app.workflow
async def failing_of_itself(name: str) -> None:
    await add(1, 1)
    raise KeyError(name)


@app.workflow
async def paying_twice(name: str) -> list[str]:
    first = await pay(f"{name}-1")
    await sleep("1h")
    return [first, await pay(f"{name}-2")]


@app.workflow
async def surviving(name: str) -> str:
    try:
        return await pay(name)
    except (StepError, ConnectionError):
        pass
    await add(1, 1)
    raise LookupError("its own mistake")
