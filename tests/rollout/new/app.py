"""
The version that comes: a step has a new name, one takes more, one is new, and so is a workflow that orders start.

Its ``price`` still takes what the old version passes; the old one's does not take what this version passes.
"""

from __future__ import annotations

from pathlib import Path

from torpor import Torpor, sleep

app = Torpor(name="rollout", root=Path(__file__).parent)
app.workflows("flows/*.js")


@app.step
async def price(item: int, discount: int = 0) -> int:
    """Tell what an item costs."""
    return item * 5 - discount


@app.step(renamed=["charge"])
async def charge_card(cents: int, *, currency: str = "EUR") -> str:
    """Take the money."""
    return f"{cents} {currency}"


@app.step
async def mail(text: str) -> str:
    """Send a letter."""
    return f"mailed {text}"


@app.workflow
async def thank(item: int) -> str:
    """Say thanks."""
    return await mail(f"thanks for {item}")


@app.workflow
async def order(item: int) -> list[str]:
    """Ask for all that is new, with sleeps between."""
    cents = await price(item, discount=1)
    await sleep(item % 3)
    receipt = await charge_card(cents, currency="USD")
    child = await app.start(thank, item)
    return ["new", receipt, await child.result()]
