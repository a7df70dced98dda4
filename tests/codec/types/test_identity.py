"""Python values that come back as what they were: types, contents, sharing, and as deep as they went."""

from __future__ import annotations

import gc
import json
import re
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from ipaddress import ip_address, ip_interface, ip_network
from math import isnan
from pathlib import PurePosixPath
from types import SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.classes_of_an_application import (
    Address,
    Attrs,
    Base,
    Box,
    Color,
    Customer,
    Derived,
    Frozen,
    FrozenAttrs,
    Holder,
    Item,
    Kind,
    Level,
    Money,
    Named,
    Node,
    Order,
    Permission,
    Point,
    Temperature,
)
from tests.codec.node import Node as NodeProcess
from tests.codec.sameness import is_same, there_and_back
from tests.names import short
from torpor import codec
from torpor.codec.requests import Request, Response
from torpor.codec.values import Handle, Kwargs, ReadableStream, RegExp, RunReference
from torpor.errors import SerializationError

IP_VALUES = [
    *map(ip_address, ("1.2.3.4", "::1", "fe80::1%eth0")),
    *map(ip_network, ("10.0.0.0/8", "2001:db8::/32")),
    *map(ip_interface, ("10.0.0.1/8", "2001:db8::1/32")),
]


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict([("b", 1), ("a", [2])]),
        OrderedDict({1: 2}),
        OrderedDict(),
        Counter("abba"),
        Counter({1: 5}),
        defaultdict(list, {"a": [1]}),
        defaultdict(None, {2: 3}),
        deque([1, 2], maxlen=3),
        deque(),
        ChainMap({"a": 1}, {"b": 2}),
        SimpleNamespace(a=1, b=[2]),
        Fraction(-1, 3),
        ZoneInfo("Europe/Berlin"),
        *IP_VALUES,
        UTC,
        timezone(timedelta(hours=2)),
        timezone(timedelta(hours=2), "CEST"),
        datetime(2024, 7, 1, tzinfo=timezone(timedelta(hours=2), "CEST")),
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        memoryview(b"abc"),
        Kwargs(limit=5),
        Kwargs(),
        RunReference("wrun_1"),
        Box(content=(1, 2), count=3),
        Derived(one=5, two=[6]),
        Base(),
        Named([1]),
        Attrs({"a": (1,)}, [2], 6),
        FrozenAttrs(5),
        Order(sku="a"),
    ],
    ids=lambda value: f"{type(value).__name__} {short(value)}",
)
def test_a_value_comes_back_with_type_and_content(value: Any) -> None:
    """Alone, and inside containers."""
    for read in (there_and_back(value), there_and_back({"in": [value]})["in"][0]):
        assert type(read) is type(value)
        assert read == value


def test_what_a_collection_was_made_with_survives() -> None:
    """Order of keys, length of a deque, factory of a defaultdict, zone and fold."""
    assert list(there_and_back(OrderedDict([("b", 1), ("a", 2)]))) == ["b", "a"]
    assert there_and_back(deque([1], maxlen=3)).maxlen == 3
    assert there_and_back(defaultdict(list))["new"] == []
    assert there_and_back(defaultdict(None)).default_factory is None
    assert there_and_back(defaultdict(Counter)).default_factory is Counter
    folded = there_and_back(datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1))
    assert (folded.tzinfo, folded.fold) == (ZoneInfo("Europe/Berlin"), 1)
    assert there_and_back(datetime(2024, 7, 1, tzinfo=timezone(timedelta(0), "GMT"))).tzname() == "GMT"
    assert there_and_back(datetime(2024, 7, 1, tzinfo=timezone(timedelta(0), "a]b\n["))).tzname() == "a]b\n["
    assert there_and_back(Attrs(1, [], 9))._hidden == 9


def test_a_factory_that_is_no_type_of_pythons_is_refused() -> None:
    """It would be code that travels; and no text can have another one called."""
    with pytest.raises(
        SerializationError, match=r"^\.a: its default_factory is <function .*use one of Python's own types"
    ):
        codec.dumps({"a": defaultdict(lambda: Item("a"))})
    text = codec.unpack_devalue(codec.dumps(defaultdict(list))).replace("builtins:list", "subprocess:Popen")
    with pytest.raises(SerializationError, match="makes its defaults with subprocess:Popen, which is refused"):
        codec.loads(codec.pack_devalue(text))


