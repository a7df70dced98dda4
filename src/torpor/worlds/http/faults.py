"""Errors of a world as they travel: by the names of their classes, so that both ends raise the same."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from torpor import errors
from torpor.errors import TorporError, WorldError

_HERE: Final = "\x1aworld\x1a"
"""In messages, in place of the world's URL, which is another one for who has it behind a server, and has passwords."""


class UploadMissingError(WorldError):
    """The server does not have the snapshot that a commit names: it must be uploaded again."""

    code = "UPLOAD_MISSING"


class Fault(msgspec.Struct, frozen=True):
    """
    An error that travels.

    Attributes:
        kinds: name of its class and of those that it derives from, nearest first.
        message: what it says.
        details: its attributes that are texts and numbers.
    """

    kinds: list[str]
    message: str
    details: dict[str, Any] = {}


def fault_of(error: TorporError, url: str) -> Fault:
    """Return what is told of an error of the world at *url*."""
    kinds = [kind.__name__ for kind in type(error).__mro__ if issubclass(kind, TorporError)]
    details = {name: value for name, value in vars(error).items() if isinstance(value, str | int)}
    return Fault(kinds, str(error).replace(url, _HERE), details)


def error_of(fault: Fault, url: str) -> TorporError:
    """Return the error that a fault is of, for who has the world at *url*; the nearest that this version has."""
    kind = next((found for name in fault.kinds if (found := _kind(name)) is not None), WorldError)
    message = fault.message.replace(_HERE, url)
    error = kind.__new__(kind, message)  # its constructor makes a message of other things
    vars(error).update(fault.details)
    return error


def _kind(name: str) -> type[TorporError] | None:
    found = UploadMissingError if name == UploadMissingError.__name__ else getattr(errors, name, None)
    return found if isinstance(found, type) and issubclass(found, TorporError) else None
