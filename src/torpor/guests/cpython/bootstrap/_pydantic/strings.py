"""Validators of texts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .errors import invalid
from .numbers import WHITE, enum_value, utf8
from .patterns import Pattern
from .rendering import plain_number
from .state import LAX, STRICT, State, Validator


def text_value(value: Any, state: State, strict: bool, numbers: bool = False) -> str:
    """Return the text that a value is; *numbers* tells whether numbers may become texts."""
    if state.source == "json":
        if isinstance(value, str):
            state.floor(STRICT)
            return value
        if not strict and numbers and isinstance(value, int | float) and not isinstance(value, bool):
            state.floor(LAX)
            return plain_number(value) if isinstance(value, float) else str(value)
        raise invalid("string_type", value)
    if type(value) is str:
        return value
    if isinstance(value, str):
        state.floor(STRICT)
        return "".join(utf8(value))
    if not strict:
        state.floor(LAX)
        if isinstance(value, bytes | bytearray):
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise invalid("string_unicode", value) from None
        if numbers and isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return str(value)
        if (member := enum_value(value)) is not None:
            return str(member[0])
    raise invalid("string_type", value)


class Str(Validator):
    __slots__ = ("numbers", "strict")
    name = "str"

    def __init__(self, strict: bool, numbers: bool) -> None:
        self.strict, self.numbers = strict, numbers

    def validate(self, value: Any, state: State) -> str:
        return text_value(value, state, state.is_strict(self.strict), self.numbers)


class ConstrainedStr(Validator):
    """Makes texts, changes their case and ends, and checks what they may be."""

    __slots__ = ("ascii_only", "case", "longest", "numbers", "pattern", "shortest", "strict", "strip")
    name = "constrained-str"

    def __init__(
        self, schema: Schema, config: Config, pattern: Pattern | None, case: str | None, *, strict: bool, numbers: bool
    ) -> None:
        self.strict, self.numbers, self.pattern, self.case = strict, numbers, pattern, case
        self.shortest = from_either(schema, config, "min_length", "str_min_length")
        self.longest = from_either(schema, config, "max_length", "str_max_length")
        self.strip = bool(from_either(schema, config, "strip_whitespace", "str_strip_whitespace"))
        self.ascii_only = bool(schema.get("ascii_only"))

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to check or to change."""
        limits = self.shortest is not None or self.longest is not None or self.pattern is not None
        return limits or self.strip or self.ascii_only or self.case is not None

    def validate(self, value: Any, state: State) -> str:
        text = utf8(text_value(value, state, state.is_strict(self.strict), self.numbers))
        if self.strip:
            text = text.strip(WHITE)
        if self.ascii_only and not text.isascii():
            raise invalid("string_not_ascii", value)
        if self.shortest is not None and len(text) < self.shortest:
            raise invalid("string_too_short", value, min_length=self.shortest)
        if self.longest is not None and len(text) > self.longest:
            raise invalid("string_too_long", value, max_length=self.longest)
        if self.pattern is not None and not self.pattern.matches(text):
            raise invalid("string_pattern_mismatch", value, pattern=self.pattern.text)
        if self.case is None:
            return text
        return text.lower() if self.case == "lower" else text.upper()


@builds("str")
def _str(schema: Schema, config: Config, building: Building) -> Validator:
    strict = is_strict(schema, config)
    numbers = bool(from_either(schema, config, "coerce_numbers_to_str"))
    pattern = None
    if schema.get("pattern") is not None:
        engine = from_either(schema, config, "regex_engine", default="rust-regex")
        pattern = Pattern(schema["pattern"], engine, ".".join(building.place))
    lower = from_either(schema, config, "to_lower", "str_to_lower")
    upper = from_either(schema, config, "to_upper", "str_to_upper")
    case = "lower" if lower else "upper" if upper else None
    constrained = ConstrainedStr(schema, config, pattern, case, strict=strict, numbers=numbers)
    return constrained if constrained.is_needed else Str(strict, numbers)
