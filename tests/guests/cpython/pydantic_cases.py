"""
Models and data for the differential test of pydantic: the same text runs in the guest and on the host.

What a case comes to is plain data: the repr of the value, what it becomes in dicts and JSON, or what is wrong with it.
"""

from __future__ import annotations

import collections  # for what cases say
import dataclasses
import datetime as dt
import enum
import math
import pathlib
import uuid
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    RootModel,
    SecretStr,
    Tag,
    TypeAdapter,
    ValidationError,
    WrapValidator,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)
from typing_extensions import TypedDict

T = TypeVar("T")


class Color(enum.Enum):
    """Color, for cases."""

    RED = "red"
    BLUE = 2


class Number(enum.IntEnum):
    """Number, for cases."""

    ONE = 1
    TWO = 2


class Point(NamedTuple):
    """Point, for cases."""

    x: int
    y: float = 0.5


class Named(TypedDict, total=False):
    """Named, for cases."""

    name: str
    size: int


@dataclasses.dataclass
class Pair:
    """Pair, for cases."""

    left: int
    right: str = "r"


class Item(BaseModel):
    """Item, for cases."""

    name: str = Field(min_length=1, max_length=5)
    count: int = Field(1, ge=0, le=10)


class Page(BaseModel, Generic[T]):
    """Page, for cases."""

    items: list[T]
    total: T | None = None


class Cat(BaseModel):
    """Cat, for cases."""

    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    """Dog, for cases."""

    kind: Literal["dog", "hound"]
    barks: bool = True


class Strict(BaseModel):
    """Strict, for cases."""

    model_config = ConfigDict(strict=True)
    i: int = 0
    f: float = 0.0
    s: str = ""
    d: dt.date | None = None


class Open(BaseModel):
    """Open, for cases."""

    model_config = ConfigDict(extra="allow")
    a: int


class Closed(BaseModel):
    """Closed, for cases."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    a: int
    b: list[int] = []


class Aliased(BaseModel):
    """Aliased, for cases."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
    one: int = Field(alias="One")
    two: int = Field(0, validation_alias=AliasChoices("Two", AliasPath("deep", 1)), serialization_alias="zwei")


class Worked(BaseModel):
    """Worked, for cases."""

    x: int
    y: int | None = None

    @field_validator("x", mode="before")
    @classmethod
    def _stripped(cls, value: Any) -> Any:
        return value.strip() if isinstance(value, str) else value

    @field_validator("x")
    @classmethod
    def _even(cls, value: int) -> int:
        assert value % 2 == 0, "odd"
        return value

    @model_validator(mode="after")
    def _filled(self) -> Worked:
        if self.y is None:
            self.y = self.x * 2
        return self

    @field_serializer("x")
    def _shown(self, value: int) -> str:
        return f"<{value}>"

    @computed_field  # type: ignore[prop-decorator]  # as pydantic wants it
    @property
    def z(self) -> int:
        return self.x + 1


class Wrapped(BaseModel):
    """Wrapped, for cases."""

    a: Annotated[int, WrapValidator(lambda value, handler: handler(value) + 1)]
    b: Annotated[str, BeforeValidator(str), AfterValidator(str.upper)] = "b"
    c: Annotated[float, PlainSerializer(lambda value: f"{value:.1f}", when_used="json")] = 1.25

    @model_serializer(mode="wrap")
    def _all(self, handler: Any) -> Any:
        return {"wrapped": handler(self)}


class Made(BaseModel):
    """Made, for cases."""

    first: str
    second: str = Field(default_factory=lambda data: data["first"] * 2)
    third: list[int] = Field(default_factory=list)


class Names(RootModel[dict[str, int]]):
    """Names, for cases."""


class Tree(BaseModel):
    """Tree, for cases."""

    name: str
    children: list[Tree] = []


def _kind(value: Any) -> str | None:
    return "list" if isinstance(value, list) else "number" if isinstance(value, int) else None


