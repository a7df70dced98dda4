"""
JSON schemas of what functions take and of what a model is to return, made of annotations and docstrings.

They are made where the function is: of steps in the worker, of all else in the workflow's VM.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from torpor.agents.messages import ToolSpec
from torpor.codec.typing.conversion import name_of
from torpor.codec.typing.hints import field_hints, hints_of
from torpor.errors import ConfigurationError

Schema = dict[str, Any]

_SCALARS: dict[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    None: {"type": "null"},
    Any: {},
    object: {},
    Decimal: {"type": "string", "format": "decimal"},
    datetime: {"type": "string", "format": "date-time"},
    date: {"type": "string", "format": "date"},
    time: {"type": "string", "format": "time"},
    timedelta: {"type": "string", "format": "duration"},
    UUID: {"type": "string", "format": "uuid"},
    dict: {"type": "object"},
    list: {"type": "array", "items": {}},
}
_LISTS = (list, Sequence, Collection, typing.Iterable, tuple, set, frozenset)
_SECTION = re.compile(r"^\s*(?:Args|Arguments|Parameters|Attributes):\s*$", re.MULTILINE)
_ENTRY = re.compile(r"^(\s+)(\*{0,2}\w+(?:, \w+)*)(?: \([^)]*\))?:\s*(.*)$")


def schema_of(annotation: Any) -> Schema:
    """
    Return the JSON schema of what an annotation takes.

    Raises:
        ConfigurationError: it is nothing that JSON can hold; names it.
    """
    definitions: dict[str, Schema] = {}
    schema = _schema(annotation, definitions)
    return {**schema, "$defs": definitions} if definitions else schema


def object_schema(annotation: Any) -> tuple[Schema, bool]:
    """Return the JSON schema of an object that holds what an annotation takes, and whether it holds it as ``value``."""
    schema = schema_of(annotation)
    definitions = schema.pop("$defs", {})
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    meant = definitions.get(name, schema)
    is_wrapped = meant.get("type") != "object" or "properties" not in meant
    if is_wrapped:
        meant = {"type": "object", "properties": {"value": schema}, "required": ["value"]}
    elif f'"#/$defs/{name}"' not in json.dumps(definitions):
        del definitions[name]  # nothing else is of this type
    return ({**meant, "$defs": definitions} if definitions else dict(meant)), is_wrapped


def spec_of(
    function: Callable[..., Any], name: str = "", description: str = "", hidden: Collection[str] = ()
) -> ToolSpec:
    """
    Return what a model is told of a function.

    Args:
        function: its annotations say what it takes, its docstring what it is for.
        name, description: others than the function's own.
        hidden: parameters that the model does not fill.

    Raises:
        ConfigurationError: a parameter is of a type that JSON cannot hold, or has no name to be passed by.
    """
    named = name or getattr(function, "__name__", "")
    said, about = docstring_of(function)
    hints = hints_of(function)
    definitions: dict[str, Schema] = {}
    properties: dict[str, Schema] = {}
    required = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in hidden:
            continue
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise ConfigurationError(
                f"tool {named}: a model passes arguments by name, and {parameter} of {function.__qualname__} cannot "
                f"be; give it plain parameters"
            )
        try:
            schema = _schema(hints.get(parameter.name, Any), definitions)
        except ConfigurationError as error:
            raise ConfigurationError(f"tool {named}, parameter {parameter.name}: {error}") from None
        if parameter.name in about and "description" not in schema:
            schema = {**schema, "description": about[parameter.name]}
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif isinstance(parameter.default, str | int | float | bool | None):
            schema = {**schema, "default": parameter.default}
        properties[parameter.name] = schema
    parameters: Schema = {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }
    if definitions:
        parameters["$defs"] = definitions
    return ToolSpec(named, description or said, parameters)


def docstring_of(documented: Any) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a function or class, and of each of its parameters or attributes."""
    text = inspect.getdoc(documented) or ""
    section = _SECTION.search(text)
    if section is None:
        return text.strip(), {}
    about: dict[str, str] = {}
    names: list[str] = []
    margin = None
    for line in text[section.end() :].splitlines():
        entry = _ENTRY.match(line)
        if line.strip() and not line[0].isspace():
            break
        if entry is not None and (margin is None or len(entry[1]) == margin):
            margin, names = len(entry[1]), [one.strip("* ") for one in entry[2].split(",")]
            about |= dict.fromkeys(names, entry[3].strip())
        elif line.strip():
            about |= {one: f"{about[one]} {line.strip()}".strip() for one in names}
    return text[: section.start()].strip(), about


