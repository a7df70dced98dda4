"""Signals that workflow code passes to steps and aborts later."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.semantics.aborting_steps import obeys, obeys_in_thread, obeys_twice, sees
from tests.semantics.application import app
from torpor import AbortController, AbortSignal, hook


@app.workflow
async def abort_controller(token: str, gate: str) -> list[Any]:
    controller = AbortController()
    steps = [
        asyncio.create_task(obeys(gate, controller.signal)),
        asyncio.create_task(obeys_in_thread(controller.signal)),
    ]
    controller.abort(await hook(token))
    controller.abort("too late")
    return [controller.signal.aborted, *[await step for step in steps]]


@app.workflow
async def abort_expires() -> list[Any]:
    signal = AbortSignal.timeout("1h")
    return [await obeys("expires", signal), signal.aborted]


@app.workflow
async def abort_again(token: str, gate: str) -> Any:
    controller = AbortController()
    step = asyncio.create_task(obeys_twice(gate, controller.signal))
    controller.abort(await hook(token))
    return await step


@app.workflow
async def abort_before() -> list[Any]:
    controller = AbortController()
    controller.abort("before")
    assert await controller.signal.wait() == "before"
    return await sees(controller.signal)
