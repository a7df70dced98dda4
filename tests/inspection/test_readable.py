"""Payloads as JSON data."""

from __future__ import annotations

import enum
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest

from torpor import codec
from torpor.codec.values import BigInt, Boxed, ClassReference, DateText, Instance, RegExp, RunReference, StepFunction
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


class Size(NamedTuple):
    """A named tuple."""

    width: int


class RefusalError(Exception):
    """An exception."""


@codec.serializable(version=3, name="shop/Parcel")
class Parcel:
    """A registered class."""

    def __init__(self, size: Size) -> None:
        self.size = size


class Grams:
    """A class that is read by a function."""


codec.register(Grams, lambda _: 5, lambda _: fail("nobody's code runs"))


def fail(why: str) -> Any:
    """Fail a test."""
    raise AssertionError(why)


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
        (RegExp("a+", "g"), "/a+/g"),
        (DateText("."), "."),
        (Boxed("x"), "x"),
        (Instance("class//./p//Point", {"x": 1}), {"$class": "./p.Point", "x": 1}),
        (Instance("class//./p//Point", [1, 2]), {"$class": "./p.Point", "$data": [1, 2]}),
        (Instance("class//./p//Point", {"$class": 1}), {"$class": "./p.Point", "$data": {"$class": 1}}),
        (RunReference("wrun_1"), {"run": "wrun_1"}),
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


HERE = "tests.inspection.test_readable" if __name__.startswith("tests.") else __name__


@pytest.mark.parametrize(
    ("value", "shown", "text"),
    [
        (Point(1, [2]), {"$class": f"{HERE}.Point", "x": 1, "y": [2]}, "Point(x=1, y=[2])"),
        (Colour.RED, {"$class": f"{HERE}.Colour", "name": "RED", "value": "red"}, 'Colour(name="RED", value="red")'),
        (Size(3), {"$class": f"{HERE}.Size", "width": 3}, "Size(width=3)"),
        (
            Parcel(Size(3)),
            {"$class": "shop/Parcel", "size": {"$class": f"{HERE}.Size", "width": 3}},
            "shop/Parcel(size=Size(width=3))",
        ),
        (Grams(), {"$class": f"{HERE}.Grams", "$data": 5}, "Grams(5)"),
    ],
)
def test_instances_are_shown_by_class_and_fields(value: object, shown: object, text: str) -> None:
    """As they are stored: the class is not asked, not even one that is loaded here."""
    assert readable_payload(codec.dumps([value])) == [shown]
    assert summary(shown, 100) == text


@pytest.mark.parametrize(
    ("old", "new"),
    [("Point", "Gone"), (f"{HERE}:Point", "gone.module:Point"), ("dataclass", "model"), ("dataclass", "novelty")],
)
def test_a_class_that_is_nowhere_is_shown_too(old: str, new: str) -> None:
    """Whatever has become of class, module or kind since."""
    payload = codec.dumps(Point(1, "y")).replace(old.encode(), new.encode())
    assert payload != codec.dumps(Point(1, "y"))

    shown = readable_payload(payload)

    assert (shown["x"], shown["y"]) == (1, "y")


def test_an_instance_in_a_cycle_is_shown() -> None:
    """Once, and then as the same again."""
    point = Point(1, None)
    point.y = {"back": point}

    assert readable_payload(codec.dumps(point))["y"] == {"back": "<the same again>"}


def test_a_value_that_does_not_fit_its_kind_is_shown_as_it_is_stored() -> None:
    """A time zone that this machine does not know, for instance."""
    payload = codec.dumps([ZoneInfo("Europe/Oslo"), 1]).replace(b"Europe/Oslo", b"Moon/Crater")

    assert readable_payload(payload) == [{"$class": "ZoneInfo", "$data": "Moon/Crater"}, 1]


def test_exceptions_of_an_application_are_shown() -> None:
    """By name, message, stack and members, without their classes."""
    try:
        raise RefusalError("no") from KeyError("why")
    except RefusalError as error:
        shown = readable_payload(codec.dumps(ExceptionGroup("both", [error])))

    [member] = shown["errors"]
    assert (member["name"], member["message"], member["cause"]["name"]) == ("RefusalError", "no", "KeyError")
    assert "test_readable.py" in member["stack"]


def test_a_summary_has_a_length() -> None:
    """Long data is cut at the length asked for."""
    assert summary({"a": 1}, 20) == '{"a": 1}'
    assert summary("x" * 100, 10) == '"xxxxxxxx…'