def _schema(annotation: Any, definitions: dict[str, Schema]) -> Schema:
    found = _known(annotation)
    if found is not None:
        return dict(found)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        said = next((each for each in args[1:] if isinstance(each, str)), None)
        schema = _schema(args[0], definitions)
        return schema if said is None else {**schema, "description": said}
    if (target := getattr(annotation, "__value__", None)) is not None:  # type X = …
        return _schema(target, definitions)
    if origin is None:
        return _class(annotation, annotation, definitions)
    return _generic(annotation, origin, args, definitions)


def _generic(annotation: Any, origin: Any, args: Sequence[Any], definitions: dict[str, Schema]) -> Schema:
    if origin is Literal:
        return {"enum": list(args)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(each, definitions) for each in args]}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(args[1], definitions)}
    if origin is tuple and args[-1:] != (...,):
        return {"type": "array", "prefixItems": [_schema(each, definitions) for each in args]}
    if origin in _LISTS or (isinstance(origin, type) and issubclass(origin, Collection)):
        return {"type": "array", "items": _schema(args[0], definitions)}
    cls = origin or annotation
    if isinstance(cls, type):
        return _class(cls, annotation, definitions)
    raise ConfigurationError(
        f"{name_of(annotation)} has no form in JSON; take texts, numbers, lists, dicts, dataclasses"
    )


def _known(annotation: Any) -> Schema | None:
    try:
        return _SCALARS.get(annotation)
    except TypeError:  # an annotation that has no hash
        return None


def _class(cls: Any, annotation: Any, definitions: dict[str, Schema]) -> Schema:
    if not isinstance(cls, type):
        raise ConfigurationError(f"{name_of(annotation)} has no form in JSON; take texts, numbers, lists, dataclasses")
    if issubclass(cls, Enum):
        return {"enum": [each.value for each in cls]}
    name = re.sub(r"\W+", "_", name_of(annotation)).strip("_")
    if name in definitions:
        return {"$ref": f"#/$defs/{name}"}
    if hasattr(cls, "model_json_schema"):
        schema = annotation.model_json_schema()
        definitions |= schema.pop("$defs", {})
        definitions[name] = schema
    elif dataclasses.is_dataclass(cls):
        definitions[name] = {}  # a class may have fields of its own type
        definitions[name] = _dataclass(cls, annotation, definitions)
    elif typing.is_typeddict(cls):
        definitions[name] = {}
        hints = field_hints(annotation)
        required = [key for key, hint in hints.items() if _is_required(hint, cls)]
        definitions[name] = _object({key: _unwrapped(hint) for key, hint in hints.items()}, required, {}, definitions)
    else:
        raise ConfigurationError(f"{name_of(annotation)} has no form in JSON; take a dataclass or a model of pydantic")
    return {"$ref": f"#/$defs/{name}"}


def _dataclass(cls: type, annotation: Any, definitions: dict[str, Schema]) -> Schema:
    assert dataclasses.is_dataclass(cls)
    hints = field_hints(annotation)
    taken = [field for field in dataclasses.fields(cls) if field.init]
    required = [
        field.name
        for field in taken
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    said, about = docstring_of(cls)
    schema = _object({field.name: hints.get(field.name, Any) for field in taken}, required, about, definitions)
    first = said.partition("\n\n")[0]
    return schema if first.startswith(f"{cls.__name__}(") or not first else {**schema, "description": first}


def _object(
    hints: Mapping[str, Any], required: Sequence[str], about: Mapping[str, str], definitions: dict[str, Schema]
) -> Schema:
    properties = {name: _schema(hint, definitions) for name, hint in hints.items()}
    for name, text in about.items():
        if name in properties and "description" not in properties[name]:
            properties[name] = {**properties[name], "description": text}
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _is_required(hint: Any, cls: Any) -> bool:
    """Tell whether a key must be there; the class itself does not know, where its annotations are texts."""
    origin = get_origin(hint)
    return origin is not typing.NotRequired and (bool(cls.__total__) or origin is typing.Required)


def _unwrapped(hint: Any) -> Any:
    """Return what stands in ``Required[…]`` and the like."""
    origin = get_origin(hint)
    return get_args(hint)[0] if origin in (typing.Required, typing.NotRequired) else hint
