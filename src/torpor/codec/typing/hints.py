"""The annotations of functions and classes, resolved as far as they can be."""

from __future__ import annotations

import sys
import typing
from types import SimpleNamespace
from typing import Any, TypeVar, get_args, get_origin


def hints_of(annotated: Any) -> dict[str, Any]:
    """
    Return the resolved annotations of a function or class.

    One that names what does not exist, such as an import for the type checker only, is left out.
    """
    try:
        return typing.get_type_hints(annotated, include_extras=True)
    except Exception:  # noqa: BLE001  # annotations are code, and may raise anything
        return _one_by_one(annotated)


def field_hints(cls: Any) -> dict[str, Any]:
    """Return the resolved annotations of a class or of a generic one with arguments, such as ``Page[Order]``."""
    origin = get_origin(cls)
    if origin is None:
        return hints_of(cls)
    given = dict(zip(getattr(origin, "__parameters__", ()), get_args(cls), strict=False))
    return {name: _substituted(hint, given) for name, hint in hints_of(origin).items()}


def _one_by_one(annotated: Any) -> dict[str, Any]:
    sources = reversed(annotated.__mro__) if isinstance(annotated, type) else [annotated]
    found: dict[str, Any] = {}
    for source in sources:
        module = sys.modules.get(getattr(source, "__module__", ""))
        names = {**vars(module or SimpleNamespace()), **getattr(source, "__globals__", {})}
        for name, annotation in getattr(source, "__annotations__", {}).items():
            one = SimpleNamespace(__annotations__={name: annotation})
            try:
                found |= typing.get_type_hints(one, names, include_extras=True)
            except Exception:  # noqa: BLE001  # as above; this one cannot be resolved
                found.pop(name, None)
    return found


def _substituted(hint: Any, given: dict[Any, Any]) -> Any:
    if isinstance(hint, TypeVar):
        return given.get(hint, hint)
    open_parameters = getattr(hint, "__parameters__", ())
    if (isinstance(hint, type) and not get_args(hint)) or not open_parameters:
        return hint
    return hint[tuple(given.get(parameter, parameter) for parameter in open_parameters)]
