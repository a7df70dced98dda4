"""Serialization of values without a schema, by what they are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
import pathlib
import re
import uuid
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import Enum, EnumMeta
from fractions import Fraction
from typing import Any, Final

from .errors import PydanticSerializationError
from .filtering import EVERYTHING, of_sequence
from .formats import bytes_json, complex_text, key_text, temporal_json, uuid_text
from .json_out import json_of
from .serializing import DEPTH_MAX, Formats, Serialization
from .urls import MultiHostUrl, Url

_NODE: Final = -1


def infer(value: Any, state: Serialization) -> Any:
    """Return what becomes of a value."""
    cls = type(value)
    if value is None or cls is str or cls is int or cls is bool:
        return value
    if not state.is_json and ((id(value), _NODE) in state.seen or len(state.seen) >= DEPTH_MAX):
        return value  # it contains itself, or is nested too deeply: JSON cannot have that, Python can
    with state.guarded(value, _NODE):
        return _of_json(value, state) if state.is_json else _of_python(value, state)


def _items(value: Any, state: Serialization, length: int | None) -> Iterator[Any]:
    """Yield what becomes of the members of a sequence."""
    include, exclude = of_sequence(state.include, length), of_sequence(state.exclude, length)
    for index, item in enumerate(value):
        following = EVERYTHING.next(index, include, exclude)
        if following is not None:
            with state.having(include=following[0], exclude=following[1]):
                yield infer(item, state)


def _unfiltered(value: Any, state: Serialization) -> list[Any]:
    with state.having(include=None, exclude=None):
        return [infer(item, state) for item in value]


def _pairs(pairs: Any, state: Serialization) -> dict[Any, Any]:
    output = {}
    for key, member in pairs:
        following = EVERYTHING.next(key, state.include, state.exclude)
        if following is not None:
            with state.having(include=following[0], exclude=following[1]):
                output[infer_key(key, state) if state.is_json else infer(key, state)] = infer(member, state)
    return output


def _iterated(value: Any, state: Serialization) -> Any:
    from .ser_containers import SerializationIterator  # noqa: PLC0415  # which serializes what it has no schema for

    return SerializationIterator(value, None, EVERYTHING, state)


def _sized(value: Any, state: Serialization) -> list[Any]:
    return list(_items(value, state, len(value)))


def _members(value: Any, state: Serialization) -> dict[Any, Any]:
    return _pairs(dict.items(value), state)


def _attributes(value: Any, state: Serialization) -> dict[Any, Any]:
    return _pairs(_fields_of(value), state)


def _of_python(value: Any, state: Serialization) -> Any:
    kind = kind_of(value)
    if kind == "unknown" and state.fallback is not None:
        return infer(state.fallback(value), state)
    write = _PYTHON.get(kind)
    return value if write is None else write(value, state)


def _of_json(value: Any, state: Serialization) -> Any:
    return _JSON.get(kind_of(value), _unknown)(value, state)


def _unknown(value: Any, state: Serialization) -> Any:
    if state.fallback is not None:
        return infer(state.fallback(value), state)
    if state.serialize_unknown:
        return _unknown_text(value)
    error = unknown_error(value)
    error.is_of_value = state.is_text
    raise error


def _unknown_text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # whatever the class of the author's raises
        return f"<Unserializable {type(value).__qualname__} object>"


def unknown_error(value: Any) -> PydanticSerializationError:
    """Return the error of a value that nobody can serialize."""
    return PydanticSerializationError(f"Unable to serialize unknown type: {type(value)}")


def inferred_float(value: float, state: Serialization) -> Any:
    """Return what becomes of a float without a schema."""
    number = float(value)
    if number - number == 0:  # a finite one
        return number
    if state.formats.inf_nan == "null":
        return None
    return special_text(number) if state.is_text and state.formats.inf_nan == "strings" else number


def special_text(number: float) -> str:
    """Return what an infinity or NaN is called."""
    return "NaN" if number != number else "Infinity" if number > 0 else "-Infinity"  # noqa: PLR0124  # NaN


_EXACT: Final[dict[type, str]] = {
    int: "int",
    bool: "bool",
    float: "float",
    str: "str",
    list: "list",
    dict: "dict",
    OrderedDict: "OrderedDict",
    Counter: "Counter",
    Decimal: "Decimal",
    Fraction: "Fraction",
    bytes: "bytes",
    bytearray: "bytes",
    tuple: "tuple",
    set: "set",
    frozenset: "frozenset",
    deque: "deque",
    dt.datetime: "temporal",
    dt.date: "temporal",
    dt.time: "temporal",
    dt.timedelta: "temporal",
    complex: "complex",
    uuid.UUID: "UUID",
    Url: "text",
    MultiHostUrl: "text",
    pathlib.Path: "text",
    re.Pattern: "pattern",
    ipaddress.IPv4Address: "text",
    ipaddress.IPv6Address: "text",
    ipaddress.IPv4Network: "text",
    ipaddress.IPv6Network: "text",
}


def kind_of(value: Any) -> str:
    """Return what a value is taken for."""
    cls = type(value)
    found = _EXACT.get(cls)
    if found is not None:
        return found
    if not isinstance(value, type):
        if hasattr(value, "__pydantic_serializer__"):
            return "model"
        if hasattr(value, "__dataclass_fields__"):
            return "dataclass"
    if type(cls) is EnumMeta:
        return "enum"
    if isinstance(value, Iterator):
        return "iterator"
    return next(
        (_EXACT[base] for base in cls.__mro__ if base in _EXACT), "enum" if isinstance(value, Enum) else "unknown"
    )


def _fields_of(value: Any) -> Iterator[tuple[str, Any]]:
    return ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))


def serialized_by_class(value: Any, state: Serialization) -> Any:
    """Return what the serializer of a value's own class makes of it."""
    from .serializer import SchemaSerializer  # noqa: PLC0415  # which uses this module

    serializer: Any = value.__pydantic_serializer__
    if not isinstance(serializer, SchemaSerializer) and hasattr(serializer, "rebuild"):
        rebuilt = serializer.rebuild(parent_namespace_depth=0)
        serializer = serializer if rebuilt is None else rebuilt
    if not isinstance(serializer, SchemaSerializer):
        raise TypeError(f"{type(serializer).__name__!r} object is no SchemaSerializer")
    with state.having(formats=serializer.formats):
        return serializer.inner.output(value, state)


