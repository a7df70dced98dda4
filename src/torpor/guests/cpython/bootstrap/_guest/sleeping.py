"""Sleep: one wait of the host's for each, which survives everything."""

from __future__ import annotations

import asyncio
import math
import types
from asyncio import CancelledError, Future
from collections.abc import Generator
from typing import Any

from torpor.durations import When, due_at
from torpor.errors import UsageError

from .loop import loop
from .run import Delivery, run
from .timestamps import LATEST, as_text


class Sleep:
    """A wait that ends one sleep."""

    __slots__ = ("due", "future")

    def __init__(self, due: int, future: Future[None]) -> None:
        self.due, self.future = due, future

    def receive(self, delivery: Delivery) -> None:
        run.forget(delivery["op"])
        if not self.future.done():
            self.future.set_result(None)

    def wakes(self, future: Future[Any]) -> bool:
        return future is self.future

    def describe(self) -> str:
        return f"sleep until {as_text(self.due)}"


async def sleep(duration: When) -> None:
    """
    Sleep, for years if need be; a sleeping run costs nothing.

    Args:
        duration: seconds, text such as ``"1h 30m"``, a timedelta, or the moment to wake at: an aware datetime, or ISO
            8601 text with a time zone. A negative duration and a moment that has passed wake at once.

    Raises:
        UsageError: none of these, or a moment without time zone.
    """
    await _sleep_until(_due(duration))


async def asyncio_sleep(delay: float, result: Any = None) -> Any:
    """Sleep for *delay* seconds and return *result*, as ``asyncio.sleep`` does everywhere."""
    if math.isnan(delay):
        raise ValueError("Invalid delay: NaN (not a number)")
    if delay == math.inf:
        await loop.create_future()
    await _sleep_until(run.at if delay <= 0 else min(run.at + max(1, round(delay * 1000)), LATEST))
    return result


def install() -> None:
    """Make ``asyncio.sleep`` durable."""
    asyncio_sleep.__name__ = asyncio_sleep.__qualname__ = "sleep"  # in warnings and tracebacks
    asyncio.sleep = asyncio.tasks.sleep = asyncio_sleep


async def _sleep_until(due: int) -> None:
    run.check()
    if due <= run.at:
        await (loop.pollers.pause() or _others())
        return
    future = loop.create_future()
    n = run.emit("wait", Sleep(due, future), due=due)
    try:
        await future
    except CancelledError:
        run.leave(n)
        raise


@types.coroutine
def _others() -> Generator[None]:
    """Let what else is ready run first."""
    yield


def _due(when: When) -> int:
    try:
        return min(due_at(when, run.at), LATEST)
    except ValueError as error:
        raise UsageError(f"sleep: {error}") from None
