"""
By when a step must begin, and by when it must have ended, all attempts together.

Both are moments by the world's clock that stand in its ``step_created``, so that whoever has the step keeps them. While
nobody carries a step out, the world itself ends it; an attempt that runs is ended by its worker.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from torpor.codec import bare
from torpor.errors import (
    ScheduleToCloseTimeoutError,
    ScheduleToStartTimeoutError,
    SerializationError,
    StepError,
)
from torpor.model import Event
from torpor.retries import SCHEDULE_TO_CLOSE, SCHEDULE_TO_START


class Deadlines(msgspec.Struct, frozen=True):
    """
    How long a step may take from when it was asked for.

    Attributes:
        start_ms: until its first attempt begins, 0 for as long as it likes.
        close_ms: until it has its outcome, 0 for as long as it likes.
    """

    start_ms: int = 0
    close_ms: int = 0


NONE = Deadlines()


def of_call(step: Deadlines, text: str | None) -> Deadlines:
    """
    Return the deadlines of one call.

    Args:
        step: those of the step.
        text: codec text of the call's input, in which options may say otherwise.
    """
    if text is None or (SCHEDULE_TO_START not in text and SCHEDULE_TO_CLOSE not in text):
        return step
    try:
        given = bare.loads(text.encode())
    except (SerializationError, UnicodeEncodeError):
        return step  # who makes the attempt tells what is wrong with it
    options = given.get("options") if isinstance(given, dict) else None
    if not isinstance(options, dict):
        return step
    return Deadlines(
        _wanted(options, SCHEDULE_TO_START, step.start_ms), _wanted(options, SCHEDULE_TO_CLOSE, step.close_ms)
    )


def _wanted(options: dict[Any, Any], name: str, own: int) -> int:
    wanted = options.get(name, own)
    if wanted is None:
        return 0
    return int(wanted) if isinstance(wanted, int | float) and 0 < wanted <= 2**53 else own


def missed(event: Event) -> StepError | None:
    """Return the error of a ``step_failed`` that is the world's own word, which has no payload; None for another."""
    if event.type != "step_failed" or event.payload is not None:
        return None
    when = datetime.fromtimestamp(event.due / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if event.ref == "start":
        cause: TimeoutError = ScheduleToStartTimeoutError(f"no worker began it by {when}, its schedule_to_start")
    else:
        cause = ScheduleToCloseTimeoutError(f"it had no outcome by {when}, its schedule_to_close")
    error = StepError(
        f"step {event.name} failed after {event.attempt} attempt{'s' * (event.attempt != 1)}: "
        f"{type(cause).__name__}: {cause} (catch StepError: its cause is this {type(cause).__name__})",
        attempts=event.attempt,
    )
    error.__cause__ = cause
    return error
