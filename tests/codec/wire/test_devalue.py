"""The devalue flat format, written and read by Python."""

from __future__ import annotations

import math
from typing import Any

import pytest

from torpor.clock import SystemClock
from torpor.codec.types.table import standard_table
from torpor.codec.values import UNDEFINED, ArrayBuffer, Boxed, Map, NullPrototype, RegExp, SetEntries
from torpor.codec.wire import devalue
from torpor.codec.wire.flatten import DEPTH_MAX
from torpor.errors import SerializationError

TABLE = standard_table(SystemClock())


def stringify(value: object) -> str:
    """Return the text of a value."""
    return devalue.stringify(value, TABLE)


def parse(text: str) -> Any:
    """Return the value of a text."""
    return devalue.parse(text, TABLE)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "[null]"),
        (True, "[true]"),
        (1, "[1]"),
        (1.5, "[1.5]"),
        (1.0, "[1.0]"),
        ("a", '["a"]'),
        ([], "[[]]"),
        ({}, "[{}]"),
        ({"a": {"b": [1, "x"]}}, '[{"a":1},{"b":2},[3,4],1,"x"]'),
        (math.inf, "-4"),
        (-math.inf, "-5"),
        (-0.0, "-6"),
        (UNDEFINED, "-1"),
        ([UNDEFINED, None, -0.0, math.inf], "[[-1,1,-6,-4],null]"),
        (NullPrototype(a=1, b=[2]), '[["null","a",1,"b",2],1,[3],2]'),
        (Boxed("x"), '[["Object",1],"x"]'),
        (Boxed(2**64), '[["Object",1],["BigInt",2],"18446744073709551616"]'),
    ],
)
def test_a_value_has_one_text(value: object, text: str) -> None:
    """The root is element 0, containers hold indexes, and a sentinel stands for itself."""
    assert stringify(value) == text


@pytest.mark.parametrize(
    "text", ["[1]", "[1.0]", "[1.5]", "[null]", "-4", "-5", "-6", '[["null","a",1],1]', '[["Object",1],"x"]']
)
def test_a_text_is_written_again_as_it_was(text: str) -> None:
    """Reading loses nothing that writing needs."""
    assert stringify(parse(text)) == text


def test_nan_is_a_sentinel() -> None:
    """NaN is -3 at the root and inside."""
    assert stringify([math.nan, math.nan]) == "[[-3,-3]]"
    assert math.isnan(parse("-3"))


def test_undefined_and_holes_are_read_as_none() -> None:
    """Python has one nothing."""
    assert parse("-1") is None
    assert parse('[[-1,-2,1],"x"]') == [None, None, "x"]


def test_equal_primitives_share_an_element() -> None:
    """Strings, numbers of one type, booleans and None are written once."""
    assert (
        stringify(["a", "a", 1, 1, 2.5, 2.5, True, True, None, None]) == '[[1,1,2,2,3,3,4,4,5,5],"a",1,2.5,true,null]'
    )


def test_equal_primitives_of_different_types_do_not() -> None:
    """1, 1.0, True and "1" are four values, although Python finds three of them equal."""
    values = parse(stringify([1, 1.0, True, "1", 0, 0.0, False]))

    assert [type(value) for value in values] == [int, float, bool, str, int, float, bool]


def test_a_shared_object_stays_shared() -> None:
    """The same list twice is the same list twice, and an equal one is another."""
    shared = [1]

    first, second, other = parse(stringify([shared, shared, [1]]))

    assert first is second
    assert first is not other


def test_cycles_are_closed_again() -> None:
    """A list in itself and a dict in its child come back as such."""
    loop: list[Any] = []
    loop.append(loop)
    parent: dict[str, Any] = {}
    parent["child"] = {"parent": parent}

    read_loop = parse(stringify(loop))
    read_parent = parse(stringify(parent))

    assert read_loop[0] is read_loop
    assert read_parent["child"]["parent"] is read_parent


def test_a_cycle_through_a_map_or_a_set_is_closed() -> None:
    """Collections of JavaScript may hold themselves."""
    mapping = parse('[["Map",1],[2],[3,0],"self"]')
    members = parse('[["Set",1],[0]]')

    assert type(mapping) is Map
    assert mapping["self"] is mapping
    assert type(members) is SetEntries
    assert members[0] is members


def test_a_map_in_a_cycle_must_have_keys_of_python() -> None:
    """A Map that is its own key can be no dict, and has to exist before its keys are known."""
    with pytest.raises(SerializationError, match="a Map in a cycle has keys that no dict can hold"):
        parse('[["Map",1],[2],[0,3],1]')


def test_a_cycle_through_a_tuple_is_refused_when_writing() -> None:
    """A tuple cannot exist before its members, so that nothing could read the text."""
    inner: list[Any] = []
    loop = (1, inner)
    inner.append(loop)

    with pytest.raises(SerializationError, match=r"^\[1\]\[0\] leads back to the tuple that it is part of"):
        stringify(loop)