def test_a_fraction_in_powers_of_ten_is_refused() -> None:
    """A few characters could ask for a number of a gigabyte."""
    text = codec.unpack_devalue(codec.dumps(Fraction(1, 3))).replace("1/3", "1e999999999")

    with pytest.raises(SerializationError, match="is no Instance"):
        codec.loads(codec.pack_devalue(text))


def around_in_a_cycle(kind: type, make: Any) -> Any:
    """Return a value of a kind that holds itself."""
    value = make()
    if isinstance(value, deque):
        value.append(value)
    elif isinstance(value, ChainMap):
        value["self"] = value
    elif isinstance(value, SimpleNamespace):
        value.self = value
    else:
        value["self"] = value
    assert isinstance(value, kind)
    return value


@pytest.mark.parametrize("kind", [OrderedDict, deque, ChainMap, SimpleNamespace, defaultdict, Counter])
def test_a_collection_in_itself_is_closed(kind: type) -> None:
    """As lists and dicts are."""
    read: Any = there_and_back(around_in_a_cycle(kind, kind))

    inner = read[0] if kind is deque else read.self if kind is SimpleNamespace else read["self"]
    assert type(read) is kind
    assert inner is read


@pytest.mark.parametrize("keys", [[1], ["a", 1], [(1,)], [None, 2.5]], ids=repr)
def test_a_dict_with_other_keys_in_itself_is_a_dict_again(keys: list[Any]) -> None:
    """And no Map, which is what JavaScript's with texts for keys are."""
    around: dict[Any, Any] = dict.fromkeys(keys)
    around[keys[0]] = [around]

    read: Any = there_and_back(around)

    assert type(read) is dict
    assert read[keys[0]][0] is read
    assert list(read) == keys


LEVELS = 1_000


def _mixed(inner: Any, at: int) -> Any:
    wrappers: list[Callable[[Any], Any]] = [
        lambda value: [value],
        lambda value: {"in": value},
        lambda value: (value,),
        Frozen,
        lambda value: Box(content=value),
        Attrs,
        lambda value: deque([value]),
        lambda value: {1: value},
        Named,
        lambda value: SimpleNamespace(content=value),
    ]
    return wrappers[at % len(wrappers)](inner)


@pytest.mark.parametrize(
    "around",
    [
        lambda inner, _: [inner],
        lambda inner, _: {"in": inner},
        lambda inner, _: Frozen(inner),
        lambda inner, _: Node("n", inner),
        lambda inner, _: Attrs(inner),
        lambda inner, _: (inner,),
        _mixed,
    ],
    ids=["list", "dict", "slots", "dataclass", "attrs", "tuple", "mixed"],
)
def test_a_thousand_levels_cost_no_recursion(around: Any) -> None:
    """What is written again of what was read is the same text."""
    value: Any = None
    for at in range(LEVELS):
        value = around(value, at)

    data = codec.dumps(value)

    assert codec.dumps(codec.loads(data)) == data
    gc.collect()


# ── Anything at all ───────────────────────────────────────────────────────────────────────────────────────────────────

ZONES = st.sampled_from(
    [None, UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), timezone(timedelta(hours=3))]
)
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

HASHABLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.text(alphabet=st.characters(categories=["Cs", "Ll"]), max_size=3).filter(lambda text: not PAIR.search(text)),
    st.binary(max_size=8),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.complex_numbers(allow_nan=False),
    st.fractions(),
    st.sampled_from([*Color, *Level, *Kind, *Permission, Permission.READ | Permission.WRITE]),
    st.builds(PurePosixPath, st.text(alphabet="ab/.", max_size=5)),
    st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3)),
)
KEYS = st.one_of(HASHABLE, st.just("__proto__"))


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(inner, max_size=4)
    return st.one_of(
        lists,
        lists.map(tuple),
        lists.map(deque),
        st.dictionaries(st.one_of(st.text(max_size=3), st.just("__proto__")), inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3),
        st.dictionaries(KEYS, inner, max_size=3).map(OrderedDict),
        st.sets(HASHABLE, max_size=3),
        st.frozensets(HASHABLE, max_size=3),
        st.builds(Frozen, inner, inner),
        st.builds(Box, content=inner),
        st.builds(Node, st.text(max_size=2), inner),
        st.builds(Attrs, inner),
        st.builds(Point, inner),
        st.builds(Named, inner),
        lists.map(lambda members: ValueError(*members)),
    )


