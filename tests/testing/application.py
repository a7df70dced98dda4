"""An application whose tests these tests write."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from torpor import Torpor, hook, receive, sleep

app = Torpor("memory://")


@dataclass
class Order:
    """What is paid."""

    id: str
    cents: int


@app.step(max_retries=2, timeout="10s")
async def pay(order: Order) -> str:
    """Pay."""
    return f"really paid {order.cents}"


@app.step
def note(text: str) -> str:
    """Write down, in a thread."""
    return f"noted {text}"


@app.step
async def nap_in_a_child() -> str:
    """Start a run and wait for it."""
    return await (await app.start(nap, "a child")).result()


@app.workflow
async def nap(who: str) -> str:
    """Sleep for a month."""
    await sleep("30d")
    return f"{who} slept"


@app.workflow
async def naps(count: int) -> int:
    """Sleep day by day."""
    for _ in range(count):
        await sleep("1d")
    return count


@app.workflow
async def reads() -> str:
    """Wait for a message."""
    return f"read {await receive('letter', str)}"


@app.workflow
async def parent() -> str:
    """Wait for a step that waits for a run."""
    return await nap_in_a_child()


@app.workflow
async def buy(order_id: str) -> str:
    """Pay, and wait a day for an approval."""
    receipt = await pay(Order(order_id, 42))
    async with hook(token=f"approve-{order_id}") as approval:
        try:
            async with asyncio.timeout(86_400):
                answer = await approval
        except TimeoutError:
            answer = "nobody"
    return await note(f"{receipt}, approved by {answer}")
