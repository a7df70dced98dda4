"""How the run stands: pending, completed with a value, failed with what was raised, or cancelled."""

from __future__ import annotations

import inspect
from asyncio import CancelledError, Task
from typing import Any

from torpor.codec.errors import message_of, remember_traceback
from torpor.codec.guest import text_of, value_of
from torpor.codec.values import Kwargs
from torpor.errors import SerializationError, TorporError, UsageError

from . import cancelling, log, unawaited
from .loop import loop
from .program import workflow_of
from .run import run
from .steps import short_name
from .tracebacks import own_text

ending: dict[str, str] = {}
"""``status``, and the codec text ``value`` or ``error``; nothing as long as the run is pending."""

_task: Task[None] | None = None
_raised: BaseException | None = None


def begin(args: str, name: str) -> None:
    """Make the task that the run is, with stored arguments."""
    global _task  # noqa: PLW0603  # there is one run, and the loop holds tasks only weakly
    _task = loop.create_task(_execute(args), name=name)


def main_task() -> Task[None] | None:
    """Return the workflow's own task, None before the run begins."""
    return _task


def failure() -> BaseException | None:
    """Return what the run has failed with, None unless it has."""
    return _raised


async def _execute(args: str) -> None:
    """Call the workflow function and keep what becomes of it."""
    try:
        workflow = workflow_of(run.workflow)
        given = value_of(args)
        keywords = given.pop() if given and isinstance(given[-1], Kwargs) else {}
        result = workflow(*given, **keywords)
        if inspect.isawaitable(result):
            result = await result
    except BaseException as raised:  # noqa: BLE001  # whatever it is, it ends the run and not the VM
        await _end_with(raised, None)
    else:
        await _end_with(None, result)


async def _end_with(raised: BaseException | None, result: Any) -> None:
    """End the run; one that is being cancelled ends so, whatever its code returns or raises."""
    if run.cancelled is not None:
        await cancelling.wind_up(raised)
        _end({"status": "cancelled"})
    elif raised is not None:
        fail(raised)
    else:
        complete(result)


def complete(value: Any) -> None:
    """End the run with its result, unless it has forgotten something."""
    if told := unawaited.complaint():
        fail(UsageError(told))
        return
    try:
        text = text_of(value)
    except Exception as cause:  # noqa: BLE001  # writing may run an author's own code
        name = short_name(run.workflow)
        problem = SerializationError(f"the result of {name} cannot be stored: {cause}")
        problem.__cause__ = cause
        fail(problem)
        return
    _end({"status": "completed", "value": text})


def check() -> None:
    """
    Make sure that the task of a pending run is alive.

    Raises:
        BaseException: what ended it; this is a fault of the guest.
    """
    if _task is not None and _task.done() and run.phase != "ended":
        _task.result()


def fail(raised: BaseException) -> None:
    """End the run with what was raised; the first ending counts."""
    if isinstance(raised, CancelledError):
        name = short_name(run.workflow)
        cancelled = TorporError(f"the task of {name} was cancelled from inside the workflow, and did not catch it")
        cancelled.__cause__ = raised
        raised = cancelled
    if run.phase != "ended":
        global _raised  # noqa: PLW0603  # of the one run that there is; its frames are what people look at
        _raised = raised
        _end({"status": "failed", "error": _stored(raised)})


def _end(how: dict[str, str]) -> None:
    ending.update(how)
    log.flush()
    run.end()
    loop.end()


def _stored(raised: BaseException) -> str:
    try:
        return text_of(raised)
    except Exception as problem:  # noqa: BLE001  # whatever the exception's class does, the run has failed
        name, message = type(raised).__name__, message_of(raised)
        substitute = TorporError(f"{name}: {message} (the exception itself cannot be stored: {problem})")
        remember_traceback(substitute, own_text(raised))
        return text_of(substitute)
