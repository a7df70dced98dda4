"""Python and JavaScript read what the other writes, and write it again as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.codec.classes_of_an_application import Color, Frozen, Node, OutOfStockError, Pair, Permission
from tests.codec.corpus import (
    BUILT_IN,
    CYCLES,
    NESTED,
    NOT_KEPT_BY_PYTHON,
    OF_LOST_CLASSES,
    OF_THE_SDK,
    PLAIN,
    SPARSE,
    SPELLED_DIFFERENTLY,
    SUBVIEWS,
    WITH_UNDEFINED,
)
from tests.codec.node import Node as NodeProcess
from tests.codec.sameness import is_same
from tests.codec.values import python_values
from torpor import codec
from torpor.codec.values import URL, ArrayBuffer, BigInt, Headers, Kwargs, Map, RegExp, SetEntries, URLSearchParams
from torpor.codec.wire.flatten import DEPTH_MAX
from torpor.errors import FatalError, HookConflictError, RetryableError

ALL = [*PLAIN, *SPARSE, *BUILT_IN, *SUBVIEWS, *OF_THE_SDK, *OF_LOST_CLASSES, *NESTED, *CYCLES]


def text_of(value: object) -> str:
    """Return the text of a value."""
    return codec.unpack_devalue(codec.dumps(value))


def value_of(text: str) -> Any:
    """Return the value of a text."""
    return codec.loads(codec.pack_devalue(text))


@pytest.mark.parametrize("expression", [it for it in ALL if it not in NOT_KEPT_BY_PYTHON])
def test_python_writes_a_value_of_javascript_as_it_was(node: NodeProcess, expression: str) -> None:
    """What Python only hands on does not change by a byte."""
    text = node("write", expression)

    assert text_of(value_of(text)) == text


@pytest.mark.parametrize("expression", sorted(SPELLED_DIFFERENTLY))
def test_a_number_stays_the_same_number(node: NodeProcess, expression: str) -> None:
    """JavaScript reads Python's spelling as the number that it was."""
    assert node("reads", text_of(value_of(node("write", expression))), expression)


@pytest.mark.parametrize("expression", sorted(WITH_UNDEFINED))
def test_python_reads_what_is_undefined(node: NodeProcess, expression: str) -> None:
    """Nothing is lost but the difference between undefined and null."""
    before = node("write", expression)

    after = text_of(value_of(before))

    shown = "JSON.stringify(it ?? null, (_, member) => member ?? null)"
    assert node("look", after, shown) == node("look", before, shown)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("{ a: [1, 1.5, 'x', null, true] }", {"a": [1, 1.5, "x", None, True]}),
        ("[12n, 2n**64n]", [BigInt(12), 2**64]),
        ("new Date(1234567890123)", datetime(2009, 2, 13, 23, 31, 30, 123_000, tzinfo=UTC)),
        ("new Map([[1, 'a'], ['b', 2]])", {1: "a", "b": 2}),
        ("new Map([['a', 1]])", Map(a=1)),
        ("new Map([['__proto__', 1], ['a', 2]])", {"__proto__": 1, "a": 2}),
        ("new Set([1, 'a'])", {1, "a"}),
        ("new Set([1, true])", SetEntries([1, True])),
        ("new Uint8Array([1, 2])", b"\1\2"),
        ("new ArrayBuffer(2)", ArrayBuffer(b"\0\0")),
        ("/a/g", RegExp("a", "g")),
        ("new URL('https://e.x')", URL("https://e.x/")),
        ("new URLSearchParams('a=1')", URLSearchParams("a=1")),
        ("new Headers([['B', '1']])", Headers([("b", "1")])),
    ],
)
def test_python_reads_the_value_that_was_meant(node: NodeProcess, expression: str, value: object) -> None:
    """Each type has its natural counterpart."""
    assert is_same(value_of(node("write", expression)), value)


