"""The types of values, written by Python and read again; and what JavaScript sees of them."""

from __future__ import annotations

import threading
from array import array, typecodes
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from tests.codec.sameness import is_same, there_and_back
from tests.names import short
from torpor import codec
from torpor.codec.values import (
    URL,
    ArrayBuffer,
    BigInt,
    Boxed,
    ClassReference,
    DataView,
    DateText,
    Float16Array,
    Headers,
    Instance,
    Map,
    MapEntries,
    NullPrototype,
    RegExp,
    SetEntries,
    StepFunction,
    Uint8ClampedArray,
    URLSearchParams,
    WorkflowFunction,
)
from torpor.errors import SerializationError

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    "value",
    [
        2**53 - 1,
        2**53,
        -(2**53),
        10**4000,
        b"",
        b"\0\xff",
        bytearray(b"ab"),
        set(),
        {1, "a", (2, 3)},
        {1: "a", (2, 3): None, None: [], "s": 1.5},
        {True: 1, 2: 2},
        (),
        (1, (2.0, "x"), [None]),
        frozenset(),
        frozenset({1, frozenset({2})}),
        datetime(2024, 5, 6, 7, 8, 9, 10_000, tzinfo=UTC),
        datetime(2024, 5, 6, 7, 8, 9, 10_001, tzinfo=UTC),
        datetime(2024, 5, 6, 7, 8, 9),  # noqa: DTZ001 - naive ones have to work too
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2024, 5, 6, tzinfo=timezone(timedelta(hours=-3, minutes=-30, seconds=-5))),
        date(2024, 2, 29),
        time(1, 2, 3, 4),
        time(1, 2, tzinfo=UTC),
        timedelta(days=-1, microseconds=1),
        timedelta.max,
        Decimal("1.10"),
        Decimal("-Infinity"),
        Decimal("1E+400"),
        UUID(int=5),
        complex(1.5, -0.0),
        range(5, -5, -2),
        Path("a") / "b c",
        PurePosixPath("/a"),
        PureWindowsPath(r"c:\a"),
        array("h", [-1, 2]),
        array("d", [0.1]),
        array("Q", [2**64 - 1]),
        array("B", [1, 255]),
        BigInt(12),
        Map(a=1),
        Map(),
        MapEntries([({"a": 1}, 2), ([], 3)]),
        SetEntries([{"a": 1}, [], 1, True]),
        NullPrototype(a=1),
        Boxed(True),
        RegExp("a+", "gi"),
        URL("https://host.example/p?q=<"),
        URLSearchParams(""),
        URLSearchParams("a=1&a=2"),
        Headers([("x-a", "1"), ("x-b", "2")]),
        Headers(),
        ArrayBuffer(b"ab"),
        Uint8ClampedArray(b"ab"),
        Float16Array(b"ab"),
        DataView(b"ab"),
        DateText("."),
        DateText("+010000-01-01T00:00:00.000Z"),
        Instance("class//./p//Point", {"x": [1]}),
        ClassReference("class//./p//Point"),
        StepFunction("step//./x//add", {"closureVars": {"a": 1}, "boundThis": None}),
        WorkflowFunction("workflow//./x//main"),
    ],
    ids=lambda value: f"{type(value).__name__} {short(value)}",
)
def test_a_value_comes_back_as_it_was(value: object) -> None:
    """Type and contents are the same, at the root and inside a container."""
    assert is_same(there_and_back(value), value)
    assert is_same(there_and_back([{"a": value}, value]), [{"a": value}, value])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**53 + 1, '[["BigInt",1],"9007199254740993"]'),
        (b"\1\2\3", '[["Uint8Array",1],"AQID"]'),
        (b"", '[["Uint8Array",1],"."]'),
        (array("h", [1, 2]), '[["Int16Array",1],"AQACAA=="]'),
        (datetime(1970, 1, 1, tzinfo=UTC), '[["Date",1],"1970-01-01T00:00:00.000Z"]'),
        (DateText("."), '[["Date",1],"."]'),
        ({1: "a"}, '[["Map",1],[2],[3,4],1,"a"]'),
        ({1}, '[["Set",1],[2],1]'),
        (RegExp("a+", "gi"), '[["RegExp",1],{"source":2,"flags":3},"a+","gi"]'),
        (URL("https://e.x/p"), '[["URL",1],"https://e.x/p"]'),
        (URLSearchParams(""), '[["URLSearchParams",1],"."]'),
        (Headers([("X-A", "1")]), '[["Headers",1],[2],[3,4],"x-a","1"]'),
        (StepFunction("step//./x//add"), '[["StepFunction",1],{"stepId":2},"step//./x//add"]'),
        (WorkflowFunction("workflow//./x//main"), '[["WorkflowFunction",1],{"workflowId":2},"workflow//./x//main"]'),
        (ClassReference("class//./p//Point"), '[["Class",1],{"classId":2},"class//./p//Point"]'),
        (
            Instance("class//./p//Point", {"x": 1, "y": 2}),
            '[["Instance",1],{"classId":2,"data":3},"class//./p//Point",{"x":4,"y":5},1,2]',
        ),
        ((1, 2), '[["Instance",1],{"classId":2,"data":3},"class//python//tuple",[4,5],1,2]'),
        (Decimal("1.10"), '[["Instance",1],{"classId":2,"data":3},"class//python//Decimal","1.10"]'),
        (date(2024, 1, 2), '[["Instance",1],{"classId":2,"data":3},"class//python//date","2024-01-02"]'),
        (timedelta(1, 2, 3), '[["Instance",1],{"classId":2,"data":3},"class//python//timedelta",[4,5,6],1,2,3]'),
    ],
    ids=repr,
)
def test_a_value_has_the_text_of_the_wire_format(value: object, text: str) -> None:
    """Stored values outlive releases, so their texts do not change."""
    assert codec.unpack_devalue(codec.dumps(value)) == f"devl{text}"


