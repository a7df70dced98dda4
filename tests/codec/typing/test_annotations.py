"""Arguments as annotations want them."""

from __future__ import annotations

import functools
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Flag
from ipaddress import ip_address
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Generic,
    Literal,
    NamedTuple,
    NewType,
    Protocol,
    Required,
    TypedDict,
    TypeVar,
)
from uuid import UUID
from zoneinfo import ZoneInfo

import annotated_types
import attrs
import msgspec
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.codec.classes_of_an_application import Address, Box, Color, Customer, Kind, Level, Order, Point
from tests.codec.sameness import is_same
from tests.names import short
from torpor.codec.typing.annotations import convert, convert_arguments
from torpor.codec.values import BigInt, Map
from torpor.errors import ArgumentError, UsageError

if TYPE_CHECKING:
    from decimal import Decimal as Unknown  # a name that nothing has while the tests run

T = TypeVar("T")
Cents = NewType("Cents", int)


class Access(Flag):
    """Members that combine."""

    READ = 1
    WRITE = 2


class Loose(TypedDict, total=False):
    """Most of it may be missing."""

    sku: Required[str]
    note: str


@dataclass
class Line:
    """A dataclass whose fields want conversion."""

    sku: str
    price: Decimal
    colors: list[Color] = field(default_factory=list)
    scale: InitVar[int] = 1
    total: Decimal = field(init=False)

    def __post_init__(self, scale: int) -> None:
        if self.price < 0:
            raise ValueError("a price is not negative")
        self.total = self.price * scale


@dataclass
class Cart:
    """A dataclass of dataclasses."""

    lines: list[Line]
    parent: Cart | None = None


@attrs.define
class Wish:
    """An attrs class with a private field."""

    when: date
    _note: str = ""


class Struct(msgspec.Struct):
    """A struct of msgspec."""

    when: date


class Shape(Protocol):
    """What a value can do."""

    def area(self) -> float:
        """Return the area."""
        ...


@pytest.mark.parametrize(
    ("value", "annotation", "expected"),
    [
        (1, float, 1.0),
        (5.0, int, 5),
        (1, complex, 1 + 0j),
        ("1.10", Decimal, Decimal("1.10")),
        (3, Decimal, Decimal(3)),
        (0.1, Decimal, Decimal("0.1")),
        ("00000000-0000-0000-0000-000000000005", UUID, UUID(int=5)),
        ("2024-05-06T07:08:09Z", datetime, datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)),
        ("2024-05-06", date, date(2024, 5, 6)),
        (datetime(2024, 5, 6, tzinfo=UTC), date, date(2024, 5, 6)),
        ("07:08", time, time(7, 8)),
        (90, timedelta, timedelta(seconds=90)),
        (1.5, timedelta, timedelta(seconds=1.5)),
        ("1h 30m", timedelta, timedelta(hours=1.5)),
        ("a/b", Path, Path("a/b")),
        ("Europe/Berlin", ZoneInfo, ZoneInfo("Europe/Berlin")),
        (bytearray(b"a"), bytes, b"a"),
        (b"a", bytearray, bytearray(b"a")),
        ("r", Color, Color.RED),
        ("GREEN", Color, Color.GREEN),
        (2, Level, Level.HIGH),
        ("book", Kind, Kind.BOOK),
        (3, Access, Access.READ | Access.WRITE),
        ("r", Literal[Color.RED], Color.RED),
        (5, Cents, 5),
        ([1, 2], set[int], {1, 2}),
        ([1, 2], frozenset, frozenset({1, 2})),
        ([1, "a"], tuple[int, str], (1, "a")),
        ([1, 2], tuple[float, ...], (1.0, 2.0)),
        ([], tuple[()], ()),
        ([1], deque[float], deque([1.0])),
        ((1, 2), list[int], [1, 2]),
        (["2024-05-06"], Sequence[date], [date(2024, 5, 6)]),
        (["r"], Iterable[Color], [Color.RED]),
        ([1, 2], AbstractSet[int], frozenset({1, 2})),
        ({"a": "1"}, dict[str, Decimal], {"a": Decimal(1)}),
        ({"1": [2]}, dict[int, tuple[int]], {1: (2,)}),
        ({"r": 1}, Mapping[Color, float], {Color.RED: 1.0}),
        ({"a": 2}, Counter[str], Counter("aa")),
        ({"a": 2}, OrderedDict[str, int], OrderedDict(a=2)),
        (None, "Decimal | None", None),
        ("1", Decimal | None, Decimal(1)),
        ("1", Decimal | str, "1"),
        (1, float | int, 1),
        ("2024-05-06", Annotated[date, "of birth"], date(2024, 5, 6)),
        ({"sku": "a", "price": "2", "scale": 3}, Line, Line("a", Decimal(2), scale=3)),
        ({"content": ["r"]}, Box[list[Color]], Box(content=[Color.RED])),
        ({"x": 1}, Point, Point(1.0)),
        ([1, 2], Point, Point(1.0, 2.0)),
        ({"sku": "a"}, Order, {"sku": "a"}),
        ({"when": "2024-05-06", "note": "n"}, Wish, Wish(date(2024, 5, 6), "n")),
        ({"when": "2024-05-06"}, Struct, Struct(date(2024, 5, 6))),
        ({"city": "x", "since": "2024-05-06"}, Address, Address(city="x", since=date(2024, 5, 6))),
        ([{"city": "x"}], list[Address | None], [Address(city="x")]),
        (
            {"lines": [], "parent": {"lines": [{"sku": "a", "price": 1}]}},
            Cart,
            Cart([], Cart([Line("a", Decimal(1))])),
        ),
    ],
)
def test_what_javascript_passes_becomes_what_is_declared(value: Any, annotation: Any, expected: Any) -> None:
    """Type and content."""
    if isinstance(annotation, str):
        annotation = Decimal | None

    made = convert(value, annotation)

    assert type(made) is type(expected)
    assert made == expected


