"""Steps of the engine's tests."""

from __future__ import annotations

import asyncio
import threading
import time

from tests.engine.application import app
from torpor import Backoff, FatalError, RetryableError, current_step

QUICKLY = Backoff(first=0.01)


@app.step
async def add(a: float, b: float) -> float:
    """Add."""
    return a + b


@app.step
async def greet(name: str) -> str:
    """Return the name."""
    return name


@app.step(backoff=QUICKLY)
async def unstable() -> int:
    """Succeed at the third attempt."""
    if current_step().attempt < 3:
        raise ConnectionError("not yet")
    return current_step().attempt


@app.step(max_retries=1, backoff=QUICKLY)
async def fails() -> None:
    """Never succeed."""
    raise ValueError("cannot")


@app.step
async def fatal() -> None:
    """Fail for good."""
    raise FatalError("for good")


@app.step(backoff=Backoff(first=60))
async def later() -> int:
    """Ask for a retry in 50 ms instead of the backoff's minute."""
    if current_step().attempt == 1:
        raise RetryableError("wait a little", retry_after=0.05)
    return current_step().attempt


@app.step(name="pickyThread")
def picky_thread(n: int) -> str:
    """Run in a thread, with the step's context."""
    assert threading.current_thread() is not threading.main_thread()
    return f"{current_step().attempt} {n + 1}"


@app.step
async def slow(ms: int) -> str:
    """Take a while."""
    await asyncio.sleep(ms / 1000)
    return "done"


@app.step(name="slowOnce", timeout=0.05, backoff=QUICKLY)
async def slow_once() -> int:
    """Pass the timeout at the first attempt."""
    if current_step().attempt == 1:
        await asyncio.sleep(60)
    return current_step().attempt


@app.step(name="tooBig")
async def too_big() -> str:
    """Return more than a payload may have."""
    return "x" * (17 * 1024 * 1024)


@app.step
async def nothing(*args: object) -> None:
    """Return nothing."""
    assert args == (None, None)


@app.step
def blocks(seconds: float) -> None:
    """Hold a thread until the time is over or the attempt is cancelled."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not current_step().cancelled:
        time.sleep(0.005)