def test_an_equal_big_int_is_written_once() -> None:
    """A BigInt is a primitive of JavaScript and shares its element by value."""
    assert codec.unpack_devalue(codec.dumps([2**64, 2**64])) == 'devl[[1,1],["BigInt",2],"18446744073709551616"]'


def test_a_datetime_with_milliseconds_in_utc_is_a_date() -> None:
    """Any other has more to it than a Date can hold, and keeps it as a Python type."""
    text = codec.unpack_devalue(codec.dumps(datetime(2024, 1, 1, tzinfo=BERLIN)))

    assert '"class//python//datetime","2024-01-01T00:00:00+01:00[Europe/Berlin]"' in text


@pytest.mark.parametrize("fold", [0, 1])
def test_the_zone_and_the_second_reading_of_a_clock_survive(fold: int) -> None:
    """When clocks were set back, both times that they showed keep their zone and their offset."""
    value = datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN, fold=fold)

    read = there_and_back(value)

    assert read.tzinfo is BERLIN
    assert (read, read.fold, read.utcoffset()) == (value, fold, value.utcoffset())


def test_the_fold_of_a_naive_datetime_survives() -> None:
    """It matters as soon as the datetime is given a zone."""
    assert there_and_back(datetime(2024, 10, 27, 2, 30, fold=1)).fold == 1  # noqa: DTZ001 - naive on purpose
    assert there_and_back(time(2, 30, fold=1)).fold == 1


def test_a_shared_value_of_a_python_type_stays_shared() -> None:
    """The same tuple twice is the same tuple twice."""
    shared = ([1],)

    first, second = there_and_back([shared, shared])

    assert first is second


def test_deep_python_types_cost_no_recursion() -> None:
    """A thousand tuples inside one another are written and read."""
    value: tuple[Any, ...] = ()
    for _ in range(1_500):
        value = (value,)

    read = there_and_back(value)

    depth = 0
    while read:
        read, depth = read[0], depth + 1
    assert depth == 1_500


class _Opaque:
    pass


@dataclass(slots=True)
class Broken:
    """A dataclass that can lack its field."""

    x: int


def _local_class() -> object:
    @dataclass
    class Local:
        x: int = 1

    return Local()


