"""Pydantic models inside workflows: pydantic's own files over Torpor's own part."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import Field, TypeAdapter
from pydantic_core import SchemaError

from tests.guests.cpython.conftest import Author
from torpor import codec

MODELS = """
from datetime import datetime, UTC
from decimal import Decimal
from enum import Enum
from typing import Annotated, ClassVar, Generic, TypeVar
from pydantic import (BaseModel, ConfigDict, Field, PrivateAttr, RootModel, TypeAdapter, ValidationError,
    computed_field, field_serializer, field_validator, model_validator)

class Line(BaseModel):
    sku: str
    count: int = Field(1, gt=0)

class Base(BaseModel):
    model_config = ConfigDict(extra="ignore")
    TABLE: ClassVar[str] = "orders"
    id: str

class Order(Base):
    lines: list[Line] = []
    tags: Annotated[list[str], Field(default_factory=list)]
    total: Decimal = Field(default=Decimal("0"), alias="sum")
    _cache: dict = PrivateAttr(default_factory=dict)

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
        "Order(id='o-1', lines=[Line(sku='x', count=1)], tags=['t'], total=Decimal('0'), size=1)",
        True,
        False,
        "o-2",
        1,
        ["id", "lines", "tags", "total"],
        ["id", "lines"],
        False,
        {},
    ]


def test_dump(author: Author) -> None:
    """model_dump and model_dump_json are what they are outside."""
    body = """
        o = Order(id="o", lines=[Line(sku="x", count=2)], sum="1.50")
        return [o.model_dump(), o.model_dump(mode="json", exclude={"tags"}, by_alias=True, exclude_none=True),
            o.model_dump_json(include={"id", "total"}), o.model_dump(exclude_unset=True, exclude={"size"}),
            Names(["a"]).model_dump()]
    """
    everything, json, text, given, root = author.body(body, before=MODELS).begin().value

    assert list(everything) == ["id", "lines", "tags", "total", "size"]
    assert everything["lines"] == [{"sku": "x", "count": 2}]
    assert json == {"id": "o", "lines": [{"sku": "x", "count": 2}], "sum": "1.50", "size": 1}
    assert text == '{"id":"o","total":"1.50"}'
    assert list(given) == ["id", "lines", "total"]
    assert root == ["a"]


def test_values_are_converted_and_validated(author: Author) -> None:
    """What does not fit is a ValidationError with pydantic's types, places and words."""
    body = """
        got = [Line(sku="x", count="12").count]
        for attempt in (lambda: Order(), lambda: Line(sku="x", count=0), lambda: setattr(Frozen(a=1), "a", 2)):
            try:
                attempt()
            except ValidationError as error:
                got += [[each["type"], each["loc"], each["msg"]] for each in error.errors()]
        return got
    """
    assert author.body(body, before=MODELS).begin().value == [
        12,
        ["missing", ("id",), "Field required"],
        ["greater_than", ("count",), "Input should be greater than 0"],
        ["frozen_instance", ("a",), "Instance is frozen"],
    ]


def test_functions_of_the_author_take_part(author: Author) -> None:
    """Validators fill fields and refuse values, serializers say how they are written."""
    before = MODELS + (
        """
class A(BaseModel):
    x: int
    y: int | None = None

    @field_validator("x")
    @classmethod
    def even(cls, value):
        if value % 2:
            raise ValueError("odd")
        return value

    @model_validator(mode="after")
    def fill(self):
        if self.y is None:
            self.y = self.x * 2
        return self

    @field_serializer("x")
    def shown(self, value):
        return f"<{value}>"
"""
    )
    body = """
        a = A(x=2)
        try:
            A(x=3)
        except ValidationError as error:
            return a.y, a.model_dump_json(), str(error).splitlines()[2]
    """
    assert author.body(body, before=before).begin().value == (
        4,
        '{"x":"<2>","y":4}',
        "  Value error, odd [type=value_error, input_value=3, input_type=int]",
    )


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

    assert run.complete(2, None).value == [True, [], "Page[Union[list[int], NoneType]]", None]


def test_a_model_may_name_one_that_comes_later(author: Author) -> None:
    """Models that were named before they existed hold one another."""
    head = """
from pydantic import BaseModel

class Order(BaseModel):
    line: "Line"

class Line(BaseModel):
    sku: str

Order.model_rebuild()
"""
    body = """
        return repr(Order(line={"sku": "x"}))
    """
    assert author.body(body, before=head).begin().value == "Order(line=Line(sku='x'))"


def test_what_is_not_the_same_is_refused(author: Author) -> None:
    """By the kind of value, the field and what to do instead, when the model is defined."""
    before = MODELS + "\n"
    body = """
        class Found(BaseModel):
            name: Annotated[str, Field(pattern=r"^(?i)x")]
    """
    failure = author.body(body, before=before).begin().failure

    assert "a text by the pattern" in str(failure)
    assert "(in Found.name)" in str(failure)
    assert "validate in a step" in str(failure)


