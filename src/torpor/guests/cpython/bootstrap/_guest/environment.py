"""
Environment variables: they belong to the processes outside, and what they say there may change from day to day.

Reading one in workflow code is refused. While modules load, reading gives a placeholder that may be kept (steps may
be what it is for) and refuses to be used for anything, so that no workflow decides by a value that it does not have.
Python's own library and bundled packages find an empty environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from .advice import refuse
from .finder import is_authors, is_importing
from .run import run

_WHY = "its environment is not that of a worker, and a run may outlive many of them"
_ADVICE = "read it in a step, or pass what it says as an argument of the workflow"


class EnvironmentVariable:
    """The value of a variable that was read while modules were loaded; any use of it is refused."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # questions of Python's own, such as whether it is a descriptor
            raise AttributeError(name)
        _refuse(self._name)

    def __repr__(self) -> str:
        return f"<environment variable {self._name}, which the workflow does not have>"

    __hash__ = object.__hash__


def _use(self: Any, *_: object) -> NoReturn:
    _refuse(self._name)


_USES = (
    "bool int float index str format len iter contains getitem eq ne lt le gt ge add radd mod rmod mul or ror and call"
    " fspath bytes"
)
for _name in _USES.split():
    setattr(EnvironmentVariable, f"__{_name}__", _use)


class _Environment(os._Environ):  # type: ignore[type-arg]  # noqa: SLF001  # what os.environ is an instance of
    """``os.environ`` as workflow code finds it."""

    def __getitem__(self, name: str) -> Any:
        return _unread(name) if _asks_author() else super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        return _unread(name) if _asks_author() else super().get(name, default)

    def __contains__(self, name: object) -> bool:
        if _asks_author():
            _refuse(str(name))
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        if _asks_author():
            _refuse("os.environ")
        return super().__iter__()


def install() -> None:
    """Let ``os.environ`` and ``os.getenv`` be what this module says."""
    empty: Any = os.environ  # its parts, of which a new one is made, have no public names
    codecs = empty.encodekey, empty.decodekey, empty.encodevalue, empty.decodevalue
    vars(os).update(environ=_Environment(empty._data, *codecs), getenv=_getenv)  # noqa: SLF001  # as said


def _getenv(name: str, default: Any = None) -> Any:
    return _unread(name) if _asks_author() else os.environ.get(name, default)


def _asks_author() -> bool:
    """Tell whether the author's own code calls the function that asks this."""
    return is_authors(sys._getframe(2).f_code.co_filename)  # noqa: SLF001  # there is no other way to ask


def _unread(name: str) -> EnvironmentVariable:
    if run.phase != "loading" and not is_importing():
        _refuse(name)
    return EnvironmentVariable(name)


def _refuse(name: str) -> NoReturn:
    refuse(f"environment variable {name}" if name != "os.environ" else name, _WHY, _ADVICE)
