"""Steps whose callers may give them up: who is cancelled while it awaits one cancels the step, wherever that runs."""

from __future__ import annotations

import asyncio
import builtins
import functools
from asyncio import CancelledError
from collections.abc import Callable
from typing import Any, Final

from .aborting import AbortController
from .run import run

_SIGNAL: Final = "torpor_signal"
"""Parameter of the step that takes the signal; see :mod:`torpor.compat.vercel.side`."""


def cancellable(decorate: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what decorates the empty ``def`` of such a step, given what decorates that of any."""
    return lambda function: _cancellable(decorate(function))


def install() -> None:
    """Make the decorator of program texts known."""
    builtins.__torpor_cancellable__ = cancellable  # type: ignore[attr-defined]  # program texts use it


def _cancellable(proxy: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(proxy)
    async def call(*args: Any, **kwargs: Any) -> Any:
        controller = AbortController()
        step = asyncio.ensure_future(proxy(*args, **kwargs, **{_SIGNAL: controller.signal}))
        try:
            await asyncio.wait([step])  # unlike an await of it, this does not pass a cancellation on
        except CancelledError as cancelled:
            if run.cancelled is not None or step.cancelled():
                raise  # the run is cancelled, and its steps with it
            controller.abort(str(cancelled) or "its call was cancelled")
            await asyncio.wait([step])
            if step.exception() is not None:
                raise
        return step.result()

    return call
