"""Classes as an application has them, at module level, where a reader finds them."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum, Flag, IntEnum, StrEnum, auto
from typing import Any, Generic, NamedTuple, NotRequired, TypedDict, TypeVar

import attrs
import pydantic

from torpor import register, serializable


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


@dataclass(frozen=True)
class FrozenError(Exception):
    """An exception that refuses to be changed, even by the interpreter."""

    code: int


@attrs.define
class AttrsError(Exception):
    """An exception with slots."""

    code: int


class MissingFileError(OSError):
    """An OSError with an __init__ that takes something else than its args."""

    def __init__(self, path: str) -> None:
        super().__init__(2, "is missing", path)


class OwnFileError(OSError):
    """An exception derived from one that keeps things beside its args."""


T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Box(Generic[T]):
    """A generic dataclass with slots, to be filled by name."""

    content: T
    count: int = 0


@dataclass
class Base:
    """A base with a default."""

    one: int = 1


@dataclass(kw_only=True)
class Derived(Base):
    """A dataclass that adds a field without a default."""

    two: list[int]


class Named(NamedTuple, Generic[T]):
    """A generic named tuple."""

    content: T


@attrs.define
class Attrs:
    """An attrs class with slots, a default that is made, and a private field."""

    x: Any
    y: list[int] = attrs.field(factory=list)
    _hidden: int = 5


@attrs.frozen
class FrozenAttrs:
    """An attrs class that cannot be changed."""

    x: int


class Address(pydantic.BaseModel):
    """A model inside another."""

    city: str
    since: date | None = None


class Customer(pydantic.BaseModel):
    """A model with an alias, a default, a validator, others than its fields, and a private attribute."""

    model_config = pydantic.ConfigDict(extra="allow")

    name: str = pydantic.Field(alias="fullName")
    address: Address
    scores: dict[int, Decimal] = {}
    _seen: int = pydantic.PrivateAttr(default=0)

    @pydantic.field_validator("name")
    @classmethod
    def _not_empty(cls, name: str) -> str:
        if not name:
            raise ValueError("a customer has a name")
        return name


class Doubled(pydantic.BaseModel):
    """A model whose validators change what they get."""

    number: int
    made: int = 0

    @pydantic.field_validator("number")
    @classmethod
    def doubled(cls, number: int) -> int:
        """Not to be done twice."""
        return number * 2

    @pydantic.model_validator(mode="after")
    def counted(self) -> Doubled:
        """Nor this."""
        self.made += 1
        return self


@serializable(name="tests.Renamed")
class Renamed(pydantic.BaseModel):
    """A model under a name of its own."""

    number: int
    note: str = ""
    _seen: int = pydantic.PrivateAttr(0)


class Tags(pydantic.RootModel[list[str]]):
    """A model that is one value."""


class Tree(pydantic.BaseModel):
    """A model that may lead back to itself."""

    name: str
    children: list[Tree] = []


class Order(TypedDict):
    """A dict that a type checker knows."""

    sku: str
    count: NotRequired[int]


@serializable
class Account:
    """A class with attributes and nothing else."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.log: list[Any] = []


@serializable(name="shop.Money", version=2, migrate=lambda data, version: {**data, "currency": f"from {version}"})
@dataclass(frozen=True)
class Money:
    """A dataclass with a name of its own and a past."""

    cents: int
    currency: str = "EUR"


@serializable
class Slotted:
    """Slots of a class and of its base, one of them private."""

    __slots__ = ("__own", "empty", "plain")

    def __init__(self) -> None:
        self.plain = 1
        self.__own = 2

    def own(self) -> int:
        """Return what is private."""
        return self.__own


class Temperature:
    """A class that is not ours."""

    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Temperature) and self.degrees == other.degrees

    def __hash__(self) -> int:
        return hash(self.degrees)


register(Temperature, lambda value: {"degrees": value.degrees}, lambda data: Temperature(data["degrees"]))


@dataclass
class Holder:
    """A class that is stored as whatever it holds."""

    content: Any


register(Holder, lambda holder: holder.content, Holder)
