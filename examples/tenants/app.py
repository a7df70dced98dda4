"""
A shop that lets a model write programs, and a person decide what they do to the world.

What only looks is a plain step. What does something, ``refund``, starts a run of ours that waits for a person and acts
then; the step of the model's program waits for that run.
"""

from __future__ import annotations

import os
import re

import httpx

from torpor import Torpor, current_step, hook

app = Torpor("memory://", name="shop")

LATE = [
    {"id": "T-1", "cents": 1_900, "days": 9},
    {"id": "T-2", "cents": 4_500, "days": 12},
    {"id": "T-3", "cents": 99_000, "days": 15},
]
LEDGER: list[tuple[str, int]] = []
"""What was paid out."""

_FENCE = re.compile(r"```python\n(.*?)```", re.DOTALL)


@app.step
async def late_orders() -> list[dict[str, object]]:
    """Return the orders that came late."""
    return LATE


@app.step
async def thank(order: str) -> None:
    """Write to the customer; that needs nobody's word."""


@app.step
async def pay_out(order: str, cents: int) -> None:
    """Pay a customer back. No program of a model may call this."""
    LEDGER.append((order, cents))


@app.workflow
async def approved_refund(order: str, cents: int) -> str:
    """Refund once a person has said yes, to this order and this sum."""
    async with hook(f"approve-{order}", metadata={"order": order, "cents": cents}) as approval:
        if not await approval:
            return "declined"
    await pay_out(order, cents)
    return "refunded"


@app.step
async def refund(order: str, cents: int) -> str:
    """Ask a person, and refund if the answer is yes; tried again it asks nobody twice."""
    late = {each["id"]: each["cents"] for each in LATE}
    if late.get(order) != cents:
        return f"order {order} is not late, or did not cost {cents}"
    run = await app.start(approved_refund, order, cents, run_id=f"refund-{current_step().step_id}")
    return await run.result()


async def write_program(task: str) -> str:
    """Let the model at ``MODEL_URL`` write a program for a task, and return its text."""
    request = {
        "model": "writer-1",
        "messages": [
            {"role": "system", "content": "Write a workflow in Python. From steps import late_orders, refund, thank."},
            {"role": "user", "content": task},
        ],
    }
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(f"{os.environ['MODEL_URL']}/chat/completions", json=request)
    answer.raise_for_status()
    found = _FENCE.search(answer.json()["choices"][0]["message"]["content"])
    if found is None:
        raise ValueError("the model wrote no program")
    return found[1]
