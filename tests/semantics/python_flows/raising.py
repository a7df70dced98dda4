"""Exceptions that cross the border, both ways."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

from tests.semantics.application import app
from tests.semantics.python_flows.shapes import StockError, VeryStockError
from torpor import StepError


@app.step(max_retries=0)
async def runs_out() -> None:
    """Raise an error of the application's own, with a cause and a note."""
    try:
        raise KeyError("lamp")
    except KeyError as cause:
        error = VeryStockError("lamp", left=2)
        error.add_note("ordered on a Sunday")
        raise error from cause


@app.step(max_retries=0)
async def fails_in_a_group() -> None:
    """Raise what a group of tasks raises."""

    async def one(error: Exception) -> None:
        raise error

    async with asyncio.TaskGroup() as group:
        group.create_task(one(StockError("lamp", left=0)))
        group.create_task(one(OSError(2, "no such file", "x.txt")))


@app.workflow
async def catches_own_error() -> dict[str, Any]:
    try:
        await runs_out()
    except StepError as error:
        cause = error.__cause__
        assert isinstance(cause, StockError)
        return {
            "class": type(cause) is VeryStockError,
            "facts": [cause.item, cause.left],
            "message": str(cause),
            "notes": cause.__notes__,
            "cause": repr(cause.__cause__),
            "told": "".join(traceback.format_exception(error)),
        }
    return {}


@app.workflow
async def catches_group() -> list[str]:
    try:
        await fails_in_a_group()
    except StepError as error:
        group = error.__cause__
        assert isinstance(group, ExceptionGroup)
        return [repr(each) for each in group.exceptions]
    return []


@app.workflow
async def raises_own_error() -> None:
    try:
        await awaits_deeply(3)
    except RuntimeError as cause:
        error = StockError("lamp", left=1)
        error.add_note("from the workflow")
        raise error from cause


async def awaits_deeply(depth: int) -> None:
    """Fail at the end of a chain of awaits."""
    await asyncio.sleep(0.001)
    if depth == 0:
        raise RuntimeError("at the bottom")
    await awaits_deeply(depth - 1)


@app.workflow
async def raises_group() -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(awaits_deeply(1))
        group.create_task(runs_out())
