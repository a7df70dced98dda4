"""What somebody is told who waits for a run that has failed."""

from __future__ import annotations

from typing import Any

from torpor import codec
from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.errors import remembered_traceback
from torpor.engine.endings import ended_by_world
from torpor.errors import (
    RunFailedError,
)
from torpor.model import Event, Run

_CONTEXT = "\n\nDuring handling of the above exception, another exception occurred:\n\n"
_DIRECT_CAUSE = "\n\nThe above exception was the direct cause of the following exception:\n\n"


def failure(run: Run, ending: Event, run_codec: RunCodec) -> RunFailedError:
    """
    Return the error of who waits for a run that has failed, with the workflow's own error as its cause.

    Args:
        run: the run.
        ending: its last event.
        run_codec: opens it.

    Raises:
        KeyMissingError, SerializationError: its error cannot be read here.
    """
    cause = run_codec.loads(ending.payload) if ending.payload else ended_by_world(ending)
    told = _told(cause)
    error = RunFailedError(
        f"run {run.id} ({run.workflow}) failed with {run.error_code}: {told}", run_id=run.id, failure=run.error_code
    )
    if isinstance(cause, BaseException):
        error.__cause__ = cause
        # Python prints a cause that came from elsewhere without the lines that raised it; a note is printed as it is.
        if where := _where_raised(cause):
            error.add_note(f"\nWhere the workflow raised it:\n{where}")
    return error


def _where_raised(error: BaseException) -> str:
    """Return the tracebacks that an error and those that it came from had elsewhere, each once, as Python has them."""
    told = ""
    texts: list[str] = []
    seen: set[int] = set()  # values may have cycles
    origin: BaseException | None = error
    joint = ""
    while origin is not None and id(origin) not in seen:
        seen.add(id(origin))
        text = remembered_traceback(origin)
        # One without lines is no more than the name and message; that of a step's error has what the step raised in it.
        if text is not None and "\n" in text and not any(text in above for above in texts):
            texts.append(text)
            told = f"{text}{joint}{told}" if told else text
        joint = _DIRECT_CAUSE if origin.__cause__ is not None else _CONTEXT
        origin = origin.__cause__ or (None if origin.__suppress_context__ else origin.__context__)
    return told


def _told(cause: Any) -> str:
    if isinstance(cause, codec.RemoteError):  # its text names the class that it had
        return str(cause)
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, BaseException) else repr(cause)
