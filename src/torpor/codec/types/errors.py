"""
Errors: those of JavaScript, those that workflow authors raise on purpose in either language, and Python's exceptions.

Python's are the kind ``exception``: JavaScript sees an Error, Python the exception again. Reading builds it without
running the application's ``__init__``; a class that is not loaded comes back as
:class:`~torpor.codec.errors.PythonError` with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from torpor.clock import Clock
from torpor.codec.errors import JavaScriptError, PythonError, message_of, remember_traceback, traceback_text
from torpor.codec.types.classes import class_path, find_class, slots_of
from torpor.codec.types.errnos import errno_name, with_own_number
from torpor.codec.types.native import made, made_of, native_class
from torpor.codec.values import UNDEFINED
from torpor.codec.wire.reducers import PASS, Pass, PythonType, Reducer, exactly, subclass_of
from torpor.errors import FatalError, HookConflictError, RetryableError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREIGN_CAUSE = "__torpor_cause__"  # JavaScript may throw any value as a cause, Python only exceptions
_SPELT_OTHERWISE = ("retryAfter", "conflictingRunId")  # the attributes are retry_after and run_id

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
    is_storable: Callable[[object], bool],
) -> Reducer:
    """
    Return the reducer of a class that both languages have; subclasses are Python's own.

    What authors add to an error, such as a ``code``, is an attribute here and a property there.
    """
    ours = {*vars(cls("")), _FOREIGN_CAUSE}

    def encode(error: Exception) -> dict[str, Any]:
        fields = {"message": message_of(error), "stack": traceback_text(error)}
        context = None if error.__suppress_context__ else error.__context__
        cause = vars(error).get(_FOREIGN_CAUSE, error.__cause__ or context)
        fields |= ({} if cause is None else {"cause": cause}) | extras(error)
        added = {name: value for name, value in vars(error).items() if name not in ours and not name.startswith("__")}
        return {name: value for name, value in added.items() if name not in fields and is_storable(value)} | fields

    def fill(error: Exception, fields: Mapping[str, Any]) -> None:
        made = make(fields)
        known = {"message", "stack", "cause", *extras(made), *_SPELT_OTHERWISE}
        vars(error).update({name: value for name, value in fields.items() if name not in known} | vars(made))
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


def author_errors(clock: Clock, is_storable: Callable[[object], bool]) -> tuple[Reducer, ...]:
    """
    Return the reducers of FatalError, RetryableError and HookConflictError.

    Args:
        clock: resolves relative times.
        is_storable: tells whether an attribute can be encoded; one that cannot is left out.
    """

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
        _author_error(FatalError, lambda fields: FatalError(str(fields["message"])), lambda _: {}, is_storable),
        _author_error(RetryableError, retryable, retry_after, is_storable),
        _author_error(
            HookConflictError,
            lambda fields: HookConflictError(str(fields["token"]), str(fields.get("conflictingRunId", ""))),
            conflict,
            is_storable,
        ),
    )


ERROR_REDUCERS = tuple(_javascript_error(kind) for kind in JAVASCRIPT_ERRORS)
"""Errors thrown by JavaScript."""


def exception_type(is_storable: Callable[[object], bool]) -> PythonType:
    """
    Return the kind of Python exceptions.

    Args:
        is_storable: tells whether an argument or attribute can be encoded; one that cannot is left out.
    """

    def encode(error: BaseException) -> dict[str, object]:
        if isinstance(error, PythonError):
            return error.data
        args, state = made_of(error, is_storable)
        state = _in_slots(error) | {name: value for name, value in state.items() if not name.startswith("__")}
        data: dict[str, object] = {
            "name": type(error).__name__,
            "message": message_of(error),
            "stack": traceback_text(error),
        }
        if is_storable(args):
            data["args"] = args
        optional = {
            "errno": errno_name(error, args),
            "state": {name: value for name, value in state.items() if is_storable({name: value})},
            "errors": list(error.exceptions) if isinstance(error, BaseExceptionGroup) else [],
            "notes": list(getattr(error, "__notes__", ())),
            "cause": error.__cause__,
            "context": error.__context__,
            "suppressContext": error.__suppress_context__,
        }
        return data | {name: value for name, value in optional.items() if value}

    return PythonType(
        "exception",
        subclass_of(BaseException),
        encode,
        _decode_exception,
        _exception_path,
        _begin_exception,
        _fill_exception,
    )


def _exception_path(error: BaseException) -> str:
    return error.path if isinstance(error, PythonError) else class_path(type(error))


def _decode_exception(data: Mapping[str, Any], path: str) -> BaseException:
    args = [*_args_of(data), *([data["errors"]] if "errors" in data else [])]
    error = _new_exception(path, args)
    finish_exception(error, data)
    return error


def _begin_exception(path: str) -> BaseException:
    return _new_exception(path, [])


def _fill_exception(error: BaseException, data: Mapping[str, Any]) -> None:
    error.args = tuple(_args_of(data))
    finish_exception(error, data)


def _in_slots(error: BaseException) -> dict[str, object]:
    """Return the attributes of an exception that its own classes keep in slots."""
    names = set(slots_of(type(error))) - set(slots_of(native_class(type(error))))
    return {name: getattr(error, name) for name in sorted(names) if hasattr(error, name) and not name.startswith("__")}


def _args_of(data: Mapping[str, Any]) -> list[Any]:
    return with_own_number(data.get("args", [data["message"]]), data.get("errno"))


def _new_exception(path: str, args: list[Any]) -> BaseException:
    """Return an exception of the class, made without its ``__init__``; a PythonError if that cannot be."""
    cls = find_class(path)
    # What is no Exception, such as SystemExit, would end more than a step where it is raised again.
    if cls is None or not issubclass(cls, Exception):
        return PythonError(path)
    try:
        return made(cls, args)
    except (KeyError, TypeError, ValueError):  # the class no longer takes what it was made of
        return PythonError(path)


def finish_exception(error: BaseException, data: Mapping[str, Any]) -> None:
    """Give an exception everything beside its arguments."""
    if isinstance(error, PythonError):
        error.become(data)
    slots = {*dir(native_class(type(error))), *slots_of(type(error))}
    for name, value in data.get("state", {}).items():
        if name in slots:
            object.__setattr__(error, name, value)  # the class may have a __setattr__ that refuses
        else:
            vars(error)[name] = value
    for note in data.get("notes", []):
        error.add_note(note)
    remember_traceback(error, data["stack"])
    # In this order: a cause that is set suppresses the context.
    object.__setattr__(error, "__cause__", data.get("cause"))
    object.__setattr__(error, "__context__", data.get("context"))
    object.__setattr__(error, "__suppress_context__", bool(data.get("suppressContext")))
