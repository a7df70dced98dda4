"""
Tracebacks as authors expect them: their own files and lines and the chain of awaits, none of Torpor's frames.

An exception that came out of a step has the step's own traceback as text. It stands behind what the workflow adds,
which is who awaited the step, so that a text tells the whole way. ``traceback`` itself makes such texts, so that what
authors print or keep of an exception has all of that too.
"""

from __future__ import annotations

import traceback
from traceback import StackSummary, TracebackException
from types import TracebackType
from typing import Any

from torpor.codec.errors import remembered_traceback
from torpor.codec.types import errors
from torpor.errors import StepError

from .finder import is_hidden


def chain_text(error: BaseException) -> str:
    """Return the traceback of an exception and of all that it came from, as Python prints it."""
    return "".join(_Shown.from_exception(error).format()).rstrip()


def own_text(error: BaseException) -> str:
    """
    Return the traceback of one exception alone, which is how it leaves the VM: its causes are values beside it.

    What a step raised last belongs to its StepError, and is shown with it.
    """
    elsewhere = remembered_traceback(error)
    if elsewhere is not None and error.__traceback__ is None:
        return elsewhere
    shown = _Shown.from_exception(error) if isinstance(error, BaseExceptionGroup) else _one(error)
    _add_steps(shown, error)
    return "".join(shown.format(chain=False)).rstrip()


def frames_text(error: BaseException) -> str:
    """Return only where an exception was raised, for one whose name and message are shown already."""
    shown = _Shown.from_exception(error)
    # What cannot be compiled has its place in the message of the exception and none in the stack.
    place = shown.format_exception_only() if isinstance(error, SyntaxError) else ()
    return "".join((*shown.stack.format(), *place)).rstrip()


def install() -> None:
    """Let exceptions that are stored, and all that ``traceback`` prints, have such tracebacks."""
    _Shown.__module__, _Shown.__name__ = "traceback", "TracebackException"
    _Shown.__qualname__ = _Shown.__name__
    traceback.TracebackException = _Shown  # type: ignore[misc]  # that is the point
    vars(errors)["traceback_text"] = own_text


def _one(error: BaseException) -> TracebackException:
    """Return one exception to be shown; to look at all that it came from, for each of those too, would take long."""
    options: dict[str, Any] = {"_seen": set()}  # makes it one of a chain, which others put together
    shown = _Shown(type(error), error, error.__traceback__, **options)
    shown.__cause__ = shown.__context__ = shown.exceptions = None
    return shown


class _Shown(TracebackException):
    """An exception to be shown. Those that it came from are shown so too: the base class finds this class by name."""

    def __init__(
        self,
        exc_type: type[BaseException],
        exc_value: BaseException,
        exc_traceback: TracebackType | None,
        **options: Any,
    ) -> None:
        super().__init__(exc_type, exc_value, exc_traceback, **options)
        self.stack = StackSummary.from_list([frame for frame in self.stack if not is_hidden(frame.filename)])
        if isinstance(exc_value, BaseException):
            _add_step(self, exc_value)


def _add_steps(shown: TracebackException, error: BaseException) -> None:
    """Put beside each StepError, in groups too, what its step raised."""
    if isinstance(error, StepError) and error.__cause__ is not None:
        _add_step(shown, error.__cause__)
    if shown.exceptions is not None and isinstance(error, BaseExceptionGroup):
        for part, member in zip(shown.exceptions, error.exceptions, strict=True):
            _add_steps(part, member)


def _add_step(shown: TracebackException, raised: BaseException) -> None:
    elsewhere = remembered_traceback(raised)
    if elsewhere is not None and "\n" in elsewhere:  # else it is no more than the name and message
        shown.__notes__ = [*(shown.__notes__ or ()), f"In the step:\n{elsewhere}"]
