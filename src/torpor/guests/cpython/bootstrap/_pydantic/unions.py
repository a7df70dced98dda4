"""Validators of unions."""

from __future__ import annotations

from typing import Any

from .building import Building, Config, Schema, builds, from_either
from .choices import Lookup
from .errors import (
    Invalid,
    Line,
    PydanticCustomError,
    PydanticKnownError,
    PydanticOmit,
    SchemaError,
    custom_line,
    invalid,
)
from .lookup import paths_of
from .messages import TEMPLATES
from .models import source_of
from .state import EXACT, State, Validator


class CustomError:
    """An error that stands for those of a schema."""

    __slots__ = ("_error",)

    def __init__(self, schema: Schema) -> None:
        kind, context = schema["custom_error_type"], schema.get("custom_error_context")
        self._error: PydanticCustomError | PydanticKnownError
        if kind in TEMPLATES:
            if "custom_error_message" in schema:
                raise SchemaError(
                    "custom_error_message should not be provided if 'custom_error_type' matches a known error"
                )
            self._error = PydanticKnownError(kind, context)
        else:
            self._error = PydanticCustomError(kind, schema["custom_error_message"], context)

    def failure(self, value: Any) -> Invalid:
        """Return it as the failure of a value."""
        if isinstance(self._error, PydanticCustomError):
            return Invalid([custom_line(self._error, value)])
        return Invalid([Line(self._error.type, value, self._error.context)])


def custom_error(schema: Schema) -> CustomError | None:
    """Return the error that a schema has of its own."""
    return None if schema.get("custom_error_type") is None else CustomError(schema)


class Union(Validator):
    """
    Takes the member that a value fits best, or the first one that it fits.

    Attributes:
        choices: each validator with what it is called in errors.
        is_smart: whether the best one is wanted.
        custom: the error when it fits none.
    """

    __slots__ = ("choices", "custom", "is_smart")

    def __init__(self, choices: list[tuple[Validator, str | None]], is_smart: bool, custom: CustomError | None) -> None:
        self.choices = choices
        self.is_smart, self.custom = is_smart, custom
        names = [choice.name if label is None else label for choice, label in choices]
        self.name = f"union[{','.join(names)}]"

    def validate(self, value: Any, state: State) -> Any:
        return self._best(value, state) if self.is_smart else self._first(value, state)

    def _best(self, value: Any, state: State) -> Any:
        before = state.exactness, state.fields_set
        best: tuple[Any, int, int | None] | None = None
        lines: list[Line] = []
        is_omitted = False
        try:
            for choice, label in self.choices:
                state.exactness, state.fields_set = EXACT, None
                try:
                    made = choice.validate(value, state)
                except PydanticOmit:
                    is_omitted |= best is None
                except Invalid as failure:
                    if best is None:
                        lines += failure.at(choice.name if label is None else label)
                else:
                    exactness, count = state.exactness or 0, state.fields_set
                    if exactness == EXACT and count is None:
                        return made
                    if best is None or _is_better(best, exactness, count):
                        best = made, exactness, count
        finally:
            state.exactness, state.fields_set = before
        if best is not None:
            state.floor(best[1])
            if best[2] is not None:
                state.add_fields(best[2])
            return best[0]
        if is_omitted:
            raise PydanticOmit
        raise self._failure(lines, value)

    def _first(self, value: Any, state: State) -> Any:
        lines: list[Line] = []
        for choice, label in self.choices:
            try:
                return choice.validate(value, state)
            except Invalid as failure:
                lines += failure.at(choice.name if label is None else label)
        raise self._failure(lines, value)

    def _failure(self, lines: list[Line], value: Any) -> Invalid:
        return Invalid(lines) if self.custom is None else self.custom.failure(value)


def _is_better(best: tuple[Any, int, int | None], exactness: int, count: int | None) -> bool:
    if best[2] is not None and count is not None and best[2] != count:
        return best[2] < count
    return best[1] < exactness


@builds("union")
def _union(schema: Schema, config: Config, building: Building) -> Validator:
    choices: list[tuple[Validator, str | None]] = []
    for choice in schema["choices"]:
        inner, label = choice if isinstance(choice, tuple) else (choice, None)
        choices.append((building.make(inner, config), None if label is None else str(label)))
    if not choices:
        raise SchemaError("One or more union choices required")
    if len(choices) == 1 and schema.get("auto_collapse", True):
        return choices[0][0]
    mode = schema.get("mode", "smart")
    if mode not in ("smart", "left_to_right"):
        raise SchemaError(f"Invalid union mode: `{mode}`, expected `smart` or `left_to_right`")
    return Union(choices, mode == "smart", custom_error(schema))


class TaggedUnion(Validator):
    """Takes the member that a tag in the value names."""

    __slots__ = ("custom", "discriminator", "from_attributes", "lookup", "paths", "shown", "tags")

    def __init__(self, schema: Schema, config: Config, building: Building) -> None:
        self.discriminator = schema["discriminator"]
        self.paths = [] if callable(self.discriminator) else paths_of(self.discriminator)
        self.shown = f"{self.discriminator.__name__}()" if not self.paths else " | ".join(map(str, self.paths))
        choices = {tag: building.make(choice, config) for tag, choice in schema["choices"].items()}
        self.lookup, self.tags = Lookup(choices.items()), ", ".join(map(repr, choices))
        self.from_attributes = from_either(schema, config, "from_attributes", default=True)
        self.custom = custom_error(schema)
        self.name = f"tagged-union[{','.join(choice.name for choice in choices.values())}]"

    def validate(self, value: Any, state: State) -> Any:
        tag = self._tag(value, state)
        found = self.lookup.find(tag) if tag is not None or self.paths else None
        if tag is None and not self.paths:
            raise self._failure("union_tag_not_found", value, discriminator=self.shown)
        if found is None:
            told = {"discriminator": self.shown, "tag": str(tag), "expected_tags": self.tags}
            raise self._failure("union_tag_invalid", value, **told)
        try:
            return found[0].validate(value, state)
        except Invalid as failure:
            failure.at(tag)
            raise

    def _tag(self, value: Any, state: State) -> Any:
        if not self.paths:
            return self.discriminator(value)
        from_attributes = self.from_attributes if state.from_attributes is None else state.from_attributes
        source, attributes = source_of(value, state, state.is_strict(False), from_attributes)
        for path in self.paths:
            found = path.of_object(source) if attributes else path.of_mapping(source)
            if found is not None:
                return found[0]
        raise self._failure("union_tag_not_found", value, discriminator=self.shown)

    def _failure(self, kind: str, value: Any, **context: Any) -> Invalid:
        return invalid(kind, value, **context) if self.custom is None else self.custom.failure(value)


@builds("tagged-union")
def _tagged_union(schema: Schema, config: Config, building: Building) -> Validator:
    return TaggedUnion(schema, config, building)
