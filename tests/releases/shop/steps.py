"""
Steps of the shop.

While a release is recorded (``SHOP_RECORDING``), some of them stop where a run is to be caught.
"""

from __future__ import annotations

import asyncio
import os
import signal

from tests.releases.shop.application import app
from torpor import Backoff, FatalError, RetryableError, current_step

DEATHS = 2
"""So many runs are in the step :func:`deadly` when the recorded worker dies."""

_dying: list[str] = []


def recording() -> bool:
    """Return whether runs are to be caught on their way."""
    return "SHOP_RECORDING" in os.environ


@app.step
async def price(item: str) -> int:
    """Return what an item costs, in cents."""
    return 100 * len(item)


@app.step
async def add(a: int, b: int) -> int:
    """Add."""
    return a + b


@app.step
async def out_of_stock(item: str) -> None:
    """Refuse for good."""
    raise FatalError(f"{item} is out of stock")


@app.step(max_retries=1, backoff=Backoff(first=0.01))
async def broken_scale() -> int:
    """Fail twice, which is once too often."""
    raise ValueError("the scale shows nothing")


@app.step
async def closed_until_spring() -> int:
    """Ask for a second attempt a month later, and return its number."""
    attempt = current_step().attempt
    if attempt == 1:
        raise RetryableError("closed until spring", retry_after="30d")
    return attempt


@app.step
async def slow_parcel() -> str:
    """Be on the way for as long as the release is recorded."""
    if recording():
        await asyncio.Event().wait()
    return f"attempt {current_step().attempt}"


@app.step
async def deadly() -> str:
    """Take the worker along once all who shall be caught in it are here."""
    if recording():
        _dying.append(current_step().run_id)
        if len(_dying) == DEATHS:
            os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.Event().wait()
    return f"attempt {current_step().attempt}"
