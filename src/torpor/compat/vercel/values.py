"""Classes of one's own as values."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

from torpor.codec.types.custom import register
from torpor.codec.types.custom import serializable as own_serializable

C = TypeVar("C", bound=type)


def serializable(cls: C) -> C:
    """
    Make the instances of a class values that workflows and steps can pass; use it as a decorator.

    A class says with ``_workflow_serialize`` and ``_workflow_deserialize`` what is stored of it; without them, its
    attributes are. Enums, dataclasses and pydantic models are values anyway.

    Raises:
        ConfigurationError: its name is taken, or its attributes are not all that it is made of.
    """
    return register_serializable(cls)


def register_serializable(
    cls: C,
    *,
    serialize: Callable[[Any], Any] | None = None,
    deserialize: Callable[[Any], Any] | None = None,
) -> C:
    """
    Do the same for a class that cannot be decorated.

    Args:
        cls: the class.
        serialize: value → what is stored; by default the class's ``_workflow_serialize``.
        deserialize: the other way round; by default its ``_workflow_deserialize``.

    Raises:
        ConfigurationError: as :func:`serializable`.
    """
    encode = serialize or getattr(cls, "_workflow_serialize", None)
    decode = deserialize or getattr(cls, "_workflow_deserialize", None)
    if encode is not None and decode is not None:
        register(cls, encode, decode)
    elif not issubclass(cls, Enum):
        own_serializable(cls)
    return cls
