"""
Payloads as people and JSON can read them.

What JSON has stays as it is. What it lacks becomes the nearest thing that it has: dates ISO 8601 text, sets and tuples
lists, bytes ``base64:…``, errors objects with name, message and stack. That loses types, so it is for looking only.
"""

from __future__ import annotations

import base64
import enum
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

from torpor import codec
from torpor.codec.errors import RemoteError, message_of, traceback_text
from torpor.codec.values import (
    Boxed,
    ClassReference,
    DateText,
    Instance,
    RegExp,
    StepFunction,
    WorkflowFunction,
)
from torpor.errors import TorporError

_PLACE: Final = re.compile(r"^ +at (?:.*\()?(\./[^()\n]+:\d+:\d+)\)?$", re.MULTILINE)

DEPTH_MAX: Final = 50
"""Containers inside one another that are shown."""


def readable_payload(payload: bytes | None) -> Any:
    """Return a stored payload as JSON data; one that cannot be decoded is an object that says why."""
    if payload is None:
        return None
    try:
        return readable(codec.loads(payload))
    except TorporError as error:
        return {"unreadable": f"{error.code}: {error}"}


def summary(data: Any, chars: int) -> str:
    """Return JSON data on one line of at most so many characters."""
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= chars else f"{text[: chars - 1]}…"


def readable(value: Any) -> Any:
    """Return a value as JSON data."""
    return _read(value, ())


def stack_of(error: Any) -> str:
    """Return the stacks of an error given as JSON data, and of its causes, as text; each once."""
    texts: list[str] = []
    while isinstance(error, Mapping):
        head = f"{error.get('name')}: {error.get('message')}"
        stack = str(error.get("stack") or "").rstrip()
        # A stack may begin, or as in Python end, with what the error says.
        text = stack if str(error.get("message")) in stack else "\n".join(filter(None, (head, stack)))
        if not any(text in above for above in texts):  # a step's error tells what the step raised as well
            texts.append(text)
        error = error.get("cause")
    return "\n\nCaused by:\n".join(texts)


def place_of(error: Any) -> str:
    """Return the first place in the author's workflow files, as file:line:column, that an error's stacks name."""
    places: list[str] = _PLACE.findall(stack_of(error))
    return next((place for place in places if "node_modules/" not in place), "")


Inside = tuple[Any, ...]
"""The containers that a value is in, outermost first: values may contain themselves."""


def _read(value: Any, inside: Inside) -> Any:
    if value is None or isinstance(value, bool):
        return value
    for kind, plain in _PLAIN.items():
        if isinstance(value, kind):
            return plain(value)
    if any(value is container for container in inside):
        return "<the same again>"
    if len(inside) >= DEPTH_MAX:
        return "<more>"
    inside = (*inside, value)
    for kind, read in _CONTAINERS.items():
        if isinstance(value, kind):
            return read(value, inside)
    return _read_object(value, inside)


def _read_object(value: Any, inside: Inside) -> Any:
    if is_dataclass(value):
        return {field.name: _read(getattr(value, field.name), inside) for field in fields(value)}
    if callable(dump := getattr(value, "model_dump", None)):  # pydantic
        return _read(dump(), inside)
    return str(value)


def _read_mapping(value: Mapping[Any, Any], inside: Inside) -> Any:
    if all(isinstance(key, str) for key in value):
        return {str(key): _read(member, inside) for key, member in value.items()}
    return [[_read(key, inside), _read(member, inside)] for key, member in value.items()]


def _read_members(value: Iterable[Any], inside: Inside) -> list[Any]:
    return [_read(member, inside) for member in value]


def _read_error(error: BaseException, inside: Inside) -> dict[str, Any]:
    if isinstance(error, RemoteError):
        data: dict[str, Any] = {"name": error.name, "message": error.message, "stack": error.stack}
    else:
        data = {"name": type(error).__name__, "message": message_of(error), "stack": traceback_text(error)}
    if isinstance(error, BaseExceptionGroup):
        data["errors"] = _read_members(error.exceptions, inside)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return data if cause is None else {**data, "cause": _read(cause, inside)}


def _date_text(value: datetime) -> str:
    if value.tzinfo is not UTC:
        return value.isoformat()
    digits = "auto" if value.microsecond % 1000 else "milliseconds"
    return value.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def _number_name(value: float) -> str:
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


_PLAIN: Final[dict[Any, Callable[[Any], Any]]] = {
    enum.Enum: lambda value: _read(value.value, (value,)),
    str: str,
    int: int,
    float: lambda value: float(value) if math.isfinite(value) else _number_name(value),
    (bytes, bytearray, memoryview): lambda value: f"base64:{base64.b64encode(value).decode()}",
    datetime: _date_text,
    RegExp: lambda value: f"/{value.source}/{value.flags}",
    DateText: lambda value: value.text,
    ClassReference: lambda value: {"class": value.class_id},
    WorkflowFunction: lambda value: {"workflow": value.workflow_id},
    type: lambda value: {"class": value.__qualname__},
}
_CONTAINERS: Final[dict[Any, Callable[[Any, Inside], Any]]] = {
    Mapping: _read_mapping,
    (list, tuple, set, frozenset): _read_members,
    BaseException: _read_error,
    Boxed: lambda value, inside: _read(value.value, inside),
    Instance: lambda value, inside: {"class": value.class_id, "data": _read(value.data, inside)},
    StepFunction: lambda value, inside: {"step": value.step_id, **_read_mapping(value.extras, inside)},
}
