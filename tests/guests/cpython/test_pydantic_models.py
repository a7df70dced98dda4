"""Pydantic models inside workflows: fields and defaults, without validation."""

from __future__ import annotations

from tests.guests.cpython.conftest import Author

MODELS = """
from datetime import datetime, UTC
from decimal import Decimal
from enum import Enum
from typing import Annotated, ClassVar, Generic, TypeVar
from pydantic import (BaseModel, ConfigDict, EmailStr, Field, PrivateAttr, RootModel, TypeAdapter, ValidationError,
    computed_field, field_validator, model_validator)

class Kind(Enum):
    A = "a"

class Line(BaseModel):
    sku: str
    count: int = Field(1, gt=0)

class Base(BaseModel):
    model_config = ConfigDict(extra="ignore")
    TABLE: ClassVar[str] = "orders"
    id: str

class Order(Base):
    lines: list[Line] = []
    mail: EmailStr | None = None
    tags: Annotated[list[str], Field(default_factory=list)]
    total: Decimal = Field(default=Decimal("0"), alias="sum")
    _cache: dict = PrivateAttr(default_factory=dict)

    @field_validator("id")
    @classmethod
    def check(cls, value):
        raise ValueError("never called")

    @model_validator(mode="after")
    def whole(self):
        raise ValueError("never called")

    @computed_field
    @property
    def size(self) -> int:
        return len(self.lines)

class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    a: int

class Names(RootModel[list[str]]):
    pass
"""


def test_models_are_made_and_read(author: Author) -> None:
    """Fields, defaults, inheritance, equality and repr are pydantic's."""
    body = """
        o = Order(id="o-1", lines=[Line(sku="x")])
        p = o.model_copy(update={"id": "o-2"})
        o.tags.append("t")
        return [repr(o), o == Order(id="o-1", lines=[Line(sku="x")], tags=["t"]), o == p, p.id, o.size,
            list(Order.model_fields), sorted(o.model_fields_set), Order(id="n").lines is Order(id="n").lines, o._cache]
    """
    value = author.body(body, before=MODELS).begin().value

    assert value == [
        "Order(id='o-1', lines=[Line(sku='x', count=1)], mail=None, tags=['t'], total=Decimal('0'))",
        True,
        False,
        "o-2",
        1,
        ["id", "lines", "mail", "tags", "total"],
        ["id", "lines"],
        False,
        {},
    ]


def test_dump(author: Author) -> None:
    """model_dump and model_dump_json are what they are outside."""
    body = """
        o = Order(id="o", lines=[Line(sku="x", count=2)], total=Decimal("1.50"))
        return [o.model_dump(), o.model_dump(mode="json", exclude={"tags"}, by_alias=True, exclude_none=True),
            o.model_dump_json(include={"id", "total"}), o.model_dump(exclude_unset=True, exclude={"size"}),
            Names(["a"]).model_dump()]
    """
    everything, json, text, given, root = author.body(body, before=MODELS).begin().value

    assert list(everything) == ["id", "lines", "mail", "tags", "total", "size"]
    assert everything["lines"] == [{"sku": "x", "count": 2}]
    assert json == {"id": "o", "lines": [{"sku": "x", "count": 2}], "sum": "1.50", "size": 1}
    assert text == '{"id":"o","total":"1.50"}'
    assert list(given) == ["id", "lines", "total"]
    assert root == ["a"]


def test_mistakes(author: Author) -> None:
    """A missing field, a frozen model and an attribute that is no field are refused."""
    body = """
        got = []
        for attempt in (lambda: Order(), lambda: setattr(Frozen(a=1), "a", 2), lambda: setattr(Line(sku="x"), "y", 1)):
            try:
                attempt()
            except ValueError as error:
                got.append(str(error))
        return got + [len({Frozen(a=1), Frozen(a=1)}), Line(sku="x", unknown=1).model_dump()]
    """
    missing, frozen, unknown, hashed, ignored = author.body(body, before=MODELS).begin().value

    assert missing == "Order needs id"
    assert frozen.startswith("Frozen is frozen")
    assert unknown == '"Line" object has no field "y"'
    assert hashed == 1
    assert ignored == {"sku": "x", "count": 1}


def test_models_cross_the_border(author: Author) -> None:
    """A model is an argument and a result under its class's path."""
    run = author.body(
        "got = await charge(Line(sku='x')); return [type(got).__name__, got.sku, got.count]", before=MODELS
    )
    run.begin()
    text = run.ops[0].input or ""
    assert "class//python//pydantic//app:Line" in text

    flat = '[["Instance",1],{"classId":2,"data":3},"class//python//pydantic//app:Line",{"sku":4,"count":5},"y",3]'
    assert run.deliver(run.event("step_completed", 1, value=f"devl{flat}")).value == ["Line", "y", 3]


def test_generic_models_cross_with_their_types(author: Author) -> None:
    """One that comes from outside has the class that the workflow makes by the same name."""
    before = MODELS + "\nT = TypeVar('T')\nclass Page(BaseModel, Generic[T]):\n    items: list[T]\n"
    before += "class Named(Page[T], Generic[T]):\n    name: str = ''\n"
    run = author.body(
        "got = await charge(); return [type(got) is Page[Line], got.items, Page[list[int] | None].__name__, "
        "await charge(Named[Line](items=[]))]",
        before=before,
    ).begin()
    flat = '[["Instance",1],{"classId":2,"data":3},"class//python//pydantic//app:Page[Line]",{"items":4},[]]'
    run.deliver(run.event("step_completed", 1, value=f"devl{flat}"))
    assert "class//python//pydantic//app:Named[Line]" in (run.ops[1].input or "")

    assert run.complete(2, None).value == [True, [], "Page[list[int] | None]", None]


def test_validation_is_for_steps(author: Author) -> None:
    """What only validates is harmless in a module and refused in a workflow."""
    failure = author.body("EmailStr('x')", before=MODELS).begin().failure

    assert "pydantic.EmailStr cannot be used in a workflow" in str(failure)
    assert "validate in a step" in str(failure)


def test_a_model_may_name_one_that_comes_later(author: Author) -> None:
    """A module that calls model_rebuild loads, and models that were named before they existed hold one another."""
    head = """
from pydantic import BaseModel

class Order(BaseModel):
    line: "Line"

class Line(BaseModel):
    sku: str

Order.model_rebuild()
"""
    body = """
        return repr(Order(line=Line(sku="x")))
    """
    assert author.body(body, before=head).begin().value == "Order(line=Line(sku='x'))"
