"""
Cancellation of the run: workflow code meets CancelledError, may clean up, and ends.

The request is delivered like any event. The workflow's own task is cancelled, as asyncio cancels any task, and with it
what it awaits; steps that were asked for before are given up. While code handles the error, in ``except``, ``finally``
or ``async with``, it may ask for steps and wait; so may tasks that it makes there. Code that swallows the error and
goes on meets it again at the next step, sleep or hook that it asks for: the request stays.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import CancelledError, Task
from typing import Any
from weakref import WeakSet

from torpor.codec.guest import value_of

from . import log
from .loop import loop
from .run import Delivery, run
from .steps import StepCall
from .tracebacks import own_text

_tidying: WeakSet[Task[Any]] = WeakSet()
"""Tasks that were made by code that cleans up."""


def receive(delivery: Delivery, main: Task[Any] | None) -> None:
    """Cancel the workflow's task, and give up the steps that were asked for."""
    if run.cancelled is not None or run.phase != "running":
        return
    run.cancelled = str(value_of(delivery["value"])) or "the run was cancelled"
    run.check = check
    loop.set_task_factory(_make_task)
    if main is not None:
        main.cancel(run.cancelled)
    for n, receiver in list(run.waiting.items()):
        if isinstance(receiver, StepCall):
            run.leave(n)
            receiver.future.cancel(run.cancelled)


def check() -> None:
    """
    Let code ask for something only if it cleans up.

    Raises:
        CancelledError: it goes on as if nothing had happened.
    """
    if not _cleans_up():
        raise CancelledError(run.cancelled)


async def wind_up(raised: BaseException | None) -> None:
    """Let other tasks clean up, as asyncio does at the end of a program, and end the run as cancelled."""
    if raised is not None and not isinstance(raised, CancelledError):
        log.lines.write("error", f"the run failed while it cleaned up:\n{own_text(raised)}")
    others = [task for task in asyncio.all_tasks(loop) if task is not asyncio.current_task()]
    for task in others:
        task.cancel(run.cancelled)
    if others:
        await asyncio.wait(others)


def _cleans_up() -> bool:
    """Tell whether the code that asks is handling a cancellation, or runs in a task that was made by such code."""
    handled: BaseException | None = sys.exception()
    while handled is not None:
        if isinstance(handled, CancelledError):
            return True
        handled = handled.__context__
    return asyncio.current_task(loop) in _tidying


def _make_task(_loop: Any, work: Any, **options: Any) -> Task[Any]:
    task = Task(work, loop=loop, **options)
    if _cleans_up():
        _tidying.add(task)
    return task
