"""
Models that pydantic makes: read without validation if pydantic has made them, and with it if anybody else has.

pydantic is not imported: a class of its can only be met once the application has. What a model keeps beside its fields
is no part of the data that JavaScript sees.

A model is validated once: a validator may change what it gets. One that pydantic has made says so in its state, and
comes back as it was, unless its class has other fields by now. What JavaScript has built or changed, and what was
stored by workflows of version 0.1.0, which had no validation, is validated when it is read.
"""

from __future__ import annotations

import ast
import builtins
import sys
import typing
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from torpor.codec.types.classes import class_path, data_of_today, find_class, is_findable, wanted_class
from torpor.codec.wire.reducers import PythonType
from torpor.errors import SerializationError


def is_model(cls: type) -> bool:
    """Tell whether a class is a pydantic model, without importing pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


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
    state: dict[str, object] = {"validated": True}
    if given is not None and given != set(encode_model(model)):
        state["fieldsSet"] = sorted(given)
    if private:
        state["private"] = dict(private)
    return state


def _is_storable(cls: type) -> bool:
    """Tell whether models of a class can be read elsewhere; a generic one with types is made there from its name."""
    if not is_model(cls):
        return False
    generic: Any = cls
    origin = generic.__pydantic_generic_metadata__["origin"]
    if origin is not None and is_findable(origin):
        vars(sys.modules[origin.__module__]).setdefault(cls.__name__, cls)
    return is_findable(cls)


def _model_class(path: str) -> type:
    """
    Return the class of a path.

    Of a generic model with its types, such as ``app:Page[User]``, only the generic one need be there: pydantic makes
    classes with types when somebody asks for them, perhaps on the other side only.
    """
    if "[" in path and find_class(path) is None:
        generic: Any = find_class(path.partition("[")[0])
        module, _, expression = path.partition(":")
        if generic is not None and is_model(generic):
            names = vars(typing) | vars(builtins) | vars(sys.modules[module])
            try:
                made = _meant(ast.parse(expression, mode="eval").body, names)
            except (KeyError, SyntaxError, TypeError, ValueError):
                made = None  # the error below says which class is missing
            if isinstance(made, type) and class_path(made) == path:
                vars(sys.modules[module]).setdefault(made.__name__, made)
    return wanted_class(path, object)


def _meant(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """Return the type that an expression of names, brackets and bars means."""
    match node:
        case ast.Name(id=name):
            return names[name]
        case ast.Constant(value=None):
            return None
        case ast.Constant(value=value):
            return value
        case ast.Subscript(value=value, slice=inner):
            return _meant(value, names)[_meant(inner, names)]
        case ast.Tuple(elts=elements):
            return tuple(_meant(element, names) for element in elements)
        case ast.List(elts=elements):
            return [_meant(element, names) for element in elements]
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _meant(left, names) | _meant(right, names)
    raise ValueError(ast.unparse(node))


def _begin_model(path: str) -> Any:
    cls = _model_class(path)
    if not is_model(cls):
        raise SerializationError(f"{path} is no pydantic model, but the stored value says that it is")
    return object.__new__(cls)


def fill_model(begun: Any, data: Any, state: Mapping[str, Any] = MappingProxyType({})) -> None:
    """
    Make a pydantic model of its fields, by validating them unless it has been done.

    Raises:
        SerializationError: they do not validate.
    """
    if type(data) is not dict:
        raise TypeError(f"its fields are a {type(data).__name__}")
    if state.get("validated") is True and _has_these_fields(type(begun), data):
        _restore(begun, data)
    else:
        _validate(begun, data)
    if "fieldsSet" in state:
        object.__setattr__(begun, "__pydantic_fields_set__", set(state["fieldsSet"]))
    if "private" in state:
        object.__setattr__(begun, "__pydantic_private__", {**(begun.__pydantic_private__ or {}), **state["private"]})


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


MODEL_TYPE = PythonType(
    "pydantic",
    _is_storable,
    encode_model,
    _decode_model,
    lambda model: class_path(type(model)),
    _begin_model,
    fill_model,
    state_of_model,
)
"""The kind of pydantic's models."""
