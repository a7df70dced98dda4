"""pydantic's errors between steps and workflows: each side reads what the other one raised as what it is."""

from __future__ import annotations

import pytest
from pydantic_core import ValidationError

from tests.codec.types.test_validation_errors import failed, failed_json
from tests.guests.cpython.conftest import Author
from torpor import codec

CLASSES = """
from decimal import Decimal
from typing import Literal
import pydantic
from pydantic_core import PydanticCustomError
from torpor.codec.guest import text_of, value_of

class Part(pydantic.BaseModel):
    count: int = pydantic.Field(gt=0)
    price: Decimal = pydantic.Field(max_digits=3)

class Whole(pydantic.BaseModel):
    parts: list[Part]
    kind: Literal["a", "b"]
    name: str
    code: str

    @pydantic.field_validator("name")
    @classmethod
    def _name(cls, _: str) -> str:
        raise ValueError("no name is good", 5)

    @pydantic.field_validator("code")
    @classmethod
    def _code(cls, code: str) -> str:
        raise PydanticCustomError("bad_code", "no code like {code}", {"code": code})
"""


@pytest.mark.parametrize("error", [failed(), failed({}), failed_json()], ids=["many", "missing", "json"])
def test_a_workflow_reads_what_a_step_raised(author: Author, error: ValidationError) -> None:
    """It is the ValidationError that the workflow knows, and says the same."""
    text = codec.unpack_devalue(codec.dumps(error))
    body = f"""
        error = value_of({text!r})
        back = text_of(error)
        plain = [{{**line, "ctx": None}} for line in error.errors()]
        return [isinstance(error, pydantic.ValidationError), str(error), plain, back]
    """
    is_one, said, plain, back = author.body(body, before=CLASSES).begin().value
    read = codec.loads(codec.pack_devalue(back))

    assert is_one
    assert said == str(error)
    assert plain == [{**line, "ctx": None} for line in error.errors()]
    assert type(read) is ValidationError
    assert [str(read), read.title] == [str(error), error.title]


def test_a_step_reads_what_a_workflow_raised(author: Author) -> None:
    """The same the other way round."""
    body = """
        try:
            Whole.model_validate({"parts": [{"count": 0, "price": "1234"}, 5], "kind": (1, {2}), "name": "n",
                "code": "c"})
        except pydantic.ValidationError as error:
            return [error, error.json(), str(error)]
    """
    read, json, said = author.body(body, before=CLASSES).begin().value

    assert type(read) is ValidationError
    assert [read.json(), str(read)] == [json, said]
    assert [json, said] == [failed().json(), str(failed())]
