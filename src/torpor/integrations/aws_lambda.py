"""
Ticks on AWS Lambda: each event, whatever it is, is one.

::

    app = Torpor("https://torpor.example.com")
    handler = lambda_handler(app)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from torpor.app import Torpor
from torpor.durations import milliseconds_at
from torpor.errors import ConfigurationError
from torpor.inspection.timestamps import iso
from torpor.ticking import Tick

_MARGIN_MS: Final = 1_000
"""For what comes before and after the work: connecting, parking, the waker."""


class Context(Protocol):
    """What Lambda tells of an invocation."""

    def get_remaining_time_in_millis(self) -> int:
        """Return after how many milliseconds the process is killed."""
        ...


def lambda_handler(app: Torpor) -> Callable[[Any, Context], dict[str, Any]]:
    """
    Return a handler that makes a tick of an application.

    Its budget is what the function's timeout leaves once steps have had their ``WorkerSettings.grace_seconds`` to end.
    It answers with what :class:`torpor.ticking.Tick` tells.

    Args:
        app: at the top level of its module, so that a process that is asked again has it still.
    """

    def handle(_event: Any, context: Context) -> dict[str, Any]:
        left = context.get_remaining_time_in_millis()
        kept = round(app.settings.grace_seconds * 1_000) + _MARGIN_MS
        if left <= kept:
            raise ConfigurationError(
                f"the function has {left} ms left, and a tick keeps {kept} for steps to end and for parking; give the "
                "function a longer timeout, or the application WorkerSettings(grace_seconds=…) that is less"
            )
        return as_data(asyncio.run(_tick(app, (left - kept) / 1_000)))

    return handle


def as_data(tick: Tick) -> dict[str, Any]:
    """Return what a tick did as JSON data; times are ISO 8601."""
    due = None if tick.next_at is None else iso(milliseconds_at(tick.next_at))
    return {"runs": tick.runs, "next_at": due, "more": tick.more}


async def _tick(app: Torpor, seconds: float) -> Tick:
    async with app:
        return await app.tick(budget=seconds)
