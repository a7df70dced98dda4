"""Classes of an application's own, as steps and workflows pass them about."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from typing import NamedTuple


class Colour(Enum):
    """Told by name."""

    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    """Told by number."""

    SMALL = 1
    LARGE = 2


class Rights(Flag):
    """Combined."""

    READ = 1
    WRITE = 2


class Corner(NamedTuple):
    """A tuple with names."""

    x: int
    y: int


@dataclass
class Item:
    """Part of an order."""

    name: str
    price: Decimal
    colour: Colour = Colour.RED


@dataclass
class Order:
    """Made of others."""

    number: str
    items: list[Item] = field(default_factory=list)

    def total(self) -> Decimal:
        """Return the sum of the prices."""
        return sum((item.price for item in self.items), Decimal(0))


@dataclass(frozen=True)
class Quote:
    """What only a step makes."""

    order: Order
    total: Decimal


class StockError(Exception):
    """
    An error with facts of its own.

    Attributes:
        item: what is missing.
        left: how many are there.
    """

    def __init__(self, item: str, *, left: int) -> None:
        super().__init__(f"only {left} of {item} left")
        self.item = item
        self.left = left


class VeryStockError(StockError):
    """More of it."""