@pytest.mark.parametrize(
    ("value", "expression", "shown"),
    [
        ({"a": [1, 2.0, None]}, "JSON.stringify(it)", '{"a":[1,2,null]}'),
        (2**64, "String(it)", str(2**64)),
        (b"\1\2", "it instanceof Uint8Array && it.join()", "1,2"),
        (datetime(2009, 2, 13, 23, 31, 30, 123_000, tzinfo=UTC), "it.getTime()", 1234567890123),
        ({1: "a"}, "it instanceof Map && it.get(1)", "a"),
        ({"__proto__": {"x": 1}}, "it instanceof Map && it.x === undefined && it.get('__proto__').x", 1),
        ({"a"}, "it instanceof Set && it.has('a')", True),
        ((1, (2,)), "Array.isArray(it) && it.concat(it[1]).length", 3),
        (frozenset({5}), "it.join()", "5"),
        (Decimal("1.10"), "`${it}` + it.data + JSON.stringify([it])", '1.101.10["1.10"]'),
        (date(2024, 1, 2), "String(it)", "2024-01-02"),
        (timedelta(1, 2, 3), "it.join()", "1,2,3"),
        (UUID(int=1), "it + '!'", "00000000-0000-0000-0000-000000000001!"),
        (Path("a/b"), "it instanceof codec.PythonValue && it.classId", "class//python//Path"),
        (bytearray(b"\1"), "it instanceof Uint8Array && it[0]", 1),
        (Frozen(1, [2]), "JSON.stringify(it)", '{"x":1,"y":[2]}'),
        (Pair(1, 2), "it.first + it.second", 3),
        (Color.RED, "it.name + it.value", "REDr"),
        (Permission.READ | Permission.WRITE, "it.value", 3),
        (Kwargs(a=1), "JSON.stringify(it) + (Object.getPrototypeOf(it) === Object.prototype)", '{"a":1}true'),
    ],
    ids=repr,
)
def test_javascript_sees_the_data_of_a_python_value(
    node: NodeProcess, value: object, expression: str, shown: object
) -> None:
    """Python's own types are read as plain data."""
    assert node("look", text_of(value), expression) == shown


def test_a_python_value_can_be_changed_by_javascript(node: NodeProcess) -> None:
    """What was a dataclass goes back as one, with the fields that it has by then."""
    text = node("look", text_of([Frozen(1, 2)]), "(it[0].x = 'new', stringify(it))")

    assert value_of(text) == [Frozen("new", 2)]


def test_a_copy_of_a_python_value_is_plain(node: NodeProcess) -> None:
    """Identity belongs to the object that was read."""
    text = node("look", text_of([Frozen(1, 2), (1,)]), "stringify([{ ...it[0] }, [...it[1]]])")

    assert value_of(text) == [{"x": 1, "y": 2}, [1]]


def test_an_exception_is_an_error_to_javascript(node: NodeProcess) -> None:
    """Name, message, the traceback as stack, the chain as causes, and attributes as properties."""
    try:
        try:
            raise ValueError("inner")
        except ValueError as error:
            raise OutOfStockError("sku-1") from error
    except OutOfStockError as error:
        text = text_of([error])

    assert node("look", text, "it[0] instanceof Error && it[0].name") == "OutOfStockError"
    assert node("look", text, "it[0].message") == "sku-1 is out of stock"
    assert node("look", text, "it[0].stack").startswith("Traceback (most recent call last):\n")
    assert node("look", text, "`${it[0].cause}`") == "ValueError: inner"
    assert node("look", text, "JSON.stringify({ ...it[0] })") == '{"sku":"sku-1","left":0}'


def test_an_implicit_context_is_a_cause_unless_suppressed(node: NodeProcess) -> None:
    """As Python's own tracebacks show it."""
    error = ValueError("v")
    error.__context__ = KeyError("k")

    assert node("look", text_of(error), "it.cause.name") == "KeyError"
    error.__suppress_context__ = True
    assert node("look", text_of(error), "'cause' in it") is False


def test_a_group_has_errors(node: NodeProcess) -> None:
    """Its members are where an AggregateError has them."""
    group = ExceptionGroup("g", [ValueError("a"), TypeError("b")])

    assert node("look", text_of(group), "it.errors.map(String).join()") == "ValueError: a,TypeError: b"