VALUES = st.recursive(HASHABLE, _containers, max_leaves=12)


def told(value: Any) -> Any:  # noqa: PLR0911 - one for each kind of value
    """Return a value as plain data in which different types differ, so that two values can be compared."""
    kind = type(value).__qualname__
    match value:
        case Enum() | None:
            return kind, repr(value)
        case BaseException():
            return kind, [told(member) for member in value.args]
        case dict():
            return kind, [(told(key), told(member)) for key, member in value.items()]
        case list() | tuple() | deque():
            return kind, [told(member) for member in value]
        case set() | frozenset():
            return kind, sorted(repr(told(member)) for member in value)
        case Frozen() | Box() | Node() | Attrs():
            names = (
                ["x", "y", "_hidden"] if isinstance(value, Attrs) else list(vars(type(value))["__dataclass_fields__"])
            )
            return kind, [(name, told(getattr(value, name))) for name in names]
        case datetime() | time():
            return kind, repr(value), value.fold
        case float():
            return kind, value.hex()
        case _:
            return kind, repr(value)


@pytest.mark.parametrize("value", ["\ud800\udc00", ["a\ud83d\ude00b"], {"\udbff\udfff": 1}, "\ud800\ud800\udc00"])
def test_two_halves_of_a_pair_are_refused(value: object) -> None:
    """Side by side they would come back as one character; apart they survive."""
    with pytest.raises(SerializationError, match=r"two halves of a surrogate pair.*one character"):
        there_and_back(value)
    assert there_and_back("\udc00\ud800\ud800") == "\udc00\ud800\ud800"
    assert there_and_back(["\ud800", "\udc00"]) == ["\ud800", "\udc00"]


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_any_value_comes_back_as_it_was(value: Any) -> None:
    """Types, contents and order, all the way down."""
    assert told(there_and_back(value)) == told(value)


@settings(max_examples=100, deadline=None)
@given(st.lists(_containers(HASHABLE), min_size=1, max_size=3), st.data())
def test_shared_objects_stay_shared(members: list[Any], data: st.DataObject) -> None:
    """The same object twice is read as the same object twice, an equal one as another."""
    order = data.draw(st.lists(st.integers(0, len(members) - 1), min_size=1, max_size=8))
    value = [members[at] for at in order]

    read = there_and_back(value)

    for one, mine in zip(value, read, strict=True):
        for other, theirs in zip(value, read, strict=True):
            assert (one is other) == (mine is theirs) or not _has_identity(one)


def _has_identity(value: object) -> bool:
    return not isinstance(value, tuple | frozenset | ValueError)  # the empty ones are single objects anyhow


def test_nan_is_itself() -> None:
    """NaN is not equal to itself, so that the other tests leave it out."""
    nan, decimal, number = there_and_back([float("nan"), Decimal("sNaN"), complex("nan+1j")])

    assert isnan(nan)
    assert decimal.is_snan()
    assert number.imag == 1


