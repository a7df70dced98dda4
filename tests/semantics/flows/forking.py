"""Runs that are forked."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.semantics.application import app
from tests.semantics.steps import add, pass_gate
from torpor import current_workflow, fork, forks, hook, sleep


@app.workflow
async def forkable(n: int) -> dict[str, Any]:
    before = current_workflow().id
    drawn = [random.random()]
    first = await add(n, 1)
    print("first", first)
    waits = hook(metadata="which")
    tokens = [waits.token]
    got = await waits
    drawn.append(random.random())
    tokens.append(waits.token)
    await add(1, 1)
    ids = [before, current_workflow().id]
    return {"first": first, "got": got, "ids": ids, "drawn": drawn, "tokens": tokens}


@app.workflow
async def forkable_beside(name: str) -> list[Any]:
    passed = asyncio.create_task(pass_gate(name))
    slept = asyncio.create_task(sleep("1h"))
    first = await add(1, 1)
    await slept
    return [first, await passed]


@app.workflow
async def searching() -> list[Any]:
    first = await add(1, 1)
    index = await fork(2)
    found = await add(first, index)
    others = [await run.result() for run in forks()]
    return [index, found, len(others), *others]
