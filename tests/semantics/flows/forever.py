"""Runs with a long past."""

from __future__ import annotations

from tests.semantics.application import app
from tests.semantics.steps import add
from torpor import hook


@app.workflow
async def many_steps(steps: int, token: str) -> int:
    total = 0
    for half in (1, 2):
        for _ in range(steps):
            total = await add(total, 1)
        await hook(token=f"{token} {half}")
    return total
