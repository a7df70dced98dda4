"""What models are told of functions, and of what they are to return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from pydantic import BaseModel

from torpor.agents.schemas import object_schema, schema_of, spec_of
from torpor.errors import ConfigurationError


class Size(Enum):
    """How large."""

    SMALL = "s"
    LARGE = "l"


class Point(TypedDict):
    """A place."""

    x: int
    y: NotRequired[float]


@dataclass
class Tree:
    """
    A tree.

    Attributes:
        value: what is in it.
    """

    value: int
    children: list[Tree] = field(default_factory=list)


class Line(BaseModel):
    """A line of an order."""

    sku: str
    price: Decimal


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (str, {"type": "string"}),
        (int | None, {"anyOf": [{"type": "integer"}, {"type": "null"}]}),
        (list[bool], {"type": "array", "items": {"type": "boolean"}}),
        (Sequence[str], {"type": "array", "items": {"type": "string"}}),
        (dict[str, float], {"type": "object", "additionalProperties": {"type": "number"}}),
        (tuple[int, str], {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}]}),
        (Literal["a", 1], {"enum": ["a", 1]}),
        (Size, {"enum": ["s", "l"]}),
        (date, {"type": "string", "format": "date"}),
        (Annotated[int, "how many"], {"type": "integer", "description": "how many"}),
        (Any, {}),
    ],
)
def test_annotations(annotation: Any, schema: dict[str, Any]) -> None:
    """Each has its form in JSON."""
    assert schema_of(annotation) == schema


def test_classes_stand_once() -> None:
    """Dataclasses, typed dicts and models of pydantic are definitions, also where one is of itself."""
    schema = schema_of(dict[str, Tree | Point | Line])
    assert set(schema["$defs"]) == {"Tree", "Point", "Line"}
    tree = schema["$defs"]["Tree"]
    assert tree["description"] == "A tree."
    assert tree["required"] == ["value"]
    assert tree["properties"]["value"] == {"type": "integer", "description": "what is in it."}
    assert tree["properties"]["children"] == {"type": "array", "items": {"$ref": "#/$defs/Tree"}}
    assert schema["$defs"]["Point"]["required"] == ["x"]
    assert schema["$defs"]["Line"]["required"] == ["sku", "price"]


def test_what_is_no_object_is_wrapped() -> None:
    """An answer is always an object; a class of one is itself."""
    assert object_schema(list[int])[1]
    schema, is_wrapped = object_schema(Line)
    assert not is_wrapped
    assert "$defs" not in schema
    assert "$defs" in object_schema(Tree)[0]


def test_a_function() -> None:
    """Its docstring says what it is for, and what each parameter is."""

    def search(query: str, most: int = 3, *, where: Size = Size.SMALL) -> None:
        """
        Search.

        Args:
            query: words, also
                several.
            most (int): how many.

        Raises:
            ValueError: never.
        """

    spec = spec_of(search, hidden=("where",))
    assert (spec.name, spec.description) == ("search", "Search.")
    assert spec.parameters["properties"] == {
        "query": {"type": "string", "description": "words, also several."},
        "most": {"type": "integer", "description": "how many.", "default": 3},
    }
    assert spec.parameters["required"] == ["query"]


def test_what_json_cannot_hold() -> None:
    """The error names tool, parameter and type."""

    def run(socket: object, what: type[int]) -> None:
        """Run."""

    with pytest.raises(ConfigurationError, match="tool run, parameter what: type"):
        spec_of(run)

    def many(*words: str) -> None:
        """Take many."""

    with pytest.raises(ConfigurationError, match="a model passes arguments by name"):
        spec_of(many)
