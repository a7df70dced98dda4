"""Reducers for the types of JavaScript: its collections, dates, big integers, web types and references."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from torpor.codec.requests import Request, Response
from torpor.codec.types.references import is_recognised, reference_of, revivers
from torpor.codec.values import (
    PLAIN_INT_MAX,
    PROTO,
    UNDEFINED,
    URL,
    AbortController,
    AbortSignal,
    BigInt,
    Boxed,
    ClassReference,
    DateText,
    Handle,
    Headers,
    Map,
    MapEntries,
    ReadableStream,
    RegExp,
    SetEntries,
    StepFunction,
    URLSearchParams,
    WorkflowFunction,
    WritableStream,
)
from torpor.codec.wire.bounds import check_keys
from torpor.codec.wire.reducers import PASS, Pass, Reducer, exactly
from torpor.errors import SerializationError

EMPTY = "."
"""Stands for empty text: the TypeScript SDK takes a falsy payload for "not mine"."""

_STEP_EXTRAS = ("closureVars", "boundThis", "boundArgs", "options")
_DIGITS = re.compile(r"-?[0-9]+")
_ISO_DATE = re.compile(r"(\d{4}|[+-]\d{6})-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def _encode_bigint(value: int) -> str:
    try:
        return str(int(value))
    except ValueError as error:  # Python refuses to print ints of thousands of digits
        raise SerializationError(f"an int of {value.bit_length()} bits is too large: {error}") from error


def _decode_bigint(text: str) -> int:
    if not _DIGITS.fullmatch(text):
        raise ValueError(f"{text!r:.40} is not a whole number")
    number = int(text)
    return number if abs(number) > PLAIN_INT_MAX else BigInt(number)


def _encode_date(value: datetime | DateText) -> str | Pass:
    if isinstance(value, DateText):
        return value.text
    if value.tzinfo is not UTC or value.microsecond % 1000 or value.fold:
        return PASS
    return value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _decode_date(text: str) -> datetime | DateText:
    if text in (EMPTY, ""):
        return DateText(EMPTY)
    if not (match := _ISO_DATE.fullmatch(text)):
        raise ValueError(f"{text!r:.40} is not an ISO date")
    if len(match[1]) > 4 or match[1] == "0000":
        return DateText(text)
    return datetime.fromisoformat(text)


def _encode_map(value: dict[Any, Any] | MapEntries) -> list[list[Any]]:
    pairs = value.items() if isinstance(value, dict) else value
    return [[key, member] for key, member in pairs]


def _decode_map(payload: object) -> dict[Any, Any] | MapEntries:
    entries = MapEntries(_pairs(payload))
    try:
        check_keys([key for key, _ in entries])
        found = dict(entries)
    except TypeError:  # an unhashable key
        return entries
    if len(found) < len(entries):
        return entries
    # A plain dict with this key is written as a Map, and so is read as one.
    return Map(found) if PROTO not in found and all(type(key) is str for key in found) else found


def _begin_map(head: Mapping[str, Any]) -> dict[Any, Any]:
    keys = head.get("keys", ())
    return Map() if PROTO not in keys and all(isinstance(key, str) for key in keys) else {}


def _fill_map(begun: dict[Any, Any], payload: object) -> None:
    entries = _pairs(payload)
    try:
        check_keys([key for key, _ in entries])
        begun.update(entries)
    except TypeError as error:
        raise SerializationError(f"a Map in a cycle has keys that no dict can hold: {error}") from error


def _decode_set(payload: object) -> set[Any] | SetEntries:
    members = _list(payload)
    try:
        check_keys(members)
        found = set(members)
    except TypeError:  # an unhashable member
        return SetEntries(members)
    return found if len(found) == len(members) else SetEntries(members)


def _begin_set(_: Mapping[str, object]) -> SetEntries:
    return SetEntries()


def _decode_headers(payload: object) -> Headers:
    return Headers((_text(name), _text(value)) for name, value in _pairs(payload))


def _encode_step(value: object) -> dict[str, Any] | Pass:
    step = reference_of(value)
    return {"stepId": step.step_id, **step.extras} if isinstance(step, StepFunction) else PASS


def _begin_step(head: Mapping[str, object]) -> StepFunction:
    return StepFunction(_text(head["stepId"]))


def _fill_step(begun: StepFunction, payload: dict[str, Any]) -> None:
    begun.extras.update((key, payload[key]) for key in _STEP_EXTRAS if key in payload)


def _decode_step(payload: dict[str, Any]) -> object:
    step = _begin_step(payload)
    _fill_step(step, payload)
    return revivers().step(step)


def _encode_workflow(value: object) -> dict[str, Any] | Pass:
    workflow = reference_of(value)
    return {"workflowId": workflow.workflow_id} if isinstance(workflow, WorkflowFunction) else PASS


def _decode_workflow(payload: dict[str, Any]) -> object:
    return revivers().workflow(WorkflowFunction(_text(payload["workflowId"])))


def _may_be(reference: type) -> Callable[[type], bool]:
    return lambda cls: cls is reference or is_recognised(cls)


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"its members are a {type(value).__name__}")
    return value


def _pairs(value: object) -> list[tuple[Any, Any]]:
    return [(key, member) for key, member in map(_list, _list(value))]


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    return value


def _url_encoded(value: str) -> str:
    return str(value) or EMPTY


def _url_decoded(payload: object) -> URLSearchParams:
    text = _text(payload)
    return URLSearchParams("" if text == EMPTY else text)


CODE_REDUCERS = (
    Reducer(
        "Class",
        exactly(ClassReference),
        lambda value: {"classId": value.class_id},
        lambda payload: ClassReference(_text(payload["classId"])),
    ),
    Reducer("StepFunction", _may_be(StepFunction), _encode_step, _decode_step, _begin_step, _fill_step),
    Reducer("WorkflowFunction", _may_be(WorkflowFunction), _encode_workflow, _decode_workflow),
)
"""References to code, by id."""


_REVIVED: Mapping[type, str] = {ReadableStream: "readable", WritableStream: "writable", AbortSignal: "signal"}


def _handle_reducer(cls: type[Handle]) -> Reducer:
    revive = _REVIVED.get(cls)

    def fill(begun: Handle, payload: object) -> None:
        if type(payload) is not dict:
            raise TypeError(f"its fields are a {type(payload).__name__}")
        begun.fields.update(payload)

    def decode(payload: object) -> object:
        fill(begun := cls.of({}), payload)
        return begun if revive is None else getattr(revivers(), revive)(begun)

    def encode(value: object) -> dict[str, Any] | Pass:
        handle = value if revive is None else reference_of(value)
        if not isinstance(handle, cls):
            return PASS
        # What is undefined to JavaScript reads as None; of all fields only a body is ever null.
        fields = handle.fields.items()
        return {name: UNDEFINED if field is None and name != "body" else field for name, field in fields}

    may_be = exactly(cls) if revive is None else _may_be(cls)
    return Reducer(cls.__name__, may_be, encode, decode, lambda _: cls.of({}), fill)


JAVASCRIPT_REDUCERS = (
    Reducer("BigInt", exactly(int, BigInt), _encode_bigint, _decode_bigint),
    Reducer("Date", exactly(datetime, DateText), _encode_date, _decode_date),
    Reducer("Map", exactly(dict, Map, MapEntries), _encode_map, _decode_map, _begin_map, _fill_map),
    Reducer("Set", exactly(set, SetEntries), list, _decode_set, _begin_set, SetEntries.extend),
    Reducer(
        "RegExp",
        exactly(RegExp),
        lambda value: {"source": value.source, "flags": value.flags},
        lambda payload: RegExp(_text(payload["source"]), _text(payload["flags"])),
    ),
    Reducer("URL", exactly(URL), str, lambda payload: URL(_text(payload))),
    Reducer("URLSearchParams", exactly(URLSearchParams), _url_encoded, _url_decoded),
    Reducer("Headers", exactly(Headers), lambda value: [[name, text] for name, text in value], _decode_headers),
    *map(_handle_reducer, (Request, Response, ReadableStream, WritableStream, AbortController, AbortSignal)),
    Reducer("Object", exactly(Boxed), lambda value: value.value, Boxed),
)
"""The types themselves."""
