"""A past of steps, then a wait for somebody, then one step more."""

from benchmarks.steps import add
from torpor import hook


async def waiting(steps: int, token: str) -> int:
    """Return the number of steps and what came."""
    total = 0
    for _ in range(steps):
        total = await add(total, 1)
    return await add(total, await hook(token))
