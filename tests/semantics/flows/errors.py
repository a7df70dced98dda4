"""Errors of workflows and of their steps."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Awaitable, Callable

from tests.semantics.application import app
from tests.semantics.flows.helping import break_here
from tests.semantics.steps import (
    asks_for_an_hour,
    copies,
    echo,
    fails,
    fails_across_files,
    fails_once,
    fails_with,
    fails_with_notes,
    naps,
    refuses,
    unstable,
)
from torpor import Backoff, FatalError, StepError, hook


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
async def step_error_caught() -> dict[str, object] | None:
    return await caught(fails)


@app.workflow
async def step_error_across_files() -> dict[str, object] | None:
    return await caught(fails_across_files)


async def caught(step: Callable[[], Awaitable[None]]) -> dict[str, object] | None:
    """Return what a failing step tells."""
    try:
        await step()
    except StepError as error:
        stack = "".join(traceback.format_exception(error.__cause__))
        cause = str(error.__cause__)
        return {"message": str(error), "attempts": error.attempts, "cause": cause, "stack": stack}
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


async def message_of(call: Awaitable[None]) -> str:
    """Return what the failure of a step says."""
    try:
        await call
    except StepError as error:
        return str(error)
    return "succeeded"


@app.workflow
async def retries_some() -> list[str]:
    return [await message_of(fails_with(kind)) for kind in ("refused", "missing", "wrong", "later")]


@app.workflow
async def calls_with_options(token: str) -> list[str]:
    once = fails_with.with_options(max_retries=1)
    await hook(token)
    impatient = naps.with_options(timeout="10ms", max_retries=0)
    watched = naps.with_options(heartbeat="10ms", max_retries=0)
    return [
        await message_of(once("refused")),
        await message_of(once.with_options(backoff=Backoff(first=0.001))("later")),
        await message_of((await echo(once))("refused")),
        await message_of(impatient()),
        await message_of(watched()),
        await message_of(naps.with_options(schedule_to_close="10ms")()),
        await message_of(fails_with.with_options(schedule_to_close="1h")("in an hour")),
    ]


@app.workflow
async def calls_with_errors_of_its_own() -> list[str]:
    picky = fails_with.with_options(retry_on=ValueError, never_retry=(), max_retries=1)
    patient = picky.with_options(retry_on=None)
    calls = [(picky, "wrong"), (picky, "refused"), (patient, "missing"), (patient, "refused")]
    return [await message_of(step(kind)) for step, kind in calls]


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


@app.workflow
async def error_with_notes() -> None:
    await fails_with_notes()


@app.workflow
async def swallowing() -> list[str]:
    swallowed = []
    try:
        await echo("asleep")
        await asyncio.sleep(60)
    except Exception as error:  # noqa: BLE001  # that is what is tried
        swallowed.append(type(error).__name__)
    return swallowed


@app.workflow
async def goes_on_where_it_was(gate: str) -> list[int]:
    return await copies(gate, 5)