TYPES: dict[str, Any] = {
    "int": int,
    "bounded int": Annotated[int, Field(gt=1, lt=100, multiple_of=3)],
    "float": float,
    "bounded float": Annotated[float, Field(ge=0.5, multiple_of=0.25, allow_inf_nan=False)],
    "bool": bool,
    "str": str,
    "short str": Annotated[str, Field(min_length=2, max_length=4, pattern=r"^[a-z0-9.]+$")],
    "bytes": bytes,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "bounded Fraction": Annotated[Fraction, Field(gt=0, multiple_of=Fraction(1, 3))],  # type: ignore[call-overload]
    "bounded Decimal": Annotated[Decimal, Field(max_digits=4, decimal_places=2)],
    "complex": complex,
    "date": dt.date,
    "time": dt.time,
    "datetime": dt.datetime,
    "timedelta": dt.timedelta,
    "UUID": uuid.UUID,
    "Path": pathlib.PurePosixPath,
    "Color": Color,
    "Number": Number,
    "Literal": Literal["a", 1, True] | None,
    "Any": Any,
    "SecretStr": SecretStr,
    "list": list[int],
    "short list": Annotated[list[str], Field(min_length=1, max_length=2)],
    "set": set[int],
    "frozenset": frozenset[str],
    "tuple": tuple[int, str],
    "many": tuple[int, ...],
    "dict": dict[str, int],
    "dict of int": dict[int, float],
    "deque": collections.deque[int],
    "optional": int | None,
    "smart union": int | str | float,
    "union of lists": list[int] | list[str] | None,
    "left to right": Annotated[int | str, Field(union_mode="left_to_right")],
    "Point": Point,
    "Named": Named,
    "Pair": Pair,
    "Item": Item,
    "items": list[Item],
    "Page": Page[int],
    "page of items": Page[Item],
    "pets": Annotated[Cat | Dog, Field(discriminator="kind")],
    "told": Annotated[
        Annotated[list[int], Tag("list")] | Annotated[int, Tag("number")],
        Discriminator(_kind),
    ],
    "union of models": Item | Open | Cat,
    "Strict": Strict,
    "Open": Open,
    "Closed": Closed,
    "Aliased": Aliased,
    "Worked": Worked,
    "Wrapped": Wrapped,
    "Made": Made,
    "Names": Names,
    "Tree": Tree,
}

_ADAPTERS: dict[str, TypeAdapter[Any]] = {}


def outcome(name: str, mode: str, text: str) -> list[Any]:
    """Return what becomes of a value of a type: how it is given, and its repr or JSON."""
    adapter = _ADAPTERS.setdefault(name, TypeAdapter(TYPES[name]))
    try:
        if mode == "json":
            made = adapter.validate_json(text)
        else:
            given = eval(text, globals() | {"nan": math.nan, "inf": math.inf})  # noqa: S307  # what the test has made
            if mode == "dump":
                return ["dumped", _dumped(adapter, given)]
            if mode == "strings":
                return ["made", shown(adapter.validate_strings(text))]
            made = adapter.validate_python(given, strict=mode == "strict")
    except ValidationError as error:
        errors = [[each["type"], repr(each["loc"]), each["msg"], repr(each["input"])] for each in error.errors()]
        return ["invalid", errors, str(error)]
    except Exception as error:  # noqa: BLE001  # both sides must raise the same
        return ["raised", type(error).__name__, str(error)]
    return ["made", shown(made), _dumped(adapter, made)]


def shown(value: Any) -> str:
    """Return a value's repr; sets are sorted, since their order says nothing."""
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({sorted(map(repr, value))})"
    return f"{type(value).__name__} {value!r}"


def _dumped(adapter: TypeAdapter[Any], made: Any) -> list[str]:
    told = []
    dumps: tuple[Callable[[], str], ...] = (
        lambda: shown(adapter.dump_python(made)),
        lambda: shown(adapter.dump_python(made, mode="json", by_alias=True)),
        lambda: adapter.dump_json(made, exclude_none=True).decode(),
        lambda: adapter.dump_json(made, exclude_unset=True, exclude_defaults=True, indent=1).decode(),
    )
    for dump in dumps:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                text = dump()
            told.append("\n".join((text, *(str(each.message) for each in caught))))
        except Exception as error:  # noqa: BLE001  # both sides must raise the same
            told.append(f"{type(error).__name__}: {error}")
    return told


def schemas() -> dict[str, Any]:
    """Return the JSON schema of each type that has one."""
    found: dict[str, Any] = {}
    for name, wanted in TYPES.items():
        try:
            found[name] = TypeAdapter(wanted).json_schema()
        except Exception as error:  # noqa: BLE001  # both sides must raise the same
            found[name] = f"{type(error).__name__}: {error}"
    return found
