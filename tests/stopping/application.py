"""Workflows that compute most of the time, in both languages."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor

app = Torpor("memory://", root=Path(__file__).parent)
app.workflows("flows/*.js")


@app.step
async def one() -> int:
    """Be quick."""
    return 1


@app.workflow
async def burns_in_python(turns: int) -> int:
    """Compute, and pause for a step now and then."""
    total = 0
    for _ in range(turns):
        for n in range(400_000):
            total += n
        total += await one()
    return total
