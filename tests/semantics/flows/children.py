"""Runs that start runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add, await_result, spawn
from torpor import RunCancelledError, RunFailedError
from torpor.errors import WorkflowNotRegisteredError


@app.workflow
async def doubled(n: int) -> int:
    return await add(n, n)


@app.workflow
async def failing() -> None:
    raise IndexError("the child failed")


@app.workflow
async def applied(step: Callable[[int, int], Awaitable[int]], a: int, b: int) -> int:
    return await step(a, b)


@app.workflow
async def spawn_from_workflow(n: int) -> dict[str, object]:
    child = await app.start(doubled, n)
    return {"child": child.id, "result": await child.result(), "status": await child.status()}


@app.workflow
async def spawn_by_name(name: str, n: Any) -> Any:
    child = await app.start(name, n)
    return await child.result()


@app.workflow
async def spawn_from_step(name: str, n: Any) -> dict[str, object]:
    child = await spawn(name, n)
    return {"child": child.id, "result": await child.result()}


@app.workflow
async def fibonacci(n: int) -> int:
    if n < 2:
        return n
    children = await asyncio.gather(app.start(fibonacci, n - 1), app.start(fibonacci, n - 2))
    return sum(await asyncio.gather(*(child.result() for child in children)))


@app.workflow
async def child_fails() -> dict[str, str] | None:
    child = await app.start(failing)
    try:
        await child.result()
    except RunFailedError as error:
        return {"error": type(error).__name__, "cause": str(error.__cause__)}
    return None


@app.workflow
async def child_is_cancelled(name: str) -> dict[str, str] | None:
    child = await app.start(name, "1y")
    await child.cancel("the parent changed its mind")
    try:
        await child.result()
    except RunCancelledError as error:
        return {"error": type(error).__name__, "message": str(error), "status": await child.status()}
    return None


@app.workflow
async def child_is_unknown() -> str | None:
    try:
        await app.start("add_eleven")
    except WorkflowNotRegisteredError as error:
        return str(error)
    return None


@app.workflow
async def step_as_start_argument(a: int, b: int) -> int:
    child = await app.start(applied, add, a, b)
    return await child.result()


@app.workflow
async def run_as_argument(n: int) -> list[object]:
    child = await app.start(doubled, n)
    return [await await_result(child), child.id]
