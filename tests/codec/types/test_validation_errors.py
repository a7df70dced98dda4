"""pydantic's errors: read as what they are, with every line."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import pydantic
import pytest
from pydantic_core import PydanticCustomError, PydanticKnownError, ValidationError

from tests.codec.sameness import there_and_back
from torpor import codec
from torpor.codec import PythonError


class NamedError(PydanticCustomError):
    """An error of the application's that is pydantic's too."""


class Part(pydantic.BaseModel):
    """A part."""

    count: int = pydantic.Field(gt=0)
    price: Decimal = pydantic.Field(max_digits=3)


class Whole(pydantic.BaseModel):
    """What can go wrong in many ways."""

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


DATA: dict[str, Any] = {"parts": [{"count": 0, "price": "1234"}, 5], "kind": (1, {2}), "name": "n", "code": "c"}


def failed(data: Any = DATA) -> ValidationError:
    """Return what the validation of something says."""
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(data)
    return caught.value


def failed_json() -> ValidationError:
    """Return the same for a text."""
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate_json('{"parts": 1, "kind": [')
    return caught.value


def told(error: Any) -> list[Any]:
    """Return everything that a validation error says."""
    plain = [{**line, "ctx": repr(line.get("ctx"))} for line in error.errors()]
    return [str(error), plain, error.title, error.error_count(), error.json()]


@pytest.mark.parametrize("error", [failed(), failed({}), failed_json()], ids=["many", "missing", "json"])
def test_a_validation_error_comes_back(error: ValidationError) -> None:
    """With its lines, the values that were wrong and the errors of validators."""
    error.add_note("n")
    read = there_and_back(error)

    assert type(read) is ValidationError
    assert told(read) == told(error)
    assert read.__notes__ == ["n"]


def test_errors_of_validators_come_back() -> None:
    """pydantic's, and the application's that are built upon them."""
    for error in (
        PydanticCustomError("t", "said {what}", {"what": Decimal("1.5")}),
        PydanticCustomError("t", "said"),
        PydanticKnownError("greater_than", {"gt": 3}),
    ):
        read = there_and_back(error)
        assert type(read) is type(error)
        assert (read.args, str(read), read.type, read.context) == (error.args, str(error), error.type, error.context)
    named: Any = NamedError("t", "said")
    named.extra = 5
    read = there_and_back(named)
    assert (type(read), read.extra, str(read)) == (NamedError, 5, "said")


def test_what_cannot_be_stored_is_left_out() -> None:
    """A line says what is wrong even if nothing can say with what."""
    error = failed({**DATA, "kind": open})
    [line] = [line for line in there_and_back(error).errors() if line["type"] == "literal_error"]

    assert line == {**next(line for line in error.errors() if line["type"] == "literal_error"), "input": None}


def test_an_error_of_another_version_is_a_python_error() -> None:
    """A type of error that is not known here is none that can be made."""
    text = codec.unpack_devalue(codec.dumps(failed({})))
    read = codec.loads(codec.pack_devalue(text.replace('"missing"', '"missing_of_the_future"')))

    assert isinstance(read, PythonError)
    assert read.message == str(failed({}))
