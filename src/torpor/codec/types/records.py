"""
The kinds that are many classes: dataclasses, enumerations and named tuples of the application, and the pydantic models
and attrs classes that other packages make.

Reading builds a value without running ``__init__`` or ``__post_init__``, as ``pickle`` does, and only of a class that
is loaded already and is of the kind. Fields that the class has gained since take their defaults; fields that it has
lost are dropped.

Neither pydantic nor attrs is imported: a class of theirs can only be met once the application has. What a model keeps
beside its fields is no part of the data that JavaScript sees.

Workflows build pydantic models without validation, since the guest's own pydantic has none (and is told by that), and
JavaScript changes them as it likes. So a model is validated when it is read, but not a second time: a validator may
change what it gets. One that pydantic has made and nobody has changed since says so in its state, and comes back as it
was, unless its class has other fields by now.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from dataclasses import MISSING
from enum import Enum, Flag
from types import MappingProxyType
from typing import Any

from torpor.codec.types.classes import class_path, data_of_today, find_class, is_findable, wanted_class
from torpor.codec.wire.reducers import PythonType
from torpor.errors import SerializationError

VALIDATED = "__torpor_validated__"
"""Attribute of a model of the guest: pydantic has made it outside, and nobody has changed it since."""

_VALIDATOR = "__pydantic_validator__"
_BESIDE_FIELDS = ("__pydantic_extra__", "__pydantic_fields_set__", "__pydantic_private__")
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


def is_model(cls: type) -> bool:
    """Tell whether a class is a pydantic model, without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def is_attrs(cls: type) -> bool:
    """Tell whether attrs has made a class, without importing attrs."""
    return isinstance(vars(cls).get("__attrs_attrs__"), tuple)


def encode_model(model: Any) -> dict[str, object]:
    """Return the fields of a pydantic model, with those that it has beyond its class."""
    fields = type(model).model_fields
    stored = vars(model)
    beyond = getattr(model, "__pydantic_extra__", None) or {}
    return {name: stored[name] for name in fields if name in stored} | beyond


def state_of_model(model: Any) -> dict[str, object]:
    """Return what a model keeps beside its fields, as far as it does not go without saying."""
    given = getattr(model, "__pydantic_fields_set__", None)
    private = getattr(model, "__pydantic_private__", None)
    state: dict[str, object] = {}
    if hasattr(type(model), _VALIDATOR) or getattr(model, VALIDATED, False):
        state["validated"] = True
    if given is not None and len(given) < len(encode_model(model)):
        state["fieldsSet"] = sorted(given)
    if private:
        state["private"] = dict(private)
    return state


def _model_class(path: str) -> type:
    """Return the class of a path; the guest makes that of a generic model with its types when it first meets it."""
    generic = find_class(path.partition("[")[0]) if "[" in path else None
    make = getattr(generic, "__torpor_parametrized__", None)
    return wanted_class(path, object) if make is None else make(path.partition(":")[2])


def _begin_model(path: str) -> Any:
    cls = _model_class(path)
    if not is_model(cls):
        raise SerializationError(f"{path} is no pydantic model, but the stored value says that it is")
    return object.__new__(cls)


def fill_model(begun: Any, data: Any, state: Mapping[str, Any] = MappingProxyType({})) -> None:
    """
    Make a pydantic model of its fields, by validating them unless it has been done or this is the guest.

    Raises:
        SerializationError: they do not validate.
    """
    if type(data) is not dict:
        raise TypeError(f"its fields are a {type(data).__name__}")
    is_validated = state.get("validated") is True
    if not hasattr(type(begun), _VALIDATOR):
        _construct(begun, data)
        object.__setattr__(begun, VALIDATED, is_validated)
    elif is_validated and _has_these_fields(type(begun), data):
        _restore(begun, data)
    else:
        _validate(begun, data)
    if "fieldsSet" in state:
        object.__setattr__(begun, "__pydantic_fields_set__", set(state["fieldsSet"]))
    if "private" in state:
        object.__setattr__(begun, "__pydantic_private__", {**(begun.__pydantic_private__ or {}), **state["private"]})


def _construct(begun: Any, data: dict[str, Any]) -> None:
    built = type(begun).model_construct(**data)
    vars(begun).update(vars(built))
    for name in _BESIDE_FIELDS:
        object.__setattr__(begun, name, getattr(built, name, None))


def _has_these_fields(cls: Any, data: dict[str, Any]) -> bool:
    """Tell whether data are the fields that a class has now, with others only where it takes them."""
    fields = set(cls.model_fields)
    return fields <= data.keys() if _takes_others(cls) else fields == data.keys()


def _takes_others(cls: Any) -> bool:
    return bool(cls.model_config.get("extra") == "allow")


def _restore(begun: Any, data: dict[str, Any]) -> None:
    """Put the fields of a validated model in place, and what goes without saying beside them."""
    cls = type(begun)
    undefined = sys.modules["pydantic_core"].PydanticUndefined
    defaults = {name: attribute.get_default() for name, attribute in cls.__private_attributes__.items()}
    private = {name: value for name, value in defaults.items() if value is not undefined}
    beyond = {name: value for name, value in data.items() if name not in cls.model_fields}
    vars(begun).update((name, data[name]) for name in cls.model_fields)
    object.__setattr__(begun, "__pydantic_extra__", beyond if _takes_others(cls) else None)
    object.__setattr__(begun, "__pydantic_fields_set__", set(data))
    object.__setattr__(begun, "__pydantic_private__", private if defaults else None)


def _validate(begun: Any, data: dict[str, Any]) -> None:
    cls = type(begun)
    given = data.get("root") if cls.__pydantic_root_model__ else data
    try:
        cls.__pydantic_validator__.validate_python(given, self_instance=begun, by_name=True, by_alias=False)
    except ValueError as error:
        raise SerializationError(f"the stored {cls.__qualname__} does not validate: {error}") from error


def _decode_model(data: Any, path: str, state: Mapping[str, Any]) -> Any:
    begun = _begin_model(path)
    fill_model(begun, data_of_today(type(begun), data), state)
    return begun


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


MODEL_TYPES = (
    PythonType(
        "pydantic",
        lambda cls: is_model(cls) and is_findable(cls),
        encode_model,
        _decode_model,
        _path,
        _begin_model,
        fill_model,
        state_of_model,
    ),
    PythonType(
        "attrs",
        lambda cls: is_attrs(cls) and not issubclass(cls, BaseException) and is_findable(cls),
        encode_attrs,
        _decode_attrs,
        _path,
        _begin_attrs,
        fill_attrs,
    ),
)
"""The kinds, in match order."""
