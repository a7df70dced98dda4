"""Trivial steps, one after another."""

from benchmarks.steps import add


async def sequential(steps: int) -> int:
    """Return the number of steps."""
    total = 0
    for _ in range(steps):
        total = await add(total, 1)
    return total
