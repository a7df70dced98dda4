"""Values of types that Python has and JavaScript lacks, one of each kind."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo


class Colour(enum.Enum):
    """A colour."""

    RED = "red"


@dataclass
class Line:
    """A line of an order."""

    name: str
    price: Decimal


class Point(NamedTuple):
    """A point."""

    x: int
    y: int


@dataclass
class Built:
    """Something with a field that every object of JavaScript has a property of."""

    constructor: str


@dataclass
class Looped:
    """Something that may contain itself."""

    inner: Any = None


class StockError(Exception):
    """There is not enough."""


def short() -> StockError:
    """Return an exception with an attribute and a note."""
    error = StockError("too few", 3)
    error.left = 3  # type: ignore[attr-defined]  # attributes of any name are kept
    return error


SAMPLES: dict[str, Callable[[], Any]] = {
    "tuple": lambda: (1, "a"),
    "frozenset": lambda: frozenset([1]),
    "range": lambda: range(1, 9, 2),
    "complex": lambda: 1 + 2j,
    "timedelta": lambda: timedelta(days=1, seconds=2),
    "Decimal": lambda: Decimal("4.20"),
    "UUID": lambda: UUID(int=7),
    "Fraction": lambda: Fraction(1, 3),
    "IPv4Address": lambda: IPv4Address("10.0.0.1"),
    "datetime": lambda: datetime(2026, 11, 30, 12, 30, tzinfo=ZoneInfo("Europe/Berlin")),
    "moment": lambda: datetime(2026, 11, 30, tzinfo=UTC),
    "date": lambda: date(2026, 11, 30),
    "time": lambda: time(12, 30),
    "timezone": lambda: timezone(timedelta(hours=1), "X"),
    "ZoneInfo": lambda: ZoneInfo("Europe/Berlin"),
    "PurePosixPath": lambda: PurePosixPath("/srv"),
    "set": lambda: {1},
    "bytes": lambda: b"ab",
    "bytearray": lambda: bytearray(b"ab"),
    "OrderedDict": lambda: OrderedDict(a=1),
    "Counter": lambda: Counter({2: 1}),
    "defaultdict": lambda: defaultdict(list, a=[1]),
    "deque": lambda: deque([1], maxlen=3),
    "enum": lambda: Colour.RED,
    "dataclass": lambda: Line("pen", Decimal("1.10")),
    "namedtuple": lambda: Point(1, 2),
    "constructor": lambda: Built("of it"),
    "exception": short,
    "int": lambda: 2**60,
    "keys": lambda: {1: "a"},
}
