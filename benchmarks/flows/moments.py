"""A run of moments: a step, an hour's sleep, and so on."""

from benchmarks.steps import add
from torpor import sleep


async def moments(times: int) -> int:
    """Return how often it was awake."""
    total = 0
    for _ in range(times):
        total = await add(total, 1)
        await sleep("1h")
    return total