@pytest.mark.parametrize(
    ("use", "what"),
    [
        ("pydantic.TypeAdapter(pydantic.HttpUrl)", "a value of kind 'url'"),
        ("pydantic.TypeAdapter(list[pydantic.AnyUrl | None])", "a value of kind 'url'"),
        ("pydantic.create_model('M', u=(pydantic.FileUrl, None))", "a value of kind 'url'"),
        ("pydantic.TypeAdapter(dict[str, pydantic.PostgresDsn])", "a value of kind 'multi-host-url'"),
        ("pydantic.AnyUrl('http://a.example')", "a value of kind 'url'"),
        ("pydantic.RedisDsn('redis://a.example')", "a value of kind 'url'"),
        ("pydantic_core.Url('http://a.example')", "an address"),
        ("pydantic_core.MultiHostUrl('http://a.example,b.example')", "an address"),
        ("Line.model_validate_strings({'sku': 'x'})", "an object of texts (model_validate_strings)"),
        ("pydantic.TypeAdapter(int).validate_strings('1')", "an object of texts (model_validate_strings)"),
        ("pydantic.TypeAdapter(frozendict[str, int])", "a value of kind 'frozendict'"),
        ("pydantic.TypeAdapter(list[int]).validate_json('[1', experimental_allow_partial=True)", "a part of a value"),
    ],
)
def test_each_kind_that_is_not_there_says_so(author: Author, use: str, what: str) -> None:
    """Addresses, objects of texts and what only newer Pythons have: never another value."""
    failure = author.body(use, before=f"{MODELS}\nimport pydantic, pydantic_core\n").begin().failure

    assert type(failure).__name__ == "NotInWorkflowError"
    assert f"pydantic: {what}" in str(failure)
    assert "validate in a step" in str(failure)


def test_the_image_has_the_models(author: Author) -> None:
    """Importing pydantic and defining models is done once, for all runs of a program."""
    image = author.body("return 1", before=MODELS).image

    assert image.per_run is None


def test_a_run_with_models_parks_small(author: Author) -> None:
    """What using models for the first time changes is part of the image."""
    body = """
        order = Order(id="o", lines=[{"sku": "x", "count": "2"}])
        await charge(order)
    """
    run = author.body(body, before=MODELS).begin()

    assert run.status == "pending"
    assert len(codec.pack_binary(run.vm.snapshot())) < 20_000


@pytest.mark.parametrize("change", ["", "pydantic.BaseModel.__init__ = refuse"])
def test_what_making_an_image_does_with_models_leaves_nothing(author: Author, change: str) -> None:
    """The program may even have changed pydantic."""
    before = f"""
import pydantic
def refuse(self, **given):
    raise RuntimeError("not today")
class Mine(pydantic.BaseModel):
    pass
{change}
"""
    body = "return [cls.__name__ for cls in pydantic.BaseModel.__subclasses__()]"

    assert author.body(body, before=before).begin().value in (["Mine"], ["RootModel", "Mine"])


def test_models_inside_models_are_made_once(author: Author) -> None:
    """Sixty models, each with three others inside, and those with three."""
    body = """
        classes = []
        for i in range(60):
            inside = {f"ref{j}": (before | None, None) for j, before in enumerate(classes[-3:])}
            classes.append(create_model(f"Node{i}", value=(int, ...), **inside))
        return classes[-1].model_validate({"value": 1, "ref2": {"value": "2"}}).model_dump(exclude_none=True)
    """
    value = author.body(body, before="from pydantic import create_model\n").begin().value

    assert value == {"value": 1, "ref2": {"value": 2}}


def test_a_schema_that_is_none_says_where(author: Author) -> None:
    """In pydantic's words, with the error of pydantic's."""
    body = """
        try:
            TypeAdapter(dict[str, Annotated[int, Field(multiple_of=-1)]])
        except SchemaError as error:
            return str(error)
    """
    before = """
from typing import Annotated
from pydantic import Field, TypeAdapter
from pydantic_core import SchemaError
"""
    value = author.body(body, before=before).begin().value

    with pytest.raises(SchemaError) as caught:
        TypeAdapter(dict[str, Annotated[int, Field(multiple_of=-1)]])
    assert value == str(caught.value)


def test_bytes_in_texts(author: Author) -> None:
    """base64 and hexadecimal digits, and what is wrong with others, as outside."""
    before = """
from pydantic import ConfigDict, TypeAdapter, ValidationError

def told(kind, text):
    try:
        return TypeAdapter(bytes, config=ConfigDict(val_json_bytes=kind)).validate_json(text)
    except ValidationError as error:
        return str(error)
"""
    texts = ["", "YWI=", "YWI", "-_+/", "-_8", "YQ==YQ", "Y", "YWJ", "=", "616263", "6x", "616", "\u00e9a"]
    cases = [(kind, f'"{text}"') for kind in ("base64", "hex", "utf8") for text in texts]
    value = author.body(f"return [told(*case) for case in {cases!r}]", before=before).begin().value

    scope: dict[str, Any] = {}
    exec(before, scope)  # noqa: S102  # the same outside
    assert value == [scope["told"](*case) for case in cases]


def test_an_endless_tuple_is_too_long(author: Author) -> None:
    """Nobody waits for the end of it."""
    body = """
        try:
            return TypeAdapter(Annotated[tuple[int, ...], Field(max_length=3)]).validate_python(itertools.count())
        except ValidationError as error:
            return error.errors()[0]["msg"]
    """
    before = """
import itertools
from typing import Annotated
from pydantic import Field, TypeAdapter, ValidationError
"""
    value = author.body(body, before=before).begin().value

    assert value == "Tuple should have at most 3 items after validation, not more"