FITTING: list[tuple[Any, Any]] = [
    (True, bool),
    (True, int),
    (BigInt(5), int),
    (Level.LOW, int),
    (1.5, float),
    ("a", str),
    (Kind.BOOK, str),
    ("a", Literal["a", "b"]),
    ([1, [2]], list),
    ([1.5, 2.5], list[float]),
    ([Color.RED], list[Color]),
    ({"a": [Decimal(1)]}, dict[str, list[Decimal]]),
    (Map(a=1), dict[str, int]),
    ({1, 2}, set[int]),
    ((1, "a"), tuple[int, str]),
    ({"sku": "a", "more": 1}, Order),
    ([Line("a", Decimal(1))], Sequence[Line]),
    (Line("a", Decimal(1)), Line | None),
    (Customer(fullName="a", address=Address(city="x")), Customer),
    (datetime(2024, 5, 6, 7, tzinfo=UTC), date),
    (None, None),
    (object(), Any),
    (object(), object),
    ({}, T),
    ({"area": 1}, Shape),
    ({"a": object()}, dict),
    (len, Callable[[Any], int]),
    (int, type[int]),
]


@pytest.mark.parametrize(("value", "annotation"), FITTING, ids=short)
def test_what_fits_is_the_same_object(value: Any, annotation: Any) -> None:
    """Nothing is copied that need not be."""
    assert convert(value, annotation) is value


def test_of_a_list_only_what_has_to_change_does() -> None:
    """The members that fit are the same objects, and the caller's list stays as it was."""
    line = Line("a", Decimal(1))
    given = [line, {"sku": "b", "price": "2"}]

    made = convert(given, list[Line])

    assert made[0] is line
    assert made[1] == Line("b", Decimal(2))
    assert isinstance(given[1], dict)


