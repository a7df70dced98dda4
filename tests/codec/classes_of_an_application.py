"""Classes as an application has them, at module level, where a reader finds them."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from enum import Enum, Flag, IntEnum, StrEnum, auto
from typing import Any, NamedTuple


class Color(Enum):
    """Members with values of their own."""

    RED = "r"
    GREEN = ("g", 1)


class Level(IntEnum):
    """An int that is not an int on the wire."""

    LOW = 1
    HIGH = 2


class Kind(StrEnum):
    """A str that is not a str on the wire."""

    BOOK = auto()


class Permission(Flag):
    """Members that combine."""

    READ = auto()
    WRITE = auto()


@dataclass
class Item:
    """A dataclass with every sort of field."""

    sku: str
    count: int = 1
    tags: list[str] = field(default_factory=list)
    derived: int = field(init=False, default=0)
    scale: InitVar[int] = 2

    def __post_init__(self, scale: int) -> None:
        self.derived = self.count * scale

    class Size(Enum):
        """A class inside a class."""

        SMALL = 1


@dataclass(frozen=True, slots=True)
class Frozen:
    """A dataclass that can be a key."""

    x: Any
    y: Any = None


@dataclass
class Node:
    """A dataclass that leads back to itself."""

    name: str
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)


class Point(NamedTuple):
    """A named tuple with a default."""

    x: float
    y: float = 0.5


Pair = namedtuple("Pair", ["first", "second"])  # noqa: PYI024 - the old form has to work too


class OutOfStockError(Exception):
    """An exception with an __init__ that takes something else than its args."""

    def __init__(self, sku: str, *, left: int = 0) -> None:
        super().__init__(f"{sku} is out of stock")
        self.sku = sku
        self.left = left


class PlainError(ValueError):
    """An exception without anything of its own."""


@dataclass
class DataError(Exception):
    """An exception that is a dataclass too."""

    code: int


class OwnFileError(OSError):
    """An exception derived from one that keeps things beside its args."""
