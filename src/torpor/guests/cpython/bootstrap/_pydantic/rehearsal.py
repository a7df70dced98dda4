"""
What models do, done while a program's image is made, so that the image holds the bytecode as it becomes by being run.

The interpreter rewrites what is run often. What a run has rewritten is part of what it parks.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from types import GenericAlias
from typing import Any, Final

from torpor.codec.guest import text_of, value_of
from torpor.codec.wire.reducers import forget_classes

from .errors import ValidationError

_TIMES: Final = 8
"""Enough for the interpreter to specialise what is run so often."""

_PART: Final = {"name": str, "count": int}
_PART_DEFAULTS: Final = {"count": 1}
_WHOLE: Final = {"id": str, "at": float, "other": dict[str, int], "maybe": int | None}
_WHOLE_DEFAULTS: Final[dict[str, Any]] = {"parts": [], "maybe": None}


def rehearse() -> None:
    """Make, serialize and pass models, if the program has any."""
    pydantic: Any = sys.modules.get("pydantic.main")
    if pydantic is None:
        return
    here = vars(sys.modules[__name__])
    with suppress(Exception):  # a program may have changed pydantic
        part = here["Part"] = _model(pydantic.BaseModel, "Part", _PART, _PART_DEFAULTS)
        fields = {**_WHOLE, "parts": GenericAlias(list, part)}
        whole = here["Whole"] = _model(pydantic.BaseModel, "Whole", fields, _WHOLE_DEFAULTS)
        for _ in range(_TIMES):
            _use(whole, part)
    here.pop("Part", None)
    here.pop("Whole", None)
    forget_classes()


def _model(base: type, name: str, fields: dict[str, Any], defaults: dict[str, Any]) -> Any:
    return type(base)(name, (base,), {"__module__": __name__, "__annotations__": fields, **defaults})


def _use(whole: Any, part: Any) -> None:
    one = whole(id="a", at=1.5, parts=[{"name": "x", "count": "2"}, part(name="y")], other={"a": 1})
    whole.model_validate(one.model_dump(mode="json"))
    copy = whole.model_validate_json(one.model_dump_json()).model_copy(update={"id": "b"})
    value_of(text_of([one, copy, one == copy, repr(one), one.model_dump()]))
    try:
        whole(id=1, parts=[{"name": 5}])
    except ValidationError as error:
        str(error)
