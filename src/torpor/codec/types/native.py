"""
What exceptions are made of: the class of the interpreter that each is built upon, or of pydantic, whose are like those.

Of a ValidationError that is the lines that it was made of, and not its text. pydantic is not imported for this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_MODULES: Final = frozenset(("builtins", "pydantic_core._pydantic_core"))
_TOLD_AGAIN: Final = frozenset(("msg", "url"))  # what pydantic makes of the rest of a line


def native_class(cls: type[BaseException]) -> type[BaseException]:
    """Return the class that an exception class is built upon."""
    return next(base for base in cls.__mro__ if base.__module__ in _MODULES and issubclass(base, BaseException))


def made_of(error: BaseException, is_storable: Callable[[object], bool]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments that an exception is made with, of a group without its members, and its attributes."""
    # The class's own __reduce__ knows what it keeps beside args, such as the file name of an OSError.
    native = native_class(type(error))
    reduced: Any = native.__reduce__(error)
    args: list[Any] = [error.message] if isinstance(error, BaseExceptionGroup) else list(reduced[1])
    if _has_lines(native):
        args[1] = [_storable(line, is_storable) for line in args[1]]
    return args, vars(error) | (reduced[2] if len(reduced) > 2 else {})


def _storable(line: dict[str, Any], is_storable: Callable[[object], bool]) -> dict[str, Any]:
    """Return a line without what cannot be stored, which is what was validated if anything."""
    return {name: value for name, value in line.items() if name not in _TOLD_AGAIN and is_storable(value)}


def made(cls: type[BaseException], args: list[Any]) -> BaseException:
    """
    Return an exception of a class, made without the application's ``__init__``.

    Raises:
        KeyError, TypeError, ValueError: the class no longer takes what it was made of.
    """
    native: Any = native_class(cls)
    if _has_lines(native):
        return _of_lines(cls, args)
    if cls.__init__ is native.__init__ and cls.__new__ is native.__new__:
        return cls(*args)
    error: BaseException = native.__new__(cls, *args)
    native.__init__(error, *args)  # an OSError with an __init__ of its own takes its args here
    return error


def _of_lines(cls: Any, args: list[Any]) -> BaseException:
    error: BaseException = cls.from_exception_data(*args)
    return error


def _has_lines(native: type[BaseException]) -> bool:
    return hasattr(native, "from_exception_data")
