"""
What pydantic has in compiled code, in Python: validation and serialization of what its schemas describe.

pydantic itself is Python and goes into programs as it is installed; what it asks of ``pydantic_core`` is here. The
facts are pydantic's: what is converted to what, the types, texts and places of errors, and what becomes of values in
dicts and JSON. A differential test compares both. What is not the same is refused, when a model is defined where that
is known then, and by name.
"""

from __future__ import annotations

from . import (  # noqa: F401  # each writes down the kinds of schemas that it makes validators or serializers of
    calls,
    choices,
    dataclass,
    decimals,
    functions,
    mappings,
    models,
    others,
    scalars,
    sequences,
    ser_containers,
    ser_fields,
    ser_functions,
    ser_simple,
    ser_unions,
    strings,
    temporal,
    typed_dicts,
    unions,
    wrappers,
)
from . import gathering as _schema_gather
from .errors import (
    PydanticCustomError,
    PydanticKnownError,
    PydanticOmit,
    PydanticSerializationError,
    PydanticSerializationUnexpectedValue,
    PydanticUseDefault,
    SchemaError,
    ValidationError,
    set_version,
)
from .messages import list_all_errors
from .serializer import SchemaSerializer, from_json, to_json, to_jsonable_python
from .urls import MultiHostUrl, Url
from .validator import SchemaValidator
from .values import ArgsKwargs, PydanticUndefined, PydanticUndefinedType, Some, TzInfo

_recursion_limit = 255
build_profile = "torpor"
build_info = "Torpor's own, in Python"

__all__ = [
    "ArgsKwargs",
    "MultiHostUrl",
    "PydanticCustomError",
    "PydanticKnownError",
    "PydanticOmit",
    "PydanticSerializationError",
    "PydanticSerializationUnexpectedValue",
    "PydanticUndefined",
    "PydanticUndefinedType",
    "PydanticUseDefault",
    "SchemaError",
    "SchemaSerializer",
    "SchemaValidator",
    "Some",
    "TzInfo",
    "Url",
    "ValidationError",
    "_recursion_limit",
    "_schema_gather",
    "build_info",
    "build_profile",
    "from_json",
    "list_all_errors",
    "set_version",
    "to_json",
    "to_jsonable_python",
]