@pytest.mark.parametrize(
    ("value", "annotation", "complaint"),
    [
        ("5", int, "the value: expected int, found str '5'"),
        (1.5, int, r"expected int, found float 1.5 \(it is no whole number\)"),
        (1, bool, "expected bool, found int 1"),
        (5, str, "expected str, found int 5"),
        (None, str, "expected str, found NoneType None"),
        ("x", Decimal, "expected a Decimal or its text, found str 'x'"),
        ("x" * 100, UUID, r"expected a UUID or its text, found str 'x+…"),
        ("soon", timedelta, "expected a timedelta, seconds, or text such as '1h 30m', found str 'soon'"),
        ("2024-13-01", date, r"expected a date such as 2024-05-06, found str '2024-13-01' \(month must be"),
        ("blue", Color, r"expected Color \('r', \('g', 1\)\), found str 'blue'"),
        ("c", Literal["a", "b"], r"expected Literal\['a', 'b'\], found str 'c'"),
        (True, Literal[1], r"expected Literal\[1\], found bool True"),
        ([1, "a"], list[int], r"the value\[1\]: expected int, found str 'a'"),
        ([1], tuple[int, str], r"expected tuple\[int, str\], found list \[1\]"),
        ({"a": {"b": ["x"]}}, dict[str, dict[str, list[Decimal]]], r"the value\['a'\]\['b'\]\[0\]: expected a Decimal"),
        ({"x": 1}, dict[int, int], r"the value\['x'\]: expected int, found str 'x'"),
        (5, list[int], r"expected list\[int\], found int 5"),
        (5, Decimal | None, None),
        ([], str | int, r"expected str \| int, found list \[\]"),
        ({"lines": [{"sku": "a", "price": "x"}]}, Cart | None, r"the value\.lines\[0\]\.price: expected a Decimal"),
        ({"sku": "a"}, Line, r"expected Line, found dict .* \('price' is missing\)"),
        ({"sku": "a", "price": 1, "cuont": 2}, Line, r"it has no 'cuont', only sku, price, colors, scale"),
        ({"sku": "a", "price": -1}, Line, r"expected Line, found dict .* \(a price is not negative\)"),
        ({}, Order, r"expected Order, found dict {} \('sku' is missing\)"),
        ({"sku": 1}, Order, r"the value\.sku: expected str, found int 1"),
        ([1, 2, 3], Point, r"expected Point, found list"),
        ({"when": "x"}, Wish, r"the value\.when: expected a date"),
        ({"when": "x"}, Struct, r"expected Struct, found dict .*Invalid RFC3339"),
        ({"city": 5}, Address, r"the value\.city: expected Address, found int 5 \(Input should be a valid string"),
        (5, Annotated[int, annotated_types.Gt(5)], r"found int 5 \(Input should be greater than 5"),
        ([[1]], set[list[int]], r"expected set\[list\[int\]\], found list \[\[1\]\] \(unhashable"),
        ({}, ValueError, r"expected ValueError, found dict {}"),
    ],
)
def test_what_does_not_fit_is_named(value: Any, annotation: Any, complaint: str | None) -> None:
    """Path, what was expected, what was found and why that is no way to it."""
    if complaint is None:
        assert convert(value, annotation) == value
        return
    with pytest.raises(ArgumentError, match=complaint):
        convert(value, annotation)


@settings(max_examples=200, deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3)))
def test_whatever_is_passed_fits_or_is_refused(value: Any) -> None:
    """There is no third way, and a result fits."""
    for annotation in (list[int], set[str], tuple[int, ...] | None, dict[str, int] | int, list[list[str] | None]):
        try:
            made = convert(value, annotation)
        except ArgumentError:
            continue
        assert is_same(convert(made, annotation), made)


def test_what_nests_too_deep_is_refused() -> None:
    """Conversion recurses; a value that needs none may be as deep as the codec allows."""
    value: Any = {"lines": []}
    for _ in range(5_000):
        value = {"lines": [], "parent": value}

    with pytest.raises(ArgumentError, match="nests too deep to be converted"):
        convert(value, Cart)


# ── Calls ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def charge(  # type: ignore[no-untyped-def]  # not every parameter has a type
    order: Line,
    *tags: Color,
    when: date = None,  # type: ignore[assignment]  # noqa: RUF013 - many a default is written like this
    note=None,
    **more: float,
) -> None:
    """Take something of every kind."""


def test_arguments_are_converted_by_parameter() -> None:
    """By position and by name, all that a star collects included."""
    args, kwargs = convert_arguments(
        charge, [{"sku": "a", "price": 1}, "r"], {"when": "2024-05-06", "note": {"x": 1}, "rest": 2}, "step charge"
    )

    assert args == (Line("a", Decimal(1)), Color.RED)
    assert kwargs == {"when": date(2024, 5, 6), "note": {"x": 1}, "rest": 2.0}
    assert type(kwargs["rest"]) is float


def test_a_default_may_be_given_whatever_is_declared() -> None:
    """Many a default is None where a type is declared."""
    line = Line("a", Decimal(1))

    assert convert_arguments(charge, [line], {"when": None}, "step charge") == ((line,), {"when": None})


