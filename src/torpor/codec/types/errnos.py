"""
Numbers of system errors: the same error has another one on another system, and in the guest, so names travel along.

A number that its system has no name for stays as it is. One whose name is unknown where it arrives becomes negative,
which no error of that system is, so that it is taken for none of them.
"""

from __future__ import annotations

import errno
from typing import Any, Final

_FIRST_NAMES: Final = {getattr(errno, name): name for name in ("EAGAIN", "EDEADLK", "ENOTSUP", "EPIPE")}
"""Of numbers with several names the one that has the same meaning everywhere."""

_OWN_NUMBERS: Final = frozenset(("_socket", "_ssl", "socket", "ssl"))
"""Modules whose errors are numbered in ways of their own."""


def errno_name(error: BaseException, args: list[Any]) -> str | None:
    """Return the name, such as ``ENOENT``, of the number that an exception was made with; None if it has none."""
    if not isinstance(error, OSError) or type(args[0] if args else None) is not int or error.errno != args[0]:
        return None
    if any(base.__module__ in _OWN_NUMBERS for base in type(error).__mro__):
        return None
    return _FIRST_NAMES.get(args[0]) or errno.errorcode.get(args[0])


def with_own_number(args: list[Any], name: str | None) -> list[Any]:
    """Return an exception's arguments with the number that the name has here."""
    if name is None or not args or type(args[0]) is not int:
        return args
    number = getattr(errno, name, -abs(args[0]))
    return [number, *args[1:]] if type(number) is int else args
