"""Workflows that ask for too much."""

from __future__ import annotations

import asyncio

from tests.semantics.application import app
from tests.semantics.steps import add, too_big
from torpor import sleep


@app.workflow
async def behaves(n: int) -> int:
    return await add(n, 1)


@app.workflow
async def spins() -> None:
    await add(1, 1)
    while True:
        pass


@app.workflow
async def hoards() -> None:
    kept = []
    while True:
        kept.append(bytes([1]) * (1 << 20))


@app.workflow
async def floods() -> None:
    await asyncio.gather(*(sleep(1) for _ in range(10_001)))


@app.workflow
async def returns_too_much() -> str:
    return "x" * (17 * 1024 * 1024)


@app.workflow
async def gets_too_much() -> str:
    return await too_big()


@app.workflow
async def returns_function() -> object:
    return {"nested": [lambda: 1]}
