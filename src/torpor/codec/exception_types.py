"""
Python exceptions as the kind ``exception``: JavaScript sees an Error, Python the exception again.

Reading builds the exception without running the application's ``__init__``; a class that is not loaded comes back as
:class:`~torpor.codec.errors.PythonError` with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torpor.codec.classes import class_path, find_class, slots_of
from torpor.codec.errors import PythonError, message_of, remember_traceback, traceback_text
from torpor.codec.instances import PythonType
from torpor.codec.reducers import subclass_of


def exception_type(is_storable: Callable[[object], bool]) -> PythonType:
    """
    Return the kind of Python exceptions.

    Args:
        is_storable: tells whether an argument or attribute can be encoded; one that cannot is left out.
    """

    def encode(error: BaseException) -> dict[str, object]:
        if isinstance(error, PythonError):
            return error.data
        args, state = _made_of(error)
        data: dict[str, object] = {
            "name": type(error).__name__,
            "message": message_of(error),
            "stack": traceback_text(error),
        }
        if is_storable(args):
            data["args"] = args
        optional = {
            "state": {name: value for name, value in state.items() if is_storable({name: value})},
            "errors": list(error.exceptions) if isinstance(error, BaseExceptionGroup) else [],
            "notes": list(getattr(error, "__notes__", ())),
            "cause": error.__cause__,
            "context": error.__context__,
            "suppressContext": error.__suppress_context__,
        }
        return data | {name: value for name, value in optional.items() if value}

    return PythonType("exception", subclass_of(BaseException), encode, _decode, _path, _begin, _fill)


def _path(error: BaseException) -> str:
    return error.path if isinstance(error, PythonError) else class_path(type(error))


def _made_of(error: BaseException) -> tuple[list[object], dict[str, object]]:
    """Return arguments and attributes; of a group the arguments without its members."""
    # The interpreter's own __reduce__ knows what its classes keep beside args, such as the file name of an OSError.
    reduced: Any = _builtin(type(error)).__reduce__(error)
    args = [error.message] if isinstance(error, BaseExceptionGroup) else list(reduced[1])
    state = {name: getattr(error, name) for name in slots_of(type(error)) if hasattr(error, name)}
    state |= reduced[2] if len(reduced) > 2 else {}
    return args, {name: value for name, value in state.items() if not name.startswith("__")}


def _builtin(cls: type[BaseException]) -> type[BaseException]:
    """Return the class of the interpreter that an exception class is built upon."""
    return next(base for base in cls.__mro__ if base.__module__ == "builtins" and issubclass(base, BaseException))


def _decode(data: Mapping[str, Any], path: str) -> BaseException:
    args = [*data.get("args", [data["message"]]), *([data["errors"]] if "errors" in data else [])]
    error = _new(path, args)
    _finish(error, data)
    return error


def _begin(path: str) -> BaseException:
    return _new(path, [])


def _fill(error: BaseException, data: Mapping[str, Any]) -> None:
    error.args = tuple(data.get("args", [data["message"]]))
    _finish(error, data)


def _new(path: str, args: list[Any]) -> BaseException:
    """Return an exception of the class, made without its ``__init__``; a PythonError if that cannot be."""
    cls = find_class(path)
    # What is no Exception, such as SystemExit, would end more than a step where it is raised again.
    if cls is None or not issubclass(cls, Exception):
        return PythonError(path)
    builtin = _builtin(cls)
    is_plain = cls.__init__ is builtin.__init__ and cls.__new__ is builtin.__new__
    try:
        if is_plain:
            return cls(*args)
        error = builtin.__new__(cls, *args)
        builtin.__init__(error, *args)  # an OSError with an __init__ of its own takes its args here
    except (TypeError, ValueError):  # the class no longer takes what it was made of
        return PythonError(path)
    return error


def _finish(error: BaseException, data: Mapping[str, Any]) -> None:
    """Give an exception everything beside its arguments."""
    if isinstance(error, PythonError):
        error.become(data)
    slots = {*dir(_builtin(type(error))), *slots_of(type(error))}
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
