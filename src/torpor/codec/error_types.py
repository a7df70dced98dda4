"""
Reducers for the errors of JavaScript and for those that workflow authors raise on purpose, in either language.

Other Python exceptions are instances of Python classes: see :mod:`torpor.codec.exception_types`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from torpor.clock import Clock
from torpor.codec.errors import JavaScriptError, message_of, remember_traceback, traceback_text
from torpor.codec.reducers import PASS, Pass, Reducer, exactly
from torpor.codec.values import UNDEFINED
from torpor.errors import FatalError, HookConflictError, RetryableError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREIGN_CAUSE = "__torpor_cause__"  # JavaScript may throw any value as a cause, Python only exceptions

JAVASCRIPT_ERRORS = (
    "EvalError",
    "RangeError",
    "ReferenceError",
    "SyntaxError",
    "TypeError",
    "URIError",
    "AggregateError",
    "DOMException",
    "RuntimeDecryptionError",
    "StreamError",
    "Error",
)


def _javascript_error(kind: str) -> Reducer:
    def encode(value: JavaScriptError) -> dict[str, Any] | Pass:
        if value.kind != kind:
            return PASS
        # An error without a stack has an undefined one, which reads as None.
        return {key: UNDEFINED if key == "stack" and field is None else field for key, field in value.fields.items()}

    def begin(_: Mapping[str, object]) -> JavaScriptError:
        return JavaScriptError(kind)

    def decode(fields: dict[str, Any]) -> JavaScriptError:
        return JavaScriptError(kind, fields)

    return Reducer(kind, exactly(JavaScriptError), encode, decode, begin, JavaScriptError.become)


def _author_error(
    cls: type[Exception],
    make: Callable[[Mapping[str, Any]], Exception],
    extras: Callable[[Any], dict[str, Any]],
) -> Reducer:
    """Return the reducer of a class that both languages have; subclasses are Python's own."""

    def encode(error: Exception) -> dict[str, Any]:
        fields = {"message": message_of(error), "stack": traceback_text(error)}
        context = None if error.__suppress_context__ else error.__context__
        cause = vars(error).get(_FOREIGN_CAUSE, error.__cause__ or context)
        return fields | ({} if cause is None else {"cause": cause}) | extras(error)

    def fill(error: Exception, fields: Mapping[str, Any]) -> None:
        vars(error).update(vars(make(fields)))
        error.args = (str(fields["message"]),)
        remember_traceback(error, fields.get("stack"))
        cause = fields.get("cause")
        if isinstance(cause, BaseException):
            error.__cause__ = cause
        elif cause is not None:
            vars(error)[_FOREIGN_CAUSE] = cause

    def begin(_: Mapping[str, object]) -> Exception:
        return cls.__new__(cls)

    def decode(fields: Mapping[str, Any]) -> Exception:
        fill(error := begin(fields), fields)
        return error

    return Reducer(cls.__name__, exactly(cls), encode, decode, begin, fill)


def author_errors(clock: Clock) -> tuple[Reducer, ...]:
    """Return the reducers of FatalError, RetryableError and HookConflictError; *clock* resolves relative times."""

    def retry_after(error: RetryableError) -> dict[str, Any]:
        if isinstance(error.retry_after, datetime):
            return {"retryAfter": (error.retry_after - _EPOCH) // timedelta(milliseconds=1)}
        at = error.retry_at(clock.now())
        return {} if at is None else {"retryAfter": at}

    def retryable(fields: Mapping[str, Any]) -> RetryableError:
        at = fields.get("retryAfter")
        when = None if at is None else _EPOCH + timedelta(milliseconds=at)
        return RetryableError(str(fields["message"]), retry_after=when)

    def conflict(error: HookConflictError) -> dict[str, Any]:
        return {"token": error.token, "conflictingRunId": error.run_id}

    return (
        _author_error(FatalError, lambda fields: FatalError(str(fields["message"])), lambda _: {}),
        _author_error(RetryableError, retryable, retry_after),
        _author_error(
            HookConflictError,
            lambda fields: HookConflictError(str(fields["token"]), str(fields.get("conflictingRunId", ""))),
            conflict,
        ),
    )


ERROR_REDUCERS = tuple(_javascript_error(kind) for kind in JAVASCRIPT_ERRORS)
"""Errors thrown by JavaScript."""
