"""
Python faces of errors that were raised elsewhere and whose class does not exist here.

::

    RemoteError
    ├── JavaScriptError     thrown by JavaScript; keeps everything and goes back the same
    └── PythonError         a Python exception whose class is not loaded in this process
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

RELATIVES_MAX = 50
"""Causes, contexts and members, theirs included, that an exception may have to be told by the standard library."""

_REMEMBERED = "__torpor_traceback__"


class RemoteError(Exception):
    """
    An error from elsewhere, known by name.

    Attributes:
        name: name of its class, such as ``TypeError``.
        message: its text.
        stack: its stack or traceback as text, None if it had none.
    """

    name: str = "Error"
    message: str = ""
    stack: str | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.message}" if self.message else self.name


class JavaScriptError(RemoteError):
    """
    An error thrown by JavaScript.

    Attributes:
        kind: the reducer that carries it: ``Error``, ``TypeError``, ``AggregateError``, ``DOMException`` …
        fields: its payload: message, name and stack, and as far as the kind has them cause, errors, token and others.

    A cause that is an error is the ``__cause__`` too; JavaScript may throw any value as one.
    """

    def __init__(self, kind: str, fields: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.kind = kind
        self.fields: dict[str, Any] = {}
        if fields is not None:
            self.become(fields)

    def become(self, fields: Mapping[str, Any]) -> None:
        """Take on what these fields tell."""
        self.fields.update(fields)
        self.name = str(self.fields.get("name", self.kind))
        self.message = str(self.fields["message"])
        self.stack = self.fields.get("stack")
        self.args = (self.message,)
        cause = self.fields.get("cause")
        if isinstance(cause, BaseException):
            self.__cause__ = cause


class PythonError(RemoteError):
    """
    A Python exception whose class this process has not loaded.

    Attributes:
        path: module and qualified name of the class, such as ``shop.errors:OutOfStock``.
        data: what was stored of it.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.data: dict[str, Any] = {}

    def become(self, data: Mapping[str, Any]) -> None:
        """Take on what the data tells."""
        self.data.update(data)
        self.name = str(data["name"])
        self.message = str(data["message"])
        self.stack = str(data["stack"])
        self.args = (self.message,)


def traceback_text(error: BaseException) -> str:
    """
    Return the traceback of an exception, without those of its causes.

    An exception that came from elsewhere has its traceback there; see :func:`remember_traceback`.
    """
    remembered = remembered_traceback(error)
    if remembered is not None:
        return remembered
    if has_many_relatives(error):
        return short_traceback_text(error)
    return "".join(traceback.format_exception(type(error), error, error.__traceback__, chain=False)).rstrip()


def has_many_relatives(error: BaseException) -> bool:
    """
    Tell whether an exception has so many causes, contexts and members that its traceback shall do without them.

    The standard library formats all of them for each, even where only the one is asked for: for a chain of a thousand
    that would take minutes.
    """
    found = [error]
    for one in found:  # also meets what is appended on the way
        members = one.exceptions if isinstance(one, BaseExceptionGroup) else ()
        found += [other for other in (one.__cause__, one.__context__, *members) if other is not None]
        if len(found) > RELATIVES_MAX:
            return True
    return False


def short_traceback_text(error: BaseException) -> str:
    """Return where an exception was raised and its message, without anything that takes more than these."""
    frames = traceback.format_tb(error.__traceback__)
    head = ["Traceback (most recent call last):\n"] if frames else []
    return "".join([*head, *frames, f"{type(error).__qualname__}: {message_of(error)}"])


def remember_traceback(error: BaseException, text: object) -> None:
    """Keep the traceback that an exception had where it was raised."""
    if isinstance(text, str):
        vars(error)[_REMEMBERED] = text


def remembered_traceback(error: BaseException) -> str | None:
    """Return the traceback that an exception had where it was raised, None if that was here."""
    if isinstance(error, RemoteError):
        return error.stack
    remembered = vars(error).get(_REMEMBERED)
    return remembered if isinstance(remembered, str) else None


def message_of(error: BaseException) -> str:
    """Return ``str(error)``, or what can be said when the class fails at that."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - the class is the application's, and may raise anything
        return f"<{type(error).__name__} whose str() raised {type(failure).__name__}>"