def test_a_tuple_inside_a_cycle_is_kept() -> None:
    """It is only the tuple itself that must not be the way into the cycle."""
    loop: list[Any] = []
    loop.append((1, loop))

    read = parse(stringify(loop))

    assert read[0][1] is read


def test_a_sparse_array_is_read() -> None:
    """[-7, length, index, value …] has None in all other places."""
    assert parse('[[-7,6,4,1,0,2],"x","y"]') == ["y", None, None, None, "x", None]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('[["BigInt","9007199254740993"]]', 2**53 + 1),
        ('[["RegExp","a+","gi"]]', RegExp("a+", "gi")),
        ('[["RegExp","a+"]]', RegExp("a+")),
        ('[["Map",1,2,3,4],"a",1,2,"b"]', {"a": 1, 2: "b"}),
        ('[["Map"]]', {}),
        ('[["Set",1,2],1,2]', {1, 2}),
        ('[["Set",1],1]', {1}),
        ('[["Set",1],["Set",2],3]', SetEntries([{3}])),
        ('[["Set",1],["BigInt","5"]]', {5}),
        ('[["Set"]]', set()),
        ('[["ArrayBuffer","AQID"]]', ArrayBuffer(b"\1\2\3")),
        ('[["Uint8Array",1],["ArrayBuffer","AQID"]]', b"\1\2\3"),
        ('[["Uint8Array",1,1,2],["ArrayBuffer","AQIDBA=="]]', b"\2\3"),
    ],
)
def test_the_one_level_form_is_read(text: str, value: object) -> None:
    """What the npm package writes of its own accord is read as what the SDK's reducers write."""
    assert parse(text) == value


def test_a_set_of_one_array_is_told_from_the_payload_of_a_set() -> None:
    """A single index means a payload where it leads to a plain array, and a member anywhere else."""
    assert parse('[["Set",1],[2],3]') == {3}
    assert parse('[["Set",1],{"a":2},3]') == [{"a": 3}]


def test_what_html_and_javascript_would_misread_is_escaped() -> None:
    """No script element can be opened, and no line ended, by a text that is put into a page."""
    text = stringify({"<a\u2028": "</script>\u2029"})

    assert text == r'[{"\u003Ca\u2028":1},"\u003C/script>\u2029"]'
    assert parse(text) == {"<a\u2028": "</script>\u2029"}


def test_control_characters_are_escaped() -> None:
    """As JSON has them, with the short forms."""
    assert stringify('\0\b\f\n\r\t\v\x1f\x7f"\\') == r'["\u0000\b\f\n\r\t\u000b\u001f' + '\x7f\\"\\\\"]'


def test_lone_surrogates_survive() -> None:
    """They have no UTF-8 and travel escaped, beside text that has."""
    value = {"\ud800é": ["\udfff<", "\U0001f600"]}

    text = stringify(value)

    assert r"\ud800é" in text
    assert parse(text) == value
    assert parse('["\ud800"]') == "\ud800"


def test_no_object_has_a_proto_key() -> None:
    """It would set a prototype where a careless reader assigns it; a dict with it is a Map."""
    assert stringify({"a": {"__proto__": 1}}) == '[{"a":1},["Map",2],[3],[4,5],"__proto__",1]'
    with pytest.raises(SerializationError, match=r"^\.a has a key '__proto__'"):
        stringify({"a": NullPrototype({"__proto__": 1})})
    for text in ('[{"__proto__":1},1]', '[["null","__proto__",1],1]', '[["Set",1],[2],{"__proto__":-1}]'):
        with pytest.raises(SerializationError, match="__proto__"):
            parse(text)


def test_nesting_costs_no_recursion() -> None:
    """Ten thousand lists inside one another are written and read; the result is as deep."""
    value: list[Any] = []
    for _ in range(DEPTH_MAX - 2):
        value = [value]

    read = parse(stringify(value))

    depth = 0
    while read:
        read, depth = read[0], depth + 1
    assert depth == DEPTH_MAX - 2


@pytest.mark.parametrize("around", [lambda inner: [inner], lambda inner: {"in": inner}, lambda inner: (inner,)])
def test_nesting_beyond_the_bound_is_refused(around: Any) -> None:
    """The message gives the bound and the beginning of the path."""
    value: object = None
    for _ in range(DEPTH_MAX + 1):
        value = around(value)

    with pytest.raises(SerializationError, match=f"… is nested deeper than {DEPTH_MAX} containers"):
        stringify(value)


def test_a_text_that_nests_too_deep_is_refused() -> None:
    """The bound holds for reading too."""
    text = "[" + ",".join(f"[{at + 1}]" for at in range(DEPTH_MAX + 10)) + ",[]]"

    with pytest.raises(SerializationError, match="deeper than"):
        parse(text)


def test_numbers_beyond_the_whole_ones_of_javascript_are_floats() -> None:
    """JavaScript writes 2**60 without a point, but to it no whole number of that size is exact."""
    value = parse("[1152921504606846976]")

    assert type(value) is float
    assert value == 2.0**60
