"""
Payloads as people and JSON can read them.

What JSON has stays as it is. What it lacks becomes the nearest thing that it has: dates ISO 8601 text, sets and tuples
lists, bytes ``base64:…``, errors objects with name, message and stack, and an instance of a class its stored fields
beside ``$class``, or its stored data as ``$data``; nobody's classes are needed. That loses types, so it is for looking
only.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import Any, Final

from torpor.codec import bare
from torpor.codec.errors import PythonError, RemoteError, message_of, traceback_text
from torpor.codec.values import (
    Boxed,
    ClassReference,
    DateText,
    Instance,
    RegExp,
    RunReference,
    StepFunction,
    WorkflowFunction,
)
from torpor.engine.endings import ended_by_world
from torpor.engine.step_deadlines import missed
from torpor.errors import TorporError
from torpor.model import Event

_PLACE: Final = re.compile(r"^ +at (?:.*\()?(\./[^()\n]+:\d+:\d+)\)?$", re.MULTILINE)

CLASS: Final = "$class"
"""The key of an instance's class, among its fields."""

DATA: Final = "$data"
"""The key of what is stored of an instance, where that is no object with fields."""

DEPTH_MAX: Final = 50
"""Containers inside one another that are shown."""


def readable_payload(payload: bytes | None) -> Any:
    """Return a stored payload as JSON data; one that cannot be decoded is an object that says why."""
    if payload is None:
        return None
    try:
        return readable(bare.loads(payload))
    except TorporError as error:
        return {"unreadable": f"{error.code}: {error}"}


def readable_failure(ending: Event) -> Any:
    """Return what a ``run_failed`` or ``step_failed`` tells as JSON data, also where it is the world's own word."""
    error = ended_by_world(ending) or missed(ending)
    return readable_payload(ending.payload) if error is None else readable(error)


def summary(data: Any, chars: int) -> str:
    """Return JSON data on one line of at most so many characters, instances as ``Money(cents=4200)``."""
    text = ""
    for piece in _pieces(data):
        text += piece
        if len(text) > chars:
            return f"{text[: chars - 1]}…"
    return text


def readable(value: Any) -> Any:
    """Return a value as JSON data: one that :func:`torpor.codec.bare.loads` has read, or an error."""
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
    if is_dataclass(value):  # the codec's own, such as a Request of JavaScript
        return {field.name: _read(getattr(value, field.name), inside) for field in fields(value)}
    return str(value)


def _read_instance(value: Instance, inside: Inside) -> dict[str, Any]:
    data = _read(value.data, inside)
    named = {CLASS: _class_name(value.class_id)}
    is_object = isinstance(value.data, Mapping) and isinstance(data, dict) and not {CLASS, DATA} & data.keys()
    return {**named, **data} if is_object else {**named, DATA: data}


def _class_name(class_id: str) -> str:
    """Return the name of a class: ``shop.Money`` of ``class//python//dataclass//shop:Money``, and so for JavaScript."""
    language, *rest = class_id.removeprefix("class//").split("//")
    name = "//".join(rest[1:] or rest if language == "python" else (language, *rest))  # a path, else a kind
    name = re.sub(r"@\d+$", "", name)  # the version of a registered class
    return name.replace("//", ".").replace(":", ".")


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
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    if isinstance(error, PythonError):
        members = error.data.get("errors", ())
    if members:
        data["errors"] = _read_members(members, inside)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return data if cause is None else {**data, "cause": _read(cause, inside)}


def _pieces(data: Any) -> Iterator[str]:
    """Yield the text of JSON data piece by piece, so that the beginning of a long one costs little."""
    if isinstance(data, dict):
        name = data.get(CLASS)
        if isinstance(name, str):
            yield f"{name.rpartition('.')[2]}("
            if DATA in data:
                yield from _pieces(data[DATA])
            else:
                yield from _joined((f"{key}=", value) for key, value in data.items() if key != CLASS)
            yield ")"
        else:
            yield "{"
            yield from _joined((f"{json.dumps(key, ensure_ascii=False)}: ", value) for key, value in data.items())
            yield "}"
    elif isinstance(data, list):
        yield "["
        yield from _joined(("", value) for value in data)
        yield "]"
    else:
        yield json.dumps(data, ensure_ascii=False)


def _joined(members: Iterable[tuple[str, Any]]) -> Iterator[str]:
    for number, (label, value) in enumerate(members):
        yield f", {label}" if number else label
        yield from _pieces(value)


def _date_text(value: datetime) -> str:
    if value.tzinfo is not UTC:
        return value.isoformat()
    digits = "auto" if value.microsecond % 1000 else "milliseconds"
    return value.replace(tzinfo=None).isoformat(timespec=digits) + "Z"


def _number_name(value: float) -> str:
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


_PLAIN: Final[dict[Any, Callable[[Any], Any]]] = {
    str: str,
    int: int,
    float: lambda value: float(value) if math.isfinite(value) else _number_name(value),
    (bytes, bytearray, memoryview): lambda value: f"base64:{base64.b64encode(value).decode()}",
    datetime: _date_text,
    RegExp: lambda value: f"/{value.source}/{value.flags}",
    DateText: lambda value: value.text,
    ClassReference: lambda value: {"class": value.class_id},
    RunReference: lambda value: {"run": value.run_id},
    WorkflowFunction: lambda value: {"workflow": value.workflow_id},
}
_CONTAINERS: Final[dict[Any, Callable[[Any, Inside], Any]]] = {
    Mapping: _read_mapping,
    (list, tuple, set, frozenset): _read_members,
    BaseException: _read_error,
    Boxed: lambda value, inside: _read(value.value, inside),
    Instance: _read_instance,
    StepFunction: lambda value, inside: {"step": value.step_id, **_read_mapping(value.extras, inside)},
}
