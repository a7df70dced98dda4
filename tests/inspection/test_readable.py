"""Payloads as JSON data."""

from __future__ import annotations

import enum
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from torpor import codec
from torpor.codec.values import BigInt, Boxed, ClassReference, DateText, Instance, RegExp, StepFunction
from torpor.errors import FatalError
from torpor.inspection.readable import DEPTH_MAX, readable, readable_payload, stack_of, summary


class Colour(enum.Enum):
    """An enum."""

    RED = "red"


@dataclass
class Point:
    """A dataclass."""

    x: int
    y: Any


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (True, True),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (BigInt(5), 5),
        ("text", "text"),
        (b"\x01\x02", "base64:AQI="),
        (bytearray(b""), "base64:"),
        (datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC), "2025-01-02T03:04:05.000Z"),
        (datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2025-01-02T03:04:05.000006Z"),
        (datetime(2025, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2025-01-02T00:00:00+02:00"),
        (date(2025, 1, 2), "2025-01-02"),
        (Decimal("1.10"), "1.10"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ((1, [2, {3}]), [1, [2, [3]]]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: "x", None: "y"}, [[1, "x"], [None, "y"]]),
        (Colour.RED, "red"),
        (Point(1, [2]), {"x": 1, "y": [2]}),
        (RegExp("a+", "g"), "/a+/g"),
        (DateText("."), "."),
        (Boxed("x"), "x"),
        (Instance("class//./p//Point", {"x": 1}), {"class": "class//./p//Point", "data": {"x": 1}}),
        (ClassReference("class//./p//Point"), {"class": "class//./p//Point"}),
        (StepFunction("step//./s.py//add", {"boundArgs": [1]}), {"step": "step//./s.py//add", "boundArgs": [1]}),
    ],
)
def test_values_become_what_json_has(value: object, shown: object) -> None:
    """Each kind of value has one readable form, which JSON takes."""
    assert readable(value) == shown
    json.dumps(readable(value), allow_nan=False)


def test_a_value_that_contains_itself_ends() -> None:
    """A cycle is said once."""
    value: list[object] = [1]
    value.append({"me": value})

    assert readable(value) == [1, {"me": "<the same again>"}]


def test_a_value_that_is_there_twice_is_shown_twice() -> None:
    """Sharing is not a cycle."""
    shared = [1]

    assert readable([shared, shared]) == [[1], [1]]


def test_deep_nesting_ends() -> None:
    """What is nested deeper than anybody reads is left out, without a recursion error."""
    value: list[object] = []
    for _ in range(9_000):
        value = [value]

    text = json.dumps(readable(value))

    assert text == "[" * DEPTH_MAX + '"<more>"' + "]" * DEPTH_MAX


def test_errors_keep_name_message_stack_and_cause() -> None:
    """The chain of causes stays."""
    try:
        try:
            raise KeyError("o-1")
        except KeyError as cause:
            raise FatalError("no such order") from cause
    except FatalError as error:
        shown = readable(error)

    assert (shown["name"], shown["message"]) == ("FatalError", "no such order")
    assert (shown["cause"]["name"], shown["cause"]["message"]) == ("KeyError", "'o-1'")
    assert "test_readable.py" in shown["stack"]
    assert "cause" not in shown["cause"]


def test_an_error_group_shows_its_members() -> None:
    """Errors that came together are all there."""
    shown = readable(ExceptionGroup("both", [ValueError("a"), TypeError("b")]))

    assert [error["name"] for error in shown["errors"]] == ["ValueError", "TypeError"]


def test_stacks_say_each_error_once() -> None:
    """A stack that says its error is not given another head; causes follow."""
    outer = {"name": "Error", "message": "m", "stack": "    at f (a.js:1:2)", "cause": {
        "name": "ValueError", "message": "v", "stack": "Traceback\n  File x\nValueError: v"}}  # fmt: skip

    assert stack_of(outer) == "Error: m\n    at f (a.js:1:2)\n\nCaused by:\nTraceback\n  File x\nValueError: v"


def test_a_stack_that_was_told_is_not_told_again() -> None:
    """The stack of a step's error has that of what the step raised in it."""
    cause = {"name": "ValueError", "message": "v", "stack": "Traceback\n  File y\nValueError: v"}
    stack = f"Traceback\n  File x\nStepError: failed\nIn the step:\n{cause['stack']}"

    assert stack_of({"name": "StepError", "message": "failed", "stack": stack, "cause": cause}) == stack


def test_stored_payloads_are_decoded() -> None:
    """Compressed or not, a payload becomes its value."""
    assert readable_payload(codec.dumps({"a": (1, 2)})) == {"a": [1, 2]}
    assert readable_payload(codec.dumps("x" * 10_000)) == "x" * 10_000
    assert readable_payload(None) is None


@pytest.mark.parametrize("payload", [b"", b"devl", b"devl[", b"nope{}", b"zstd\0\0", b"\xff\xfe"])
def test_damaged_payloads_say_why(payload: bytes) -> None:
    """Bytes that are no payload are an object with the reason."""
    assert readable_payload(payload)["unreadable"].startswith("SERIALIZATION: ")


def test_a_summary_has_a_length() -> None:
    """Long data is cut at the length asked for."""
    assert summary({"a": 1}, 20) == '{"a": 1}'
    assert summary("x" * 100, 10) == '"xxxxxxxx…'
