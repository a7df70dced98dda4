"""
Classes that the application registers: its own with :func:`serializable`, other people's with :func:`register`.

Their class ids are ``class//python//serializable//<name>@<version>``. The name is the path of the class, or one of the
author's choosing, under which the class may move; the version lets be migrated what was stored before.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar, overload

from torpor.codec.types.classes import (
    Migrate,
    Registration,
    add,
    class_path,
    registration_named,
    registration_of,
    slots_of,
)
from torpor.codec.types.models import encode_model, fill_model, is_model, state_of_model
from torpor.codec.types.records import (
    encode_attrs,
    encode_dataclass,
    fill_attrs,
    fill_dataclass,
    is_attrs,
)
from torpor.codec.wire.reducers import PythonType
from torpor.errors import ConfigurationError, SerializationError

C = TypeVar("C", bound=type)
T = TypeVar("T")


@overload
def serializable(cls: C) -> C: ...


@overload
def serializable(*, version: int = ..., name: str | None = ..., migrate: Migrate | None = ...) -> Callable[[C], C]: ...


def serializable(
    cls: C | None = None, *, version: int = 1, name: str | None = None, migrate: Migrate | None = None
) -> C | Callable[[C], C]:
    """
    Make the instances of a class values that workflows and steps can pass; use it as a decorator.

    What is stored are the instance's attributes, or the fields of a dataclass, attrs class or pydantic model. Reading
    puts them back without running ``__init__``; only a pydantic model is validated. Dataclasses, attrs classes and
    pydantic models are values without this: they need it for a name or a version only.

    Args:
        version: of the form of the data, 1 or more; raise it when data that were stored before no longer fit.
        name: what the class is called in stored data; by default its module and qualified name. With a name of its own
            the class may be moved and renamed.
        migrate: ``migrate(data, version) -> data``, called with what an older version has stored. What was stored
            before the class was registered has version 1.

    Raises:
        ConfigurationError: the name is taken or malformed, the version is below 1, or the class is of a kind whose
            attributes are not all that it is made of.
    """

    def registered(cls: C) -> C:
        is_more = getattr(cls, "__new__", None) is not object.__new__ and not is_model(cls)
        if is_more or issubclass(cls, BaseException | Enum):
            raise ConfigurationError(
                f"{class_path(cls)} cannot be @serializable, because its instances are more than their attributes; "
                "call torpor.register(cls, encode, decode) for it"
            )
        add(Registration(cls, name or class_path(cls), version, migrate))
        return cls

    return registered if cls is None else registered(cls)


def register(
    cls: type[T], encode: Callable[[T], object], decode: Callable[[Any], T], *, name: str | None = None
) -> None:
    """
    Make the instances of a class that is not yours values that workflows and steps can pass.

    Call it in a module that is imported wherever such values are read. Subclasses are not registered with it.

    Args:
        encode: value → anything that can be stored; it is what JavaScript sees.
        decode: what *encode* returned → value.
        name: what the class is called in stored data; by default its module and qualified name.

    Raises:
        ConfigurationError: the name is taken or malformed.
    """
    add(Registration(cls, name or class_path(cls), encode=encode, decode=decode))


def _is_serializable(cls: type) -> bool:
    registration = registration_of(cls)
    return registration is not None and registration.encode is None


def _is_registered(cls: type) -> bool:
    registration = registration_of(cls)
    return registration is not None and registration.encode is not None


def _path(value: object) -> str:
    registration = _registration(value)
    return f"{registration.name}@{registration.version}"


def _registration(value: object) -> Registration:
    registration = registration_of(type(value))
    assert registration is not None, "a kind takes only what it matches"
    return registration


def _named(path: str, *, by_functions: bool) -> tuple[Registration, int]:
    """Return the registration that a path names and the version that stored the value."""
    name, _, version = path.rpartition("@")
    if not version.isdecimal():
        raise SerializationError(f"the class id of a registered class ends in {path!r}; it would end in a version")
    registration = registration_named(name)
    if (registration.decode is not None) != by_functions:
        then, now = ("torpor.register(…)", "@serializable") if by_functions else ("@serializable", "torpor.register(…)")
        raise SerializationError(f"a stored {name} was written through {then}, but the class is known by {now} here")
    return registration, int(version)


# What a class is made of decides at the last moment: another decorator may make it a dataclass after this one.


def _encode_attributes(value: Any) -> dict[str, object]:
    cls = type(value)
    if is_model(cls):
        return encode_model(value)
    if is_attrs(cls):
        return encode_attrs(value)
    if dataclasses.is_dataclass(cls):
        return encode_dataclass(value)
    names = [*slots_of(cls), *getattr(value, "__dict__", ())]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _state(value: object) -> dict[str, object]:
    return state_of_model(value) if is_model(type(value)) else {}


def _fill_attributes(begun: Any, data: Mapping[str, Any], state: Mapping[str, Any]) -> None:
    cls = type(begun)
    if type(data) is not dict:
        raise TypeError(f"its attributes are a {type(data).__name__}")
    if is_model(cls):
        fill_model(begun, data, state)
    elif is_attrs(cls):
        fill_attrs(begun, data)
    elif dataclasses.is_dataclass(cls):
        fill_dataclass(begun, data)
    else:
        for name, value in data.items():
            object.__setattr__(begun, name, value)


def _decode_attributes(data: Any, path: str, state: Mapping[str, Any]) -> object:
    registration, version = _named(path, by_functions=False)
    begun: object = object.__new__(registration.cls)
    # What a model kept beside its fields, when they were others, is not known to fit.
    _fill_attributes(begun, registration.current(data, version), state if version == registration.version else {})
    return begun


def _begin(path: str) -> object | None:
    registration, version = _named(path, by_functions=False)
    # What has to be migrated cannot be begun: its data must be complete before anything is made of them.
    return object.__new__(registration.cls) if version == registration.version else None


def _encode_registered(value: object) -> object:
    encode = _registration(value).encode
    assert encode is not None, "a kind takes only what it matches"
    return encode(value)


def _decode_registered(data: object, path: str) -> object:
    registration, version = _named(path, by_functions=True)
    assert registration.decode is not None, "it is read by a function"
    data = registration.current(data, version)
    try:
        return registration.decode(data)
    except Exception as error:
        raise SerializationError(f"the function that reads a {registration.name} failed: {error!r}") from error


CUSTOM_TYPES = (
    PythonType(
        "serializable",
        _is_serializable,
        _encode_attributes,
        _decode_attributes,
        _path,
        _begin,
        _fill_attributes,
        _state,
    ),
    PythonType("registered", _is_registered, _encode_registered, _decode_registered, _path),
)
"""Two kinds, which go before those that their classes would be of otherwise."""