def infer_key(value: Any, state: Serialization) -> str:
    """Return what becomes of a value that is a key of a JSON object."""
    if value is None:
        return "None"
    kind = kind_of(value)
    if kind in _NO_KEYS:
        raise TypeError(f"`{_NO_KEYS[kind]}` not valid as object key")
    write: Write = _KEYS.get(kind, _unknown_key)
    return str(write(value, state))


def _float_key(value: float, state: Serialization) -> str:
    return "None" if value - value != 0 and state.formats.inf_nan == "null" else str(value)


def _hashed_key(value: Any, _state: Serialization) -> str:
    hash(value)
    return str(value)


def _unknown_key(value: Any, state: Serialization) -> str:
    if state.fallback is not None:
        return infer_key(state.fallback(value), state)
    if state.serialize_unknown:
        return _unknown_text(value)
    raise unknown_error(value)


Write = Callable[[Any, Serialization], Any]

_COMMON: Final[dict[str, Write]] = {
    "int": lambda value, _: int(value),
    "str": lambda value, _: "".join(value),
    "Decimal": lambda value, _: str(value),
    "Fraction": lambda value, _: str(value),
    "text": lambda value, _: str(value),
    "bytes": lambda value, state: bytes_json(bytes(value), state.formats.bytes_mode),
    "UUID": lambda value, _: uuid_text(value),
    "complex": lambda value, _: complex_text(value),
    "pattern": lambda value, _: str(value.pattern),
}

_JSON: Final[dict[str, Write]] = _COMMON | {
    "bool": lambda value, _: value,
    "float": inferred_float,
    "list": _sized,
    "tuple": _sized,
    "deque": _sized,
    "set": _unfiltered,
    "frozenset": _unfiltered,
    "dict": _members,
    "OrderedDict": _members,
    "Counter": _members,
    "temporal": lambda value, state: temporal_json(value, state.formats),
    "model": serialized_by_class,
    "dataclass": _attributes,
    "enum": lambda value, state: infer(value.value, state),
    "iterator": lambda value, state: list(_items(value, state, None)),
}

_PYTHON: Final[dict[str, Write]] = {
    "list": _sized,
    "tuple": lambda value, state: tuple(_sized(value, state)),
    "deque": lambda value, state: deque(_sized(value, state), value.maxlen),
    "set": lambda value, state: set(_unfiltered(value, state)),
    "frozenset": lambda value, state: frozenset(_unfiltered(value, state)),
    "dict": _members,
    "OrderedDict": lambda value, state: OrderedDict(_members(value, state)),
    "Counter": lambda value, state: Counter(_members(value, state)),
    "model": serialized_by_class,
    "dataclass": _attributes,
    "Fraction": lambda value, _: str(value),
    "iterator": _iterated,
}

_KEYS: Final[dict[str, Write]] = _COMMON | {
    "int": lambda value, _: str(int(value)),
    "bool": lambda value, _: "true" if value else "false",
    "float": _float_key,
    "temporal": lambda value, state: key_text(temporal_json(value, state.formats) or ""),
    "tuple": lambda value, state: ",".join(infer_key(item, state) for item in value),
    "model": _hashed_key,
    "dataclass": _hashed_key,
    "enum": lambda value, state: infer_key(value.value, state),
}

_NO_KEYS: Final = {
    "list": "list", "set": "set", "frozenset": "frozenset", "deque": "deque", "dict": "dict",
    "OrderedDict": "ordered_dict", "Counter": "counter", "iterator": "generator",
}  # fmt: skip


def to_json_text(value: Any, indent: int | None) -> str:
    """Return a value without a schema as JSON; what has no form there is its text, and floats may be infinite."""
    formats = Formats({"ser_json_inf_nan": "constants"})
    state = Serialization(formats, "json", warnings=False, serialize_unknown=True, is_text=True)
    return json_of(infer(value, state), indent)
