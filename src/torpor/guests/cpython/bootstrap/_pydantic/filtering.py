"""What is left out of a serialization: sets and dicts of names and indexes, which callers and schemas give."""

from __future__ import annotations

from typing import Any

from .building import Schema
from .serializing import Include

ALL = "__all__"

Next = tuple[Include, Include]
"""What is to be included and to be left out further in."""


class Filter:
    """
    What a schema leaves out.

    Attributes:
        include, exclude: keys or indexes; None for all, and for none.
    """

    __slots__ = ("exclude", "include")

    def __init__(self, include: set[Any] | None = None, exclude: set[Any] | None = None) -> None:
        self.include, self.exclude = include, exclude

    def next(self, key: Any, include: Include, exclude: Include) -> Next | None:
        """Return what is known further in of what stands at a key; None if it is left out."""
        if include is None and exclude is None and self.include is None and self.exclude is None:
            return None, None
        inner = None
        if exclude is not None:
            is_out, inner = _asked(exclude, key, "exclude")
            if is_out and inner is None:
                return None
        if include is not None:
            is_in, further = _asked(include, key, "include")
            if is_in:
                return further, inner
            if self.include is None or key not in self.include:
                return None
        if inner is not None:
            return None, inner
        is_in = self.include is None or key in self.include
        return (None, None) if is_in and (self.exclude is None or key not in self.exclude) else None


def filter_of(schema: Schema) -> Filter:
    """Return what a schema leaves out."""
    said = schema.get("serialization") or {}
    return Filter(said.get("include"), said.get("exclude"))


EVERYTHING = Filter()


def _asked(given: Include, key: Any, name: str) -> tuple[bool, Any]:
    """Return whether a key is meant, and what is meant further in; None for all of it."""
    if isinstance(given, dict):
        found = _merged(given, key)
        if found is None:
            return False, None
        return True, None if _is_all(found[0]) else found[0]
    try:
        return key in given or ALL in given, None
    except TypeError:
        raise TypeError(f"`{name}` argument must be a set or dict.") from None


def _merged(given: dict[Any, Any], key: Any) -> tuple[Any] | None:
    own, common = given.get(key, _NOTHING), given.get(ALL, _NOTHING)
    if own is _NOTHING:
        return None if common is _NOTHING else (common,)
    if common is _NOTHING or _is_all(own) or _is_all(common):
        return (own,)
    return (_both(_as_dict(own), _as_dict(common)),)


def _both(own: dict[Any, Any], common: dict[Any, Any]) -> dict[Any, Any]:
    merged = dict(own)
    for key, value in common.items():
        if key not in merged:
            merged[key] = value
        elif not _is_all(merged[key]):
            merged[key] = merged[key] if _is_all(value) else _both(_as_dict(merged[key]), _as_dict(value))
    return merged


def _as_dict(given: Any) -> dict[Any, Any]:
    if isinstance(given, dict):
        return dict(given)
    if isinstance(given, set):
        return dict.fromkeys(given, ...)
    raise TypeError("`include` and `exclude` must be of type `dict[str | int, <recursive>] | set[str | int | ...]`")


_NOTHING: Any = object()


def _is_all(value: Any) -> bool:
    return value is ... or value is True


def of_sequence(given: Include, length: int | None) -> Include:
    """Return what is said of a sequence, with indexes from its beginning."""
    if isinstance(given, dict):
        return {_index(key, length): value for key, value in given.items()}
    if isinstance(given, set):
        return {_index(key, length) for key in given}
    return given


def _index(key: Any, length: int | None) -> Any:
    if not isinstance(key, int) or isinstance(key, bool):
        return key
    if length is None:
        if key < 0:
            raise ValueError("Negative indices cannot be used to exclude items on unsized iterables")
        return key
    return key % length if length else key
