"""An application whose runs carry words that nobody without the key may read: the markers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from torpor import Backoff, FatalError, Torpor

app = Torpor("memory://", root=Path(__file__).parent, keys="")
app.workflows("flows/*.js")

gate = asyncio.Event()
"""Holds the step ``held`` until it is set."""


@app.step
async def echo(words: str) -> str:
    """Return a marker made from another."""
    return words.replace("qGiven", "qReturned")


@app.step(max_retries=1, backoff=Backoff(first=0.01))
async def fails() -> None:
    """Fail twice, with markers in the message and in the line that the traceback shows."""
    raise ValueError("qMessage" + "xK41")


@app.step
async def fatal() -> None:
    """Fail for good."""
    raise FatalError("qFatal" + "xK41")


@app.step
async def held() -> str:
    """Return once the gate is open."""
    await gate.wait()
    return "qHeldxK41"
