"""Converters to classes with named fields, of the plain objects that JavaScript has for them."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Mapping
from dataclasses import InitVar
from functools import cache
from inspect import Parameter
from typing import Any, NotRequired, Required, get_origin, is_typeddict

from torpor.codec.types.models import is_model
from torpor.codec.types.records import is_attrs
from torpor.codec.typing.conversion import Converter, ConverterOf, Unfit, name_of, unfit
from torpor.codec.typing.hints import field_hints


def record_converter(annotation: Any, of: ConverterOf) -> Converter | None:
    """Return the converter to a class with fields; None for any other. *of* makes those of the fields."""
    cls = get_origin(annotation) or annotation
    if is_typeddict(cls):
        return _typed_dict(annotation, of)
    if is_model(cls):
        return pydantic_converter(annotation)
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        return _named_tuple(annotation, of)
    if dataclasses.is_dataclass(cls) or is_attrs(cls):
        return _object(annotation, of)
    return _struct(annotation) if _is_struct(cls) else None


def pydantic_converter(annotation: Any) -> Converter:
    """Return the converter that pydantic makes of an annotation."""
    pydantic = sys.modules["pydantic"]
    adapter = cache(lambda: pydantic.TypeAdapter(annotation))  # once somebody needs it: it takes its time

    def convert(value: Any) -> Any:
        if isinstance(annotation, type) and isinstance(value, annotation):
            return value
        try:
            return adapter().validate_python(value)
        except pydantic.ValidationError as error:
            first = error.errors(include_url=False, include_context=False)[0]
            path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
            complaint = unfit(name_of(annotation), first["input"], first["msg"])
            raise Unfit(complaint.told, path) from None

    return convert


def _object(annotation: Any, of: ConverterOf) -> Converter:
    """Return the converter to a dataclass or attrs class, which is made by calling it."""
    cls = get_origin(annotation) or annotation
    parameters = inspect.signature(cls).parameters
    required = [name for name, one in parameters.items() if one.default is Parameter.empty]

    @cache  # when the first is needed: a class may have fields of its own type
    def converters() -> dict[str, Converter]:
        hints = field_hints(annotation)
        # attrs may call a parameter otherwise than its field.
        names = {field.alias: field.name for field in getattr(cls, "__attrs_attrs__", ())}
        wanted = {name: hints.get(names.get(name, name), Any) for name in parameters}
        return {name: of(hint.type if isinstance(hint, InitVar) else hint) for name, hint in wanted.items()}

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        members = _members(value, name_of(annotation), required, converters())
        try:
            return cls(**members)
        except (TypeError, ValueError) as error:
            raise unfit(name_of(annotation), value, str(error)) from error

    return convert


def _named_tuple(annotation: Any, of: ConverterOf) -> Converter:
    cls = get_origin(annotation) or annotation
    names: tuple[str, ...] = cls._fields
    required = [name for name in names if name not in cls._field_defaults]

    @cache
    def converters() -> dict[str, Converter]:
        hints = field_hints(annotation)
        return {name: of(hints.get(name, Any)) for name in names}

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, list | tuple) and len(required) <= len(value) <= len(names):
            value = dict(zip(names, value, strict=False))
        return cls(**_members(value, name_of(annotation), required, converters()))

    return convert


def _typed_dict(annotation: Any, of: ConverterOf) -> Converter:
    cls = get_origin(annotation) or annotation

    @cache
    def shape() -> tuple[dict[str, Converter], list[str]]:
        hints = field_hints(annotation)
        # Where annotations are text, the class itself has not seen what they say.
        said = {name: get_origin(hint) for name, hint in hints.items()}
        required = [name for name in hints if said[name] is Required or name in cls.__required_keys__]
        required = [name for name in required if said[name] is not NotRequired]
        return {name: of(hint) for name, hint in hints.items()}, sorted(required)

    def convert(value: Any) -> Any:
        converters, required = shape()
        members = _members(value, name_of(annotation), required, converters, others=True)
        return value if all(members[name] is value[name] for name in value) else members

    return convert


def _is_struct(cls: type) -> bool:
    """Tell whether msgspec has made a class, without importing it: a VM has a placeholder in its place, or nothing."""
    struct = getattr(sys.modules.get("msgspec"), "Struct", None)
    return isinstance(struct, type) and issubclass(cls, struct)


def _struct(annotation: Any) -> Converter:
    cls, msgspec = get_origin(annotation) or annotation, sys.modules["msgspec"]

    def convert(value: Any) -> Any:
        if isinstance(value, cls):
            return value
        try:
            return msgspec.convert(value, annotation)
        except msgspec.ValidationError as error:
            raise unfit(name_of(annotation), value, str(error)) from None

    return convert


def _members(
    value: Any, expected: str, required: list[str], converters: Mapping[str, Converter], *, others: bool = False
) -> dict[str, Any]:
    """Return the converted members of an object; *others* tells whether it may have more than it has converters for."""
    if not isinstance(value, dict):
        raise unfit(expected, value)
    missing = [name for name in required if name not in value]
    if missing:
        raise unfit(expected, value, f"{missing[0]!r} is missing")
    members = {}
    for name, member in value.items():
        if name not in converters:
            if not others:
                raise unfit(expected, value, f"it has no {name!r}, only {', '.join(converters)}")
            members[name] = member
            continue
        try:
            members[name] = converters[name](member)
        except Unfit as problem:
            raise problem.inside(f".{name}") from None
    return members
