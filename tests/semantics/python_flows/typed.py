"""Values of all types that cross the border, with the steps that take them in the same file."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from tests.semantics.application import app
from tests.semantics.python_flows.shapes import Colour, Corner, Item, Order, Quote, Rights, Size

VALUES: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "bool": lambda: True,
    "int": lambda: -7,
    "big int": lambda: 2**100,
    "float": lambda: 1.0,
    "negative zero": lambda: -0.0,
    "infinity": lambda: float("inf"),
    "str": lambda: "zwölf 🌒 \0",
    "bytes": lambda: b"\0\xff",
    "bytearray": lambda: bytearray(b"ab"),
    "tuple": lambda: (1, (2, [3])),
    "empty tuple": lambda: (),
    "list": lambda: [1, "two", None],
    "set": lambda: {1, 2, 3},
    "frozenset": lambda: frozenset({"a"}),
    "dict": lambda: {"a": {"b": 1}},
    "dict with other keys": lambda: {1: "one", (2, 3): "pair"},
    "complex": lambda: 1 + 2j,
    "range": lambda: range(1, 10, 2),
    "Decimal": lambda: Decimal("0.10"),
    "UUID": lambda: UUID(int=42),
    "aware datetime": lambda: datetime(2024, 2, 29, 12, 30, 15, 123456, UTC),
    "offset": lambda: datetime(2024, 2, 29, 12, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    "naive datetime": lambda: datetime(2024, 2, 29, 12, 30),  # noqa: DTZ001  # it may be meant
    "date": lambda: date(2024, 2, 29),
    "time": lambda: time(12, 30, 15),
    "timedelta": lambda: timedelta(days=1, microseconds=1),
    "path": lambda: PurePosixPath("/a/b"),
    "enum": lambda: Colour.BLUE,
    "int enum": lambda: Size.LARGE,
    "flag": lambda: Rights.READ | Rights.WRITE,
    "namedtuple": lambda: Corner(1, 2),
    "dataclass": lambda: Order("o-1", [Item("lamp", Decimal("9.90"), Colour.BLUE)]),
}


@app.step
async def inspected(value: Any) -> tuple[str, Any]:
    """Return what type a value has outside, and the value."""
    return f"{type(value).__module__}.{type(value).__qualname__}", value


@app.workflow
async def crosses(name: str) -> dict[str, Any]:
    value = VALUES[name]()
    outside, back = await inspected(value)
    own = f"{type(value).__module__}.{type(value).__qualname__}"
    same = {"type outside": outside == own, "type": type(back) is type(value), "value": back == value}
    return {"same": same, "it": back}


@app.step
async def quote(order: Order, *, discount: Decimal = Decimal(0)) -> Quote:
    """Price an order."""
    assert isinstance(order, Order)
    assert all(isinstance(item, Item) for item in order.items)
    return Quote(order, order.total() - discount)


@app.workflow
async def prices(order: Order, /, rebate: Decimal = Decimal(1), *, colour: Colour = Colour.RED) -> Quote:
    order.items.append(Item("bag", Decimal("0.20"), colour))
    quoted = await quote(order, discount=rebate)
    assert isinstance(quoted, Quote)
    assert quoted.order == order
    assert quoted.order is not order
    return quoted
