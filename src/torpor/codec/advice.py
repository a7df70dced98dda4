"""What to tell about a value that cannot be stored."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from enum import Enum

_PLAIN = "None, bool, int, float, str, bytes, list, dict, tuple, set, dates, dataclasses, enums or exceptions"


def described(value: object) -> str:
    """Return what a value is, by its class and where that is."""
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return f"a {name}"


def advice(value: object) -> str:
    """Return what the author can do about it."""
    cls = type(value)
    if inspect.isawaitable(value):
        return "await it first"
    if inspect.isroutine(value) or inspect.isclass(value):
        return "code does not travel with values; pass a registered step or workflow, or a name"
    if inspect.isgenerator(value) or inspect.isasyncgen(value):
        return "make it a list first"
    if "<locals>" in cls.__qualname__ and (dataclasses.is_dataclass(cls) or issubclass(cls, Enum | tuple)):
        return "define its class at module level, where another process can find it"
    for base in (bool, int, float, str, bytes, list, dict, set):
        if issubclass(cls, base):
            return f"a subclass would come back as {base.__name__}; convert it with {base.__name__}(…)"
    way = "tell torpor.register(…) how to store it"
    if cls.__module__.partition(".")[0] not in sys.stdlib_module_names:
        way = f"make its class a dataclass or @torpor.serializable, or {way}"
    return f"pass {_PLAIN}; or {way}"
