"""What goes on in queues with limits."""

from __future__ import annotations

import asyncio

from tests.semantics.application import app
from tests.semantics.queued_steps import counted, narrow, weighed
from torpor import StepError, hook


@app.workflow
async def many_counted(key: str, n: int) -> int:
    """Take so many steps at once, and return how many of them were ever seen at the same time."""
    return max(await asyncio.gather(*(counted(key, i) for i in range(n))))


@app.workflow
async def weighing(weights: list[int]) -> list[int]:
    """Take steps that weigh so much, one after the other."""
    return [await weighed(weight) for weight in weights]


@app.workflow
async def waits_in_a_queue(token: str) -> str:
    """Hold a slot until somebody says what to return."""
    return str(await hook(token))


@app.workflow
async def starts_in_a_queue(token: str, name: str, key: str) -> str:
    """Start a child in a queue, and return its id."""
    child = await app.start("waits_in_a_queue", token, queue=name, queue_key=key)
    return child.id


@app.workflow
async def waits_too_long(gate: str) -> list[str]:
    """Take two steps, and return what they return, or why they fail."""

    async def said() -> str:
        try:
            return await narrow(gate)
        except StepError as error:
            return f"{error.attempts} {type(error.__cause__).__name__} {error}"

    return list(await asyncio.gather(said(), said()))
