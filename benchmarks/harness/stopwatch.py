"""Timing as a client sees it: from the call of ``start`` or ``resume_hook`` to the result in hand."""

from __future__ import annotations

import gc
import time
from collections.abc import Awaitable
from typing import Any

from benchmarks.harness.child import BenchmarkError
from torpor import RunHandle


async def timed_ms(work: Awaitable[Any]) -> float:
    """Return how long something takes that has not begun yet."""
    gc.collect()  # what earlier samples left is not this one's to clear away
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1000


async def finished(begun: Awaitable[RunHandle], expect: Any) -> None:
    """
    Start or resume a run and wait for its result.

    Raises:
        BenchmarkError: the result is not *expect*.
    """
    run = await begun
    result = await run.result()
    if result != expect:
        raise BenchmarkError(f"run {run.id} returned {result!r:.100}, expected {expect!r:.100}; its time means nothing")
