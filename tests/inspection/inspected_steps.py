"""Steps of these tests; the name of the file must not be one of another application in this process."""

from __future__ import annotations

import asyncio

from tests.inspection.application import app


@app.step
async def increment(number: int) -> int:
    """Add one."""
    return number + 1


@app.step
async def dawdle() -> None:
    """Take longer than any test."""
    await asyncio.sleep(3_600)
