"""An application whose steps another service carries out, and which carries out steps for others."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torpor import Backoff, FatalError, RetryableError, StepError, Torpor, current_step

THERE = "http://127.0.0.1:1"
"""Stands for the other service; the tests put its address in its place."""

app = Torpor("memory://", name="remoted", root=Path(__file__).parent)
quickly = Backoff(first=0.001)


@dataclass
class Receipt:
    """What is paid."""

    order: str
    cents: int


@app.step(url=f"{THERE}/ask", backoff=quickly, max_retries=2)
async def ask(what: str, cents: int = 1) -> Receipt:
    """Ask the service."""
    raise AssertionError("it is carried out elsewhere", what, cents)


@app.step(url=f"{THERE}/ask", effect="once")
async def ask_once(what: str) -> Receipt:
    """Ask the service for what must not happen twice."""
    raise AssertionError("it is carried out elsewhere", what)


@app.step(url=f"{THERE}/steps/double", backoff=quickly)
async def doubled(number: int) -> int:
    """Double a number, over there."""
    raise AssertionError("it is carried out elsewhere", number)


@app.step(url=f"{THERE}/steps/slow")
async def slow_there(number: int) -> Receipt:
    """Take long, over there."""
    raise AssertionError("it is carried out elsewhere", number)


@app.step(url=f"{THERE}/steps/refuse", backoff=quickly, max_retries=1)
async def refused_there(how: str) -> None:
    """Fail, over there."""
    raise AssertionError("it is carried out elsewhere", how)


@app.step
def double(number: int) -> int:
    """Double a number, for whoever asks."""
    assert current_step().step_id.startswith("step_")
    return 2 * number


@app.step
async def slow(number: int) -> Receipt:
    """Take as long as the test wants, for whoever asks."""
    begun.set()
    await go_on.wait()
    return Receipt("slow", number)


@app.step
async def refuse(how: str) -> None:
    """Fail, for whoever asks."""
    attempts.append(how)
    if how == "fatal":
        raise FatalError("never")
    if how == "later":
        raise RetryableError("not now", retry_after=0)
    raise ValueError("odd")


begun, go_on = asyncio.Event(), asyncio.Event()
attempts: list[str] = []


@app.workflow
async def asking(what: str) -> Any:
    """Ask, and tell what came of it."""
    try:
        return await ask(what, cents=42)
    except (StepError, FatalError) as error:
        return f"{type(error).__name__}: {error}"


@app.workflow
async def asking_once(what: str) -> Any:
    """Ask once, and tell what came of it."""
    try:
        return await ask_once(what)
    except StepError as error:
        return str(error)


@app.workflow
async def doubling(number: int) -> int:
    """Double a number."""
    return await doubled(number)


@app.workflow
async def waiting(number: int) -> Any:
    """Wait for what takes long."""
    return await slow_there(number)


@app.workflow
async def refusing(how: str) -> str:
    """Be refused."""
    try:
        await refused_there(how)
    except (StepError, FatalError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"
