"""Errors of workflows and of their steps."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from tests.behaviour.application import app
from tests.behaviour.flows.helping import break_here
from tests.behaviour.steps import asks_for_an_hour, fails, fails_across_files, fails_once, refuses, unstable
from torpor import FatalError, StepError


@app.workflow
async def error_nested() -> None:
    await asyncio.sleep(0.001)
    try:
        outer()
    except IndexError as cause:
        raise TypeError("outermost failed") from cause


def outer() -> None:
    """Call what fails."""
    inner()


def inner() -> None:
    """Fail."""
    raise IndexError("innermost failed")


@app.workflow
async def error_across_files() -> None:
    await asyncio.sleep(0.001)
    break_here()


@app.workflow
async def step_error_caught() -> dict[str, str] | None:
    return await caught(fails)


@app.workflow
async def step_error_across_files() -> dict[str, str] | None:
    return await caught(fails_across_files)


async def caught(step: Callable[[], Awaitable[None]]) -> dict[str, str] | None:
    """Return what a failing step tells."""
    try:
        await step()
    except StepError as error:
        stack = "".join(traceback.format_exception(error.__cause__))
        return {"message": str(error), "cause": str(error.__cause__), "stack": stack}
    return None


@app.workflow
async def step_error_uncaught() -> None:
    await fails()


@app.workflow
async def retry_until_success() -> int:
    return await unstable()


@app.workflow
async def retry_after() -> int:
    return await asks_for_an_hour()


@app.workflow
async def max_retries_zero() -> None:
    await fails_once()


@app.workflow
async def fatal() -> None:
    await refuses()


@app.workflow
async def fatal_is() -> list[object] | None:
    try:
        await refuses()
    except FatalError as error:
        return [True, str(error)]
    return None


@app.workflow
async def throws_fatal() -> None:
    raise FatalError("the workflow gives up")


@app.workflow
async def calls_with_too_many() -> object:
    try:
        return await unstable(1, 2)  # type: ignore[call-arg]  # that is the case
    except FatalError as error:
        return str(error)


@app.workflow
async def catches_unknown_step() -> object:
    try:
        return await unstable()
    except Exception as error:  # noqa: BLE001  # its text is what the test looks at
        return str(error)
