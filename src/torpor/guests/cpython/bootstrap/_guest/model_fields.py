"""Fields of the stand-in for pydantic: what a model class says about its attributes."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any, ClassVar, get_origin

from annotationlib import Format, get_annotations  # type: ignore[import-not-found]  # of the guest's Python

MISSING: Any = object()
_MUTABLE = (list, dict, set, bytearray)


class FieldInfo:
    """
    A field of a model.

    Attributes:
        annotation: its type, as written.
        default: its default, or ``PydanticUndefined``'s place-holder when it is required.
        default_factory: makes the default.
        alias: another name that it may be given under.
    """

    def __init__(
        self, default: Any = MISSING, *, default_factory: Any = None, alias: str | None = None, **constraints: Any
    ) -> None:
        self.default = MISSING if default is ... else default
        self.default_factory: Callable[[], Any] | None = default_factory
        self.alias = alias
        self.description: str | None = constraints.get("description")
        self.title: str | None = constraints.get("title")
        self.annotation: Any = None

    def is_required(self) -> bool:
        return self.default is MISSING and self.default_factory is None

    def get_default(self, *, call_default_factory: bool = True) -> Any:
        if self.default_factory is not None:
            return self.default_factory() if call_default_factory else None
        return copy.deepcopy(self.default) if isinstance(self.default, _MUTABLE) else self.default

    def __repr__(self) -> str:
        return f"FieldInfo(annotation={self.annotation!r}, required={self.is_required()})"


def Field(default: Any = MISSING, **options: Any) -> Any:  # noqa: N802  # pydantic's name
    """Describe a field; constraints are for the real pydantic."""
    return FieldInfo(default, **options)


class PrivateAttribute:
    """An attribute of a model that is no field."""

    def __init__(self, default: Any, factory: Callable[[], Any] | None) -> None:
        self.default, self.factory = default, factory

    def made(self) -> Any:
        return self.factory() if self.factory else copy.deepcopy(self.default)


def PrivateAttr(default: Any = MISSING, *, default_factory: Any = None, **_: Any) -> Any:  # noqa: N802  # as above
    """Describe an attribute that is no field."""
    return PrivateAttribute(default, default_factory)


class Computed(property):
    """A property that is part of what ``model_dump`` returns."""


def computed_field(function: Any = None, **_options: Any) -> Any:
    """Make a property that is part of what ``model_dump`` returns."""
    if function is None:
        return computed_field
    if isinstance(function, cached_property):
        return Computed(function.func)
    return Computed(function.fget if isinstance(function, property) else function)


def fields_of(cls: type) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the fields that a class adds, and take their descriptions out of it."""
    for name, annotation in get_annotations(cls, format=Format.FORWARDREF).items():
        if not _is_class_variable(annotation) and not name.startswith("_") and name != "model_config":
            yield name, _field(cls, name, annotation)


def _is_class_variable(annotation: Any) -> bool:
    if isinstance(annotation, str):
        return annotation.startswith(("ClassVar", "typing.ClassVar"))
    return annotation is ClassVar or get_origin(annotation) is ClassVar


def _field(cls: type, name: str, annotation: Any) -> FieldInfo:
    default = vars(cls).get(name, MISSING)
    if default is not MISSING:
        delattr(cls, name)
    field = default if isinstance(default, FieldInfo) else FieldInfo(default)
    for described in getattr(_evaluated(cls, annotation), "__metadata__", ()):
        if isinstance(described, FieldInfo) and field.is_required():
            field.default, field.default_factory = described.default, described.default_factory
            field.alias = field.alias or described.alias
    field.annotation = annotation
    return field


def _evaluated(cls: type, annotation: Any) -> Any:
    """Return what an annotation means if it is text that may hold a Field; else the annotation."""
    if not isinstance(annotation, str) or "Annotated" not in annotation:
        return annotation
    try:
        return eval(annotation, vars(sys.modules[cls.__module__]))  # noqa: S307  # the author's own annotation
    except (NameError, TypeError, AttributeError):  # a name that exists only while types are checked
        return annotation
