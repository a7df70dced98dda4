"""The version that is at work."""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor, sleep

app = Torpor(name="rollout", root=Path(__file__).parent)
app.workflows("flows/*.js")


@app.step
async def price(item: int) -> int:
    """Tell what an item costs."""
    return item * 5


@app.step
async def charge(cents: int) -> str:
    """Take the money."""
    return f"{cents} EUR"


@app.workflow
async def order(item: int) -> list[str]:
    """Sleep between two steps, over the deploy for some."""
    cents = await price(item)
    await sleep(item % 7)
    return ["old", await charge(cents)]
