"""
A stand-in for pydantic inside workflows: models with fields and defaults, without validation.

Values are validated where a step takes or returns them, by the real pydantic outside. What is here has the same names
and does the same, except that it believes what it is given.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from torpor._guest.absent import NO_VALIDATION, part_of  # type: ignore[import-not-found]

# Named so inside the VM.
from torpor._guest.model_fields import Field, PrivateAttr, computed_field  # type: ignore[import-not-found]
from torpor._guest.models import BaseModel, RootModel, ValidationError  # type: ignore[import-not-found]

__all__ = [
    "BaseModel",
    "ConfigDict",
    "Field",
    "PrivateAttr",
    "RootModel",
    "ValidationError",
    "computed_field",
    "create_model",
    "field_serializer",
    "field_validator",
    "model_serializer",
    "model_validator",
    "root_validator",
    "validate_call",
    "validator",
]

VERSION = __version__ = "2"

ConfigDict = dict


def _harmless(*_args: Any, **_options: Any) -> Callable[[Any], Any]:
    return lambda function: function


field_validator = model_validator = field_serializer = model_serializer = validator = root_validator = _harmless


def validate_call(function: Any = None, **_options: Any) -> Any:
    """Return the function: arguments are not validated here."""
    return (lambda function: function) if function is None else function


def create_model(name: str, /, *, __base__: type[BaseModel] = BaseModel, **fields: Any) -> type[BaseModel]:
    """Make a model class of ``name=(type, default)`` or ``name=default``."""
    module = sys._getframe(1).f_globals["__name__"]  # noqa: SLF001  # there is no other way to ask
    body: dict[str, Any] = {"__annotations__": {}, "__module__": module}
    for field, given in fields.items():
        annotation, default = given if isinstance(given, tuple) else (type(given), given)
        body["__annotations__"][field] = annotation
        if default is not ...:
            body[field] = default
    return type(name, (__base__,), body)


def __getattr__(name: str) -> Any:
    """Return a placeholder for what only validation needs, such as ``EmailStr``."""
    if name.startswith("__"):
        raise AttributeError(f"module 'pydantic' has no attribute {name!r}")
    return part_of(f"pydantic.{name}", *NO_VALIDATION)
