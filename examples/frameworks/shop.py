"""
What all these sites have: an order that is charged, approved by whoever knows its webhook, packed, and shipped.

The workflow is ``flows/checkout.js``; its runs are in ``TORPOR_WORLD``, by default ``sqlite:///torpor.db``.
"""

from __future__ import annotations

import os

from torpor import Torpor, get_writable

PORT = int(os.environ.get("PORT", "8000"))

app = Torpor(name="shop", url=f"http://127.0.0.1:{PORT}/torpor")
app.workflows("flows/*.js")


@app.step
async def charge(order: str, cents: int) -> str:
    """Take the money."""
    return f"{order}: {cents} cents, charged by process {os.getpid()}"


@app.step
async def tell(what: dict[str, str]) -> None:
    """Write to the run's stream, which anybody with a token may follow."""
    await get_writable().write(what)


@app.step
async def ship(order: str) -> str:
    """Send it."""
    return f"{order}: shipped by process {os.getpid()}"
