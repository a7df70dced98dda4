"""Trivial steps, all at once."""

import asyncio

from benchmarks.steps import add


async def fanout(steps: int) -> int:
    """Return the sum of the sums."""
    return sum(await asyncio.gather(*(add(i, 1) for i in range(steps))))