def _numeric(name: str, base: type, methods: str) -> object:
    """Return an instance of a class that looks like one of a package for numbers."""
    return type(name, (base,), {method: lambda self: self for method in methods.split()})()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (_Opaque(), r"is a .*_Opaque, which cannot be stored; .*dataclass"),
        (_local_class(), r"Local, which cannot be stored; define its class at module level"),
        (print, r"builtin_function_or_method, .*; code does not travel"),
        (_Opaque, r"is a type, .*; code does not travel"),
        ((x for x in "ab"), r"is a generator, .*; make it a list"),
        (map(str, "ab"), r"is a map, .*; make it a list"),
        ({}.keys(), r"is a dict_keys, .*; make it a list"),
        (StringIO("x"), r"is a _io\.StringIO, .*; it belongs to this process; pass what it is made from or holds"),
        (threading.Lock(), r"is a _thread\.lock, .*; it belongs to this process"),
        (threading, r"is a module, .*; it belongs to this process"),
        (_numeric("float64", float, "item tolist"), r"float64, .*; pass a value of Python's: \.item\(\) makes one"),
        (_numeric("ndarray", object, "item tolist __setitem__"), r"ndarray, .*plain values: \.tolist\(\) makes a list"),
        (_numeric("DataFrame", object, "to_dict"), r"DataFrame, .*plain values: \.to_dict\(\) makes a dict of it"),
        (memoryview(array("h", [1])), r"a memoryview of format 'h' cannot be stored; use its cast\('B'\)"),
        (type("Text", (str,), {})("x"), r"Text, .*; a subclass would come back as str; convert it with str"),
        (array("w" if "w" in typecodes else "u", "a"), r"an array of type '[uw]' cannot be stored; make it a str"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_stored_is_named_with_its_place_and_a_way_out(value: object, complaint: str) -> None:
    """The message has the path, the type and what to do."""
    with pytest.raises(SerializationError, match=rf"^\.args\[0\]\.when\b.*{complaint}"):
        codec.dumps({"args": [{"when": value}]})


def test_an_awaitable_is_told_from_other_objects() -> None:
    """The commonest mistake has the shortest advice."""

    async def work() -> None:
        """Do nothing."""

    coroutine = work()
    with pytest.raises(SerializationError, match="await it first"):
        codec.dumps([coroutine])
    coroutine.close()


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (_Opaque(), "value"),
        ([[_Opaque()]], "[0][0]"),
        ({"a b": _Opaque()}, '["a b"]'),
        ({1: {"k": _Opaque()}}, ".get(1).k"),
        ({(1, 2): _Opaque()}, ".get((1, 2))"),
        (Map(k=_Opaque()), ".get('k')"),
        ((0, {"x": _Opaque()}), "[1].x"),
        (StepFunction("s", {"closureVars": {"f": _Opaque()}}), ".closureVars.f"),
        (NullPrototype(a=1, b=_Opaque()), ".b"),
        (Boxed([_Opaque()]), "[0]"),
    ],
)
def test_the_path_leads_to_the_value(value: object, path: str) -> None:
    """Through lists, dicts, Maps, tuples and the payloads of reducers."""
    with pytest.raises(SerializationError) as caught:
        codec.dumps(value)

    assert str(caught.value).startswith(f"{path} is a ")


def test_a_value_that_fails_to_be_read_is_named_with_its_place() -> None:
    """A dataclass may compute its fields, and computing may fail."""
    broken = Broken.__new__(Broken)

    with pytest.raises(SerializationError, match=r"^\.it is a .*Broken that cannot be read: .*'x'"):
        codec.dumps({"it": broken})


def test_a_zone_without_a_name_is_refused() -> None:
    """No other process could look it up."""

    class Zone(tzinfo):
        def utcoffset(self, _: datetime | None) -> timedelta:
            return timedelta()

        def dst(self, _: datetime | None) -> None:
            return None

        def tzname(self, _: datetime | None) -> None:
            return None

    with pytest.raises(SerializationError, match=r"^\[0\]: its zone is a .*Zone, .*use zoneinfo"):
        codec.dumps([datetime(2024, 1, 1, tzinfo=Zone())])


def test_an_int_that_python_refuses_to_print_is_refused() -> None:
    """Beyond some thousand digits printing takes quadratic time."""
    with pytest.raises(SerializationError, match=r"^\[0\]: an int of 33220 bits is too large"):
        codec.dumps([1 << 33219])


def test_headers_are_found_by_any_case() -> None:
    """Names are lower-case on the wire, and values of one name are joined."""
    headers = Headers([("X-A", "1"), ("x-a", "2")])

    assert headers.get("X-a") == "1, 2"
    assert headers.get("other", "none") == "none"


def test_search_parameters_are_decoded() -> None:
    """Pairs keep their order and blank values."""
    assert URLSearchParams("a=1&b=&a=%20").pairs() == [("a", "1"), ("b", ""), ("a", " ")]
