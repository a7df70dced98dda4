"""
From schemas to validators.

Each kind of schema has one builder, in the module of its kind, which :func:`builds` writes down here. A kind that has
none is refused when a model is defined, not when a value meets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, NoReturn

from torpor.errors import NotInWorkflowError

from .errors import SchemaError
from .state import Validator

Schema = dict[str, Any]
Config = dict[str, Any]

_BUILDERS: Final[dict[str, Callable[[Schema, Config, Building], Validator]]] = {}


def builds(*kinds: str) -> Callable[[Any], Any]:
    """Return a decorator of the function that makes validators of schemas of these kinds."""

    def decorated(builder: Any) -> Any:
        _BUILDERS.update(dict.fromkeys(kinds, builder))
        return builder

    return decorated


def refuse(what: str, place: str = "") -> NoReturn:
    """Raise the error of something that pydantic has outside only."""
    inside = f" (in {place})" if place else ""
    raise NotInWorkflowError(
        f"pydantic: {what} cannot be validated in a workflow{inside}; use another type in models of workflows, or "
        "validate in a step: a function with @app.step"
    )


def made_before(schema: Schema, name: str) -> Any:
    """
    Return what a class has been given to validate or serialize it; None for one that is not complete.

    Without this, a model would be made anew inside each one that has it, and so would what is in it.
    """
    if schema["type"] not in ("model", "dataclass") or "generic_origin" in schema:
        return None
    attributes = schema["cls"].__dict__
    return attributes.get(name) if attributes.get("__pydantic_complete__") is True else None


class Building:
    """
    The making of one validator.

    Attributes:
        definitions: schemas that others refer to, by their reference.
        place: fields around the schema, from the outside in.
        reuses: whether classes that are complete are validated by the validators that they have.
    """

    def __init__(self, *, reuses: bool = True) -> None:
        self.reuses = reuses
        self.definitions: dict[str, Definition] = {}
        self.place: list[str] = []

    def make(self, schema: Schema, config: Config) -> Validator:
        """Return the validator of a schema."""
        kind = schema["type"]
        builder = _BUILDERS.get(kind)
        if builder is None:
            if kind == "invalid":
                raise SchemaError("Cannot construct schema with `InvalidSchema` member.")
            refuse(f"a value of kind {kind!r}", ".".join(self.place))
        inner = getattr(made_before(schema, "__pydantic_validator__"), "_inner", None) if self.reuses else None
        if isinstance(inner, Validator) and inner.is_reusable:
            return inner
        try:
            return builder(schema, config, self)
        except (ValueError, TypeError, KeyError, SchemaError, re.error) as error:
            problem = f'Error building "{kind}" validator:\n  {type(error).__name__}: {error}'
        raise SchemaError(problem)

    def field(self, name: str, schema: Schema, config: Config) -> Validator:
        """Return the validator of a field."""
        self.place.append(name)
        validator = self.make(schema, config)
        self.place.pop()
        return validator

    def optional(self, schema: Schema | None, config: Config) -> Validator | None:
        """Return the validator of a schema that may be missing."""
        return None if schema is None else self.make(schema, config)

    def definition(self, reference: str) -> Definition:
        """Return what stands for a schema that is defined elsewhere, perhaps later."""
        return self.definitions.setdefault(reference, Definition())

    def finish(self) -> None:
        """
        Check that all that was referred to was defined.

        Raises:
            SchemaError: it was not.
        """
        for reference, definition in self.definitions.items():
            if definition.validator is None:
                raise SchemaError(f"Definitions error: definition `{reference}` was never filled")


class Definition:
    """
    A validator that others refer to, which may be made later.

    Attributes:
        validator: it, once it is made.
        name: what it is called, once somebody has asked.
        is_named: whether that is just being asked.
    """

    __slots__ = ("is_named", "name", "validator")

    def __init__(self) -> None:
        self.validator: Validator | None = None
        self.name: str | None = None
        self.is_named = False


def from_either(schema: Schema, config: Config, key: str, config_key: str | None = None, default: Any = None) -> Any:
    """Return what a schema says, else what the configuration does."""
    said = schema.get(key)
    if said is None:
        said = config.get(config_key or key)
    return default if said is None else said


def is_strict(schema: Schema, config: Config) -> bool:
    """Tell whether a schema converts nothing."""
    return bool(from_either(schema, config, "strict", default=False))


def function_name(function: Any) -> str:
    """Return what a function is called in names of validators."""
    name = getattr(function, "__name__", None)
    return name if isinstance(name, str) else repr(function)
