"""Steps that have a queue."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.semantics.application import app
from tests.semantics.steps import pass_gate
from torpor import current_step

going_on: Counter[str] = Counter()
"""How many bodies run now, by key; ``""`` for all."""


@app.step(queue="counted", key=lambda key, _n: key)
async def counted(key: str, _n: int) -> int:
    """Return how many bodies of this key were seen at once while this one ran."""
    going_on.update((key, ""))
    try:
        most = 0
        for _ in range(10):
            most = max(most, going_on[key])
            await asyncio.sleep(0.002)
        return most
    finally:
        going_on.subtract((key, ""))


@app.step(queue="weighed", weight=lambda weight: weight)
async def weighed(weight: int) -> int:
    """Weigh half of what was thought."""
    current_step().weighs(weight // 2)
    return weight


@app.step(queue="narrow", schedule_to_start="1h")
async def narrow(gate: str) -> str:
    """Hold a slot until the gate is open."""
    return await pass_gate(gate)