# ── Through JavaScript ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict([(2, "b"), (1, "a")]),
        Counter("abba"),
        defaultdict(list, {1: [2]}),
        deque([1, 2], maxlen=3),
        ChainMap[Any, Any]({"a": 1}, {2: "b"}),
        SimpleNamespace(a=(1,)),
        Fraction(1, 3),
        timezone(timedelta(hours=2), "CEST"),
        ZoneInfo("Europe/Berlin"),
        memoryview(b"abc"),
        Kwargs(limit=5),
        Attrs({"a": (1,)}, [2]),
        Box(content=(1, 2)),
        Derived(two=[6]),
        Customer.model_validate({"fullName": "Ada", "address": {"city": "London"}, "extra": [1]}),
        Money(5),
        Temperature(1.5),
        Holder(datetime(2024, 5, 6, tzinfo=UTC)),
        Holder({1: 2}),
        Holder((1, 2)),
        Holder(Decimal("1.10")),
        Holder({3}),
        Holder(RegExp("a+", "g")),
    ],
    ids=lambda value: f"{type(value).__name__} {short(value)}",
)
def test_a_value_comes_back_through_javascript(node: NodeProcess, value: Any) -> None:
    """Type and content, and what Python keeps beside them."""
    (answer,) = node("rewrite", [codec.unpack_devalue(codec.dumps([value]))])
    read = codec.loads(codec.pack_devalue(answer["returned"]))[0]

    assert type(read) is type(value)
    assert read == value
    if isinstance(value, Customer):
        assert read.model_fields_set == value.model_fields_set


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (OrderedDict(a=1), {"a": 1}),
        (Counter("aab"), {"a": 2, "b": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (deque([1, 2]), [1, 2]),
        (ChainMap({"a": 1}, {"b": 2}), [{"a": 1}, {"b": 2}]),
        (SimpleNamespace(a=1), {"a": 1}),
        (Fraction(1, 3), "1/3"),
        (ZoneInfo("Europe/Berlin"), "Europe/Berlin"),
        (timezone(timedelta(hours=1)), [[0, 3600, 0], "UTC+01:00"]),
        (Kwargs(a=1), {"a": 1}),
        (Attrs(1, [2]), {"x": 1, "y": [2], "_hidden": 5}),
        (Address(city="x"), {"city": "x", "since": None}),
        (Money(5), {"cents": 5, "currency": "EUR"}),
        (Temperature(1.5), {"degrees": 1.5}),
        (Holder("text"), "text"),
    ],
    ids=short,
)
def test_javascript_sees_plain_data(node: NodeProcess, value: Any, shown: Any) -> None:
    """As the table in docs/values.md has it."""
    assert json.loads(node("look", codec.unpack_devalue(codec.dumps(value)), "JSON.stringify(it)")) == shown


# ── What lives elsewhere ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        (
            'devl[["Request",1],{"method":2,"url":3,"headers":4,"body":9,"duplex":13},"GET","https://host.example/",'
            '["Headers",5],[6],[7,8],"x-a","1",["ReadableStream",10],{"name":11,"type":12},"s1","bytes","half"]'
        ),
        (
            'devl[["Response",1],{"type":2,"url":3,"status":4,"statusText":5,"headers":6,"body":8,"redirected":9},'
            '"default","https://host.example/",200,"OK",["Headers",7],[],null,false]'
        ),
        'devl[["WritableStream",1],{"name":2,"runId":3,"public":4},"out","wrun_1",true]',
        (
            'devl[["AbortController",1],{"streamName":2,"hookToken":3,"aborted":4,"reason":5},"s","t",true,'
            '["Error",6],{"name":7,"message":8,"stack":9},"Error","late","S"]'
        ),
        'devl[["AbortSignal",1],{"streamName":2,"hookToken":3,"aborted":4,"reason":-1},"s","t",false]',
    ],
)
def test_a_handle_goes_back_as_it_came(text: str) -> None:
    """All fields of it, in their order."""
    read = codec.loads(codec.pack_devalue(text))

    assert isinstance(read, Handle)
    assert codec.unpack_devalue(codec.dumps(read)) == text


def test_the_fields_of_a_handle_are_its_attributes() -> None:
    """Under the names that JavaScript gives them."""
    request = there_and_back(Request.of({"method": "PUT", "body": ReadableStream({"name": "s"})}))
    response = there_and_back(Response.of({"statusText": "OK"}))

    assert (request.method, request.body.name, response.statusText) == ("PUT", "s", "OK")
    with pytest.raises(AttributeError, match="the Response has no field 'status'"):
        _ = response.status


def test_equal_handles_of_different_kinds_differ() -> None:
    """A controller is not its signal."""
    assert Request.of({"url": "x"}) == Request.of({"url": "x"})
    response: Handle = Response.of({"url": "x"})
    assert response != Request.of({"url": "x"})


def test_a_frozen_dataclass_is_a_key_again() -> None:
    """Its hash is that of its fields."""
    key = Frozen("a", UUID(int=1))

    assert there_and_back({key: date(2024, 1, 1)})[replace(key)] == date(2024, 1, 1)


def test_sameness_looks_at_types() -> None:
    """The comparison of these tests tells 1 from True and from 1.0."""
    assert is_same([1, (2.0,)], [1, (2.0,)])
    assert told([1]) != told([True])
    assert told([1]) != told([1.0])
