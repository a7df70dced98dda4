"""Validators of UUIDs, JSON in texts, iterators and what is missing."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from typing import Any, Self

from .building import Building, Config, Schema, builds, is_strict
from .errors import MODULE, Invalid, Line, invalid
from .failures import raised
from .json_text import json_value
from .state import LAX, State, Validator


class Uuid(Validator):
    __slots__ = ("strict", "version")
    name = "uuid"

    def __init__(self, strict: bool, version: int | None) -> None:
        self.strict, self.version = strict, version

    def validate(self, value: Any, state: State) -> uuid.UUID:
        is_python = state.mode == "python"
        if state.source == "python" and isinstance(value, uuid.UUID):
            if self.version is not None and value.version != self.version:
                raise invalid("uuid_version", value, expected_version=self.version)
            return value
        if is_python and state.is_strict(self.strict):
            raise invalid("is_instance_of", value, **{"class": "UUID"})
        if is_python:
            state.floor(LAX)
        made = self._read(value)
        if self.version is not None and made.version != self.version:
            raise invalid("uuid_version", value, expected_version=self.version)
        return made

    def _read(self, value: Any) -> uuid.UUID:
        if isinstance(value, str):
            return _of_text(value, value)
        if not isinstance(value, bytes):
            raise invalid("uuid_type", value)
        try:
            return _of_text(value.decode(), value)
        except (UnicodeDecodeError, Invalid):
            if len(value) == 16:
                return uuid.UUID(bytes=value)
        raise invalid("uuid_parsing", value, error=f"invalid length: expected 16 bytes, found {len(value)}")


def _of_text(text: str, value: Any) -> uuid.UUID:
    """Return the UUID of its hexadecimal digits, with or without hyphens, braces and ``urn:uuid:``."""
    inner = text
    if len(text) == 38 and text.startswith("{") and text.endswith("}"):
        inner = text[1:-1]
    elif len(text) == 45 and text.startswith("urn:uuid:"):
        inner = text[9:]
    plain = inner.replace("-", "") if len(inner) == 36 and [inner[at] for at in (8, 13, 18, 23)] == ["-"] * 4 else inner
    if len(plain) == 32 and plain.isascii() and all(digit in "0123456789abcdefABCDEF" for digit in plain):
        return uuid.UUID(hex=plain)
    raise invalid("uuid_parsing", value, error=_problem(text))


def _problem(text: str) -> str:
    """Return what is wrong with a text that is no UUID."""
    start, inner = 0, text
    if text.startswith("{") and text.endswith("}") and len(text) > 1:
        start, inner = 1, text[1:-1]
    elif text.startswith("urn:uuid:"):
        start, inner = 9, text[9:]
    groups = [0]
    for place, character in enumerate(inner):
        if character == "-":
            groups.append(0)
        elif character not in "0123456789abcdefABCDEF":
            at = len(inner[:place].encode()) + (0 if len(inner.encode()) == _LENGTH else start)
            return f"invalid character: found `{character}` at {at}"
        else:
            groups[-1] += 1
    if len(groups) == 1 and not start:
        return f"invalid length: found {len(inner)}"
    if len(groups) != len(_GROUPS):
        return f"invalid group count: expected 5, found {len(groups)}"
    for number, (found, expected) in enumerate(zip(groups, _GROUPS, strict=True)):
        if found != expected:
            return f"invalid group length in group {number}: expected {expected}, found {found}"
    return f"invalid length: found {len(inner)}"


_GROUPS = (8, 4, 4, 4, 12)
_LENGTH = 36


@builds("uuid")
def _uuid(schema: Schema, config: Config, _building: Building) -> Validator:
    return Uuid(is_strict(schema, config), schema.get("version"))


class Json(Validator):
    """Reads JSON, and validates what it says."""

    __slots__ = ("inner",)

    def __init__(self, inner: Validator | None) -> None:
        self.inner, self.name = inner, f"json[{'any' if inner is None else inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.source == "python" and not isinstance(value, bytes):
            state.floor(LAX)
        found = json_value(value, value)
        if self.inner is None:
            return found
        before = state.mode, state.source
        state.mode = state.source = "json"
        try:
            return self.inner.validate(found, state)
        finally:
            state.mode, state.source = before


@builds("json")
def _json(schema: Schema, config: Config, building: Building) -> Validator:
    inner = building.optional(schema.get("schema"), config)
    return Json(None if inner is not None and inner.name == "any" else inner)


class MissingSentinel(Validator):
    __slots__ = ("inner",)

    def __init__(self, inner: Validator | None) -> None:
        self.inner = inner
        self.name = "missing-sentinel" if inner is None else f"missing-sentinel[{inner.name}]"

    def validate(self, value: Any, state: State) -> Any:
        if state.source == "python" and value is missing():
            return value
        if self.inner is None:
            raise invalid("missing_sentinel_error", value)
        return self.inner.validate(value, state)


def missing() -> Any:
    """Return what stands for a value that was not given."""
    return vars(sys.modules["pydantic_core"])["MISSING"]  # whose __init__ imports this package


@builds("missing-sentinel")
def _missing(schema: Schema, config: Config, building: Building) -> Validator:
    return MissingSentinel(building.optional(schema.get("schema"), config))


class ValidatorIterator:
    """An iterator that validates what it yields."""

    __module__ = MODULE
    __slots__ = ("_config", "_inner", "_iterator", "_longest", "_shortest", "_source", "_state", "index")

    def __init__(self, source: Any, inner: Validator | None, schema: Schema, config: Config, state: State) -> None:
        self._source, self._iterator, self._inner = source, iter(source), inner
        self._shortest, self._longest = schema.get("min_length"), schema.get("max_length")
        self._config, self._state, self.index = config, state.copy(), 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        problem: Invalid
        try:
            item = next(self._iterator)
        except StopIteration:
            if self._shortest is None or self.index >= self._shortest:
                raise
            told = {"field_type": "Generator", "min_length": self._shortest, "actual_length": self.index}
            problem = Invalid([Line("too_short", self._source, told)])
        else:
            if self._longest is None or self.index < self._longest:
                self.index += 1
                if self._inner is None:
                    return item
                try:
                    return self._inner.validate(item, self._state)
                except Invalid as failure:
                    failure.at(self.index - 1)
                    problem = failure
            else:
                told = {"field_type": "Generator", "max_length": self._longest, "actual_length": None}
                problem = Invalid([Line("too_long", self._source, told)])
        raise raised(problem, "ValidatorIterator", "python", self._config)


class GeneratorValidator(Validator):
    __slots__ = ("config", "inner", "schema")

    def __init__(self, schema: Schema, config: Config, inner: Validator | None) -> None:
        self.schema, self.config, self.inner = schema, config, inner
        self.name = f"generator[{'any' if inner is None else inner.name}]"

    def validate(self, value: Any, state: State) -> Iterator[Any]:
        try:
            if state.source == "json" and not isinstance(value, list | str | dict):
                raise TypeError
            iter(value)
        except TypeError:
            raise invalid("iterable_type", value) from None
        return ValidatorIterator(value, self.inner, self.schema, self.config, state)


@builds("generator")
def _generator(schema: Schema, config: Config, building: Building) -> Validator:
    inner = building.optional(schema.get("items_schema"), config)
    return GeneratorValidator(schema, config, None if inner is not None and inner.name == "any" else inner)
