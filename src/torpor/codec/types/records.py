"""
The kinds that are many classes: dataclasses, enumerations and named tuples of the application, and attrs classes.

Reading builds a value without running ``__init__`` or ``__post_init__``, as ``pickle`` does, and only of a class that
is loaded already and is of the kind. Fields that the class has gained since take their defaults; fields that it has
lost are dropped.

attrs is not imported: a class of its can only be met once the application has.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import MISSING
from enum import Enum, Flag
from typing import Any

from torpor.codec.types.classes import class_path, data_of_today, is_findable, wanted_class
from torpor.codec.wire.reducers import PythonType
from torpor.errors import SerializationError

_SCALARS = (str, int, float, bool, type(None))


def _path(value: object) -> str:
    return class_path(type(value))


def _is_dataclass(cls: type) -> bool:
    # What a dataclass inherits from a built-in container is not in its fields.
    return dataclasses.is_dataclass(cls) and cls.__new__ is object.__new__ and is_findable(cls)


def encode_dataclass(value: Any) -> dict[str, object]:
    """Return the fields of a dataclass instance."""
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def _begin_dataclass(path: str) -> object:
    cls = wanted_class(path, object)
    if not dataclasses.is_dataclass(cls) or issubclass(cls, BaseException | Enum):
        raise SerializationError(f"{path} is no dataclass, but the stored value says that it is")
    return object.__new__(cls)


def fill_dataclass(begun: Any, data: Mapping[str, object]) -> None:
    """
    Put the fields of a dataclass instance in place.

    Raises:
        SerializationError: one is missing and has no default.
    """
    if not isinstance(data, dict):
        raise TypeError(f"its fields are a {type(data).__name__}")
    for field in dataclasses.fields(begun):
        if field.name in data:
            value = data[field.name]
        elif field.default is not MISSING:
            value = field.default
        elif field.default_factory is not MISSING:
            value = field.default_factory()
        else:
            raise SerializationError(
                f"the stored {type(begun).__qualname__} has no field {field.name!r}; give the field a default, so that "
                "values that were stored before it existed can be read"
            )
        object.__setattr__(begun, field.name, value)


def _decode_dataclass(data: Mapping[str, object], path: str) -> object:
    begun = _begin_dataclass(path)
    fill_dataclass(begun, data_of_today(type(begun), data))
    return begun


def _is_named_tuple(cls: type) -> bool:
    fields = getattr(cls, "_fields", None)
    return issubclass(cls, tuple) and isinstance(fields, tuple) and is_findable(cls)


def _decode_named_tuple(data: Mapping[str, object], path: str) -> object:
    cls = wanted_class(path, tuple)
    names = getattr(cls, "_fields", None)
    if not isinstance(names, tuple):
        raise SerializationError(f"{path} is no named tuple, but the stored value says that it is")
    defaults = getattr(cls, "_field_defaults", {})
    missing = [name for name in names if name not in data and name not in defaults]
    if missing:
        raise SerializationError(f"the stored {cls.__qualname__} has no field {missing[0]!r}; give the field a default")
    return tuple.__new__(cls, [data[name] if name in data else defaults[name] for name in names])


def _is_enum(cls: type) -> bool:
    return issubclass(cls, Enum) and is_findable(cls)


def _encode_enum(member: Enum) -> dict[str, object]:
    told = {"name": member.name} if member.name in type(member).__members__ else {}
    # Members are found by name; the value is there for JavaScript, and for combinations of flags.
    return told | ({"value": member.value} if type(member.value) in _SCALARS else {})


def _decode_enum(data: Mapping[str, object], path: str) -> Enum:
    cls = wanted_class(path, Enum)
    assert issubclass(cls, Enum)
    member = cls.__members__.get(str(data.get("name")))
    if member is not None:
        return member
    if issubclass(cls, Flag) and "name" not in data and type(data.get("value")) is int:
        return cls(data["value"])
    raise SerializationError(
        f"{path} has no member {data.get('name')!r}, only {', '.join(cls.__members__)}; keep members that were stored"
    )


CLASS_TYPES = (
    PythonType("enum", _is_enum, _encode_enum, _decode_enum, _path),
    PythonType("namedtuple", _is_named_tuple, lambda value: value._asdict(), _decode_named_tuple, _path),
    PythonType(
        "dataclass", _is_dataclass, encode_dataclass, _decode_dataclass, _path, _begin_dataclass, fill_dataclass
    ),
)
"""Kinds of classes, in match order."""


def is_attrs(cls: type) -> bool:
    """Tell whether attrs has made a class, without importing attrs."""
    return isinstance(vars(cls).get("__attrs_attrs__"), tuple)


def encode_attrs(value: Any) -> dict[str, object]:
    """Return the fields of an instance of an attrs class."""
    return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}


def _begin_attrs(path: str) -> object:
    cls = wanted_class(path, object)
    if not is_attrs(cls) or issubclass(cls, BaseException):
        raise SerializationError(f"{path} is no attrs class, but the stored value says that it is")
    return object.__new__(cls)


def fill_attrs(begun: Any, data: Mapping[str, object]) -> None:
    """
    Put the fields of an instance of an attrs class in place.

    Raises:
        SerializationError: one is missing and has no default.
    """
    if not isinstance(data, dict):
        raise TypeError(f"its fields are a {type(data).__name__}")
    for field in type(begun).__attrs_attrs__:
        value = data[field.name] if field.name in data else _attrs_default(begun, field)
        object.__setattr__(begun, field.name, value)


def _attrs_default(begun: object, field: Any) -> object:
    attr = sys.modules["attr"]
    if field.default is attr.NOTHING:
        raise SerializationError(
            f"the stored {type(begun).__qualname__} has no field {field.name!r}; give the field a default, so that "
            "values that were stored before it existed can be read"
        )
    if not isinstance(field.default, attr.Factory):
        return field.default
    made = field.default.factory
    return made(begun) if field.default.takes_self else made()


def _decode_attrs(data: Mapping[str, object], path: str) -> object:
    begun = _begin_attrs(path)
    fill_attrs(begun, data_of_today(type(begun), data))
    return begun


ATTRS_TYPE = PythonType(
    "attrs",
    lambda cls: is_attrs(cls) and not issubclass(cls, BaseException) and is_findable(cls),
    encode_attrs,
    _decode_attrs,
    _path,
    _begin_attrs,
    fill_attrs,
)
"""The kind of attrs classes."""
