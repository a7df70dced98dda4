"""What is known during one validation, and what a validator is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final

from .errors import Invalid, Line

LAX: Final = 0
STRICT: Final = 1
EXACT: Final = 2
"""How well a value fits a schema; a smart union takes the best one."""

DEPTH_MAX: Final = 255
"""Definitions that may be inside one another."""


class State:
    """
    What is known during one validation.

    Attributes:
        mode: ``python`` or ``json``, what the caller gave.
        source: the same of the value at hand: what a function has made of JSON is an object of Python.
        strict, extra, from_attributes, by_alias, by_name: what the caller says; None when it says nothing.
        context: the caller's.
        exactness: how well the value fits so far; None when nobody asks.
        fields_set: how many fields were given; None when there are none.
        field: name of the field that is being validated.
        data: fields that have been validated already.
        has_field_error: whether one of them was invalid.
        instance: the model that validation fills, made by its ``__init__``.
        seen: inputs that are being validated by a definition, to notice cycles.
    """

    __slots__ = (
        "by_alias",
        "by_name",
        "context",
        "data",
        "exactness",
        "extra",
        "field",
        "fields_set",
        "from_attributes",
        "has_field_error",
        "instance",
        "mode",
        "seen",
        "source",
        "strict",
    )

    def __init__(
        self,
        mode: str,
        strict: bool | None = None,
        extra: str | None = None,
        from_attributes: bool | None = None,
        context: Any = None,
        instance: Any = None,
        by_alias: bool | None = None,
        by_name: bool | None = None,
    ) -> None:
        self.mode = self.source = mode
        self.strict, self.extra, self.from_attributes = strict, extra, from_attributes
        self.context, self.instance, self.by_alias, self.by_name = context, instance, by_alias, by_name
        self.exactness: int | None = None
        self.fields_set: int | None = None
        self.field: str | None = None
        self.data: dict[str, Any] | None = None
        self.has_field_error = False
        self.seen: set[tuple[int, int]] = set()

    def copy(self) -> State:
        """Return one for a validator that a function is handed."""
        twin = State(
            self.mode,
            self.strict,
            self.extra,
            self.from_attributes,
            self.context,
            self.instance,
            self.by_alias,
            self.by_name,
        )
        twin.exactness, twin.fields_set, twin.field, twin.data = self.exactness, self.fields_set, self.field, self.data
        twin.seen, twin.source = set(self.seen), self.source
        return twin

    def is_strict(self, default: bool) -> bool:
        """Tell whether nothing is to be converted."""
        return default if self.strict is None else self.strict

    def floor(self, exactness: int) -> None:
        """Note how well a part of the value fits."""
        if self.exactness is not None and exactness < self.exactness:
            self.exactness = exactness

    def add_fields(self, count: int) -> None:
        """Note that fields were given."""
        self.fields_set = (self.fields_set or 0) + count

    @contextmanager
    def of_fields(self, data: dict[str, Any]) -> Iterator[None]:
        """Validate fields of which *data* takes what is valid."""
        before = self.data, self.has_field_error, self.field
        self.data, self.has_field_error = data, False
        try:
            yield
        finally:
            self.data, self.has_field_error, self.field = before


class Validator:
    """
    What a schema has become.

    Attributes:
        name: what it is called where a union says which of its members has failed.
        is_reusable: whether that of a class validates it inside others too.
    """

    __slots__ = ("name",)

    name: str
    is_reusable: ClassVar[bool] = True

    def validate(self, value: Any, state: State) -> Any:
        """
        Return what a value is for the schema.

        Raises:
            Invalid: it is none.
        """
        raise NotImplementedError

    def default(self, _place: int | str | None, _state: State) -> tuple[Any] | None:
        """Return the value of what was not given, in a tuple; None without one."""
        return None

    def assign(self, _model: Any, _field: str, _value: Any, _state: State) -> Any:
        """Return what a model becomes by an assignment."""
        raise TypeError(f"validate_assignment is not supported for {self.name}")


def collect(lines: list[Line]) -> None:
    """Fail with these lines, if there are any."""
    if lines:
        raise Invalid(lines)


def of_python(validator: Validator, value: Any, state: State) -> Any:
    """Return what an object is that has been made here, whatever the caller gave."""
    if state.source == "python":
        return validator.validate(value, state)
    before, state.source = state.source, "python"
    try:
        return validator.validate(value, state)
    finally:
        state.source = before