def test_an_exception_comes_back_with_what_was_added_to_its_stack(node: NodeProcess) -> None:
    """Class and attributes survive the way through JavaScript, and so does the place where it was called from."""
    text = node("look", text_of(OutOfStockError("a", left=3)), "(it.stack += '\\n    at main', stringify(it))")

    read = value_of(text)

    assert (type(read), read.sku, read.left) == (OutOfStockError, "a", 3)
    assert text_of(read) == text
    assert "\\n    at main" in text


@pytest.mark.parametrize(
    ("error", "name"), [(FatalError("m"), "FatalError"), (RetryableError("m", retry_after=5), "RetryableError")]
)
def test_errors_of_both_languages_are_recognised(node: NodeProcess, error: Exception, name: str) -> None:
    """``FatalError.is`` and ``instanceof`` find Python's."""
    text = text_of(error)

    assert node("look", text, f"codec.{name}.is(it) && it instanceof codec.{name}")
    assert not node("look", text, "codec.HookConflictError.is(it)")


def test_a_retry_time_is_a_date_to_javascript(node: NodeProcess) -> None:
    """And a datetime again when it comes back."""
    when = datetime(2024, 1, 1, tzinfo=UTC)
    text = text_of(RetryableError("m", retry_after=when))

    assert node("look", text, "it.retryAfter.toISOString()") == "2024-01-01T00:00:00.000Z"
    assert value_of(node("rewrite", [text])[0]["returned"]).retry_after == when


def test_a_hook_conflict_is_one_to_javascript(node: NodeProcess) -> None:
    """Token and run have the names of the SDK."""
    text = text_of(HookConflictError("t", "wrun_1"))

    assert node("look", text, "it.token + it.conflictingRunId + it.name") == "twrun_1HookConflictError"


def test_a_cycle_of_dataclasses_is_closed_by_javascript(node: NodeProcess) -> None:
    """And by Python after it."""
    root = Node("root")
    root.children.append(Node("leaf", parent=root))
    text = text_of(root)

    assert node("look", text, "it.children[0].parent === it")
    read = value_of(node("rewrite", [text])[0]["returned"])
    assert read.children[0].parent is read


@pytest.mark.parametrize("around", [lambda inner: [inner], lambda inner: (inner,), lambda inner: {1: inner}])
def test_both_have_the_same_bound_for_nesting(node: NodeProcess, around: Callable[[object], object]) -> None:
    """The deepest value that Python writes, JavaScript reads and writes, and Python reads again."""
    value: object = None
    # The root list is one level; a tuple or Map takes three or four: itself, its payload, and what is in that.
    levels = (DEPTH_MAX - 2) // {"list": 1, "tuple": 3, "dict": 3}[type(around(None)).__name__]
    for _ in range(levels):
        value = around(value)
    text = text_of([value, *([] for _ in range(100))])

    assert node("rewrite", [text])[0] == {"returned": text}
    assert text_of(value_of(text)) == text


# ── Whatever Python has ───────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=300, deadline=None)
@given(python_values)
def test_any_value_comes_back_as_it_was(value: object) -> None:
    """Types and contents survive, all the way down."""
    assert is_same(codec.loads(codec.dumps(value)), value)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(python_values, max_size=3))
def test_any_value_survives_the_way_through_javascript(node: NodeProcess, value: list[object]) -> None:
    """JavaScript reads it, writes it, and Python reads the same. Keys of objects may change their order."""
    text = node("rewrite", [text_of(value)])[0]["returned"]

    assert sorted_keys(value_of(text)) == sorted_keys(value)


def sorted_keys(value: Any) -> Any:
    """Return a value with types beside the contents, whatever the order of keys and members."""
    if isinstance(value, dict):
        pairs = [(sorted_keys(key), sorted_keys(member)) for key, member in value.items()]
        return type(value), sorted(pairs, key=repr)
    if isinstance(value, set | frozenset):
        return type(value), sorted(map(sorted_keys, value), key=repr)
    if isinstance(value, list | tuple):
        return type(value), [sorted_keys(member) for member in value]
    if isinstance(value, Frozen):
        return Frozen, sorted_keys(value.x), sorted_keys(value.y)
    return type(value), value
