"""Steps of the engine's tests."""

from __future__ import annotations

import asyncio
import random

from tests.engine.application import app
from torpor import Backoff, current_step

QUICKLY = Backoff(first=0.01)


@app.step
async def add(a: float, b: float) -> float:
    """Add."""
    return a + b


@app.step
async def slow(ms: int) -> str:
    """Take a while."""
    await asyncio.sleep(ms / 1000)
    return "done"


@app.step(name="slowOnce", timeout=0.05, backoff=QUICKLY)
async def slow_once() -> int:
    """Pass the timeout at the first attempt."""
    if current_step().attempt == 1:
        await asyncio.sleep(60)
    return current_step().attempt


@app.step(name="lengthOf")
async def length_of(text: str) -> int:
    """Tell how long a text is."""
    return len(text)


def text_of_size(size: int, seed: int = 0) -> str:
    """Return a text of a size that cannot be made smaller by much."""
    return random.Random(seed).randbytes(size // 2).hex()  # noise


@app.step(name="textOf")
async def text_of(size: int, seed: int) -> str:
    """Return a text of a size."""
    return text_of_size(size, seed)