@pytest.mark.parametrize(
    ("args", "kwargs", "complaint"),
    [
        ([], {}, "^step charge was called with 0 arguments: missing a required"),
        ([{"sku": "a"}], {}, "^step charge, argument 'order': expected Line, found dict .*'price' is missing"),
        ([{"sku": "a", "price": "x"}], {}, r"^step charge, argument 'order'\.price: expected a Decimal"),
        ([{"sku": "a", "price": 1}, "r", "x"], {}, r"^step charge, argument 'tags'\[1\]: expected Color"),
        ([{"sku": "a", "price": 1}], {"rest": "x"}, r"^step charge, argument 'more'\['rest'\]: expected float"),
    ],
)
def test_a_call_that_does_not_fit_names_the_parameter(args: Any, kwargs: Any, complaint: str) -> None:
    """And whose it is."""
    with pytest.raises(ArgumentError, match=complaint) as caught:
        convert_arguments(charge, args, kwargs, "step charge")
    assert isinstance(caught.value, UsageError)


def test_a_name_that_is_not_there_is_left_alone() -> None:
    """One import for the type checker must not cost the other parameters their types."""

    def step(one: Unknown, two: date) -> None: ...

    args, _ = convert_arguments(step, [{"a": 1}, "2024-05-06"], {}, "step")

    assert args == ({"a": 1}, date(2024, 5, 6))


def test_a_decorated_function_is_looked_at_beneath() -> None:
    """As its callers do."""

    def step(when: date) -> date:
        return when

    @functools.wraps(step)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        return step(*args, **kwargs)

    assert convert_arguments(wrapped, ["2024-05-06"], {}, "step")[0] == (date(2024, 5, 6),)


def test_an_object_that_can_be_called_is_a_step_too() -> None:
    """Its method has the annotations."""

    class Charge:
        def __call__(self, when: date) -> date:
            return when

    assert convert_arguments(Charge(), ["2024-05-06"], {}, "step")[0] == (date(2024, 5, 6),)


def test_a_generic_named_tuple_knows_its_fields() -> None:
    """Arguments of a generic class stand for its variables."""

    class Pair(NamedTuple, Generic[T]):
        first: T
        second: list[T]

    assert convert(["2024-05-06", []], Pair[date]) == Pair(date(2024, 5, 6), [])


def test_a_typed_dict_inside_keeps_what_fits() -> None:
    """Only what changes is made anew."""
    fits = {"sku": "a"}

    made = convert([fits, {"sku": "b", "count": 2.0}], list[Order])

    assert made[0] is fits
    assert made[1] == {"sku": "b", "count": 2}


class Total(TypedDict, total=False):
    """Nothing is required."""

    cents: int


def test_a_typed_dict_may_require_nothing() -> None:
    """Missing keys stay missing."""
    assert convert({}, Total) == {}


def test_a_generic_model_of_pydantic_is_made_by_it() -> None:
    """It validates what is in it."""

    class Page(pydantic.BaseModel, Generic[T]):
        items: list[T]

    assert convert({"items": ["2024-05-06"]}, Page[date]).items == [date(2024, 5, 6)]


@pytest.mark.parametrize(
    ("key", "made"),
    [(NewType("Id", int), 1), (int | None, 1), (Annotated[int, "x"], 1), (Level, Level.LOW), (int | str, "1")],
    ids=str,
)
def test_a_key_that_is_text_becomes_the_number_that_is_declared(key: Any, made: object) -> None:
    """However it is declared; text stays text where text will do."""
    [read] = convert({"1": "a"}, dict[key, str])

    assert (type(read), read) == (type(made), made)


def test_a_key_that_is_required_of_a_typed_dict_is_missed() -> None:
    """Also where annotations are text, which the class itself does not look at."""
    with pytest.raises(ArgumentError, match="'sku' is missing"):
        convert({"note": "x"}, Loose)


@pytest.mark.parametrize("text", ["1.2.3.4", "::1"])
def test_text_becomes_an_ip_address(text: str) -> None:
    """JavaScript has nothing else for one."""
    address = ip_address(text)

    assert convert(text, type(address)) == address
    with pytest.raises(ArgumentError, match=r"expected an IPv.Address or its text, found str 'x'"):
        convert("x", type(address))
