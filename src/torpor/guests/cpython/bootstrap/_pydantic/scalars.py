"""Validators of numbers, bools, bytes, None and whatever needs no conversion."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .byte_texts import DECODERS, Undecodable
from .errors import Invalid, SchemaError, invalid
from .numbers import (
    bool_of_text,
    decimal_of,
    enum_value,
    float_of,
    float_of_text,
    index_of,
    int_of_float,
    int_of_ratio,
    int_of_text,
    text_of,
    utf8,
)
from .rendering import plain_number
from .state import EXACT, LAX, STRICT, State, Validator


class Any_(Validator):  # noqa: N801  # Any is another
    __slots__ = ()
    name = "any"

    def validate(self, value: Any, state: State) -> Any:
        state.floor(STRICT)
        return value


class None_(Validator):  # noqa: N801  # None is another
    __slots__ = ()
    name = "none"

    def validate(self, value: Any, _state: State) -> None:
        if value is not None:
            raise invalid("none_required", value)


class Bool(Validator):
    __slots__ = ("strict",)
    name = "bool"

    def __init__(self, strict: bool) -> None:
        self.strict = strict

    def validate(self, value: Any, state: State) -> bool:
        if isinstance(value, bool):
            return value
        if state.is_strict(self.strict):
            raise invalid("bool_type", value)
        state.floor(LAX)
        if (text := text_of(value, "bool_parsing")) is not None:
            return bool_of_text(text, value)
        if (number := index_of(value)) is None and (real := float_of(value)) is not None and real.is_integer():
            number = int(real) if abs(real) < 2**63 else None
        if number is None:
            raise invalid("bool_type", value)
        if number not in (0, 1):
            raise invalid("bool_parsing", value)
        return number == 1


class Int(Validator):
    __slots__ = ("strict",)
    name = "int"

    def __init__(self, strict: bool) -> None:
        self.strict = strict

    def validate(self, value: Any, state: State) -> int:
        if type(value) is int:
            return value
        number, exactness = int_of(value, state.is_strict(self.strict))
        state.floor(exactness)
        return number


def int_of(value: Any, strict: bool) -> tuple[int, int]:
    """Return the integer that a value is, and how well it is one."""
    if isinstance(value, int):
        if not isinstance(value, bool):
            return int.__index__(value), EXACT if type(value) is int else STRICT
        if strict:
            raise invalid("int_type", value)
        return int(value), LAX
    if strict:
        raise invalid("int_type", value)
    if (text := text_of(value, "int_parsing")) is not None:
        return int_of_text(text, value), LAX
    if isinstance(value, Decimal | Fraction):
        return int_of_ratio(value, value), LAX
    if (real := float_of(value)) is not None:
        return int_of_float(real, value), LAX
    if (member := enum_value(value)) is not None:
        return member[0], LAX
    raise invalid("int_type", value)


class Bounded(Validator):
    """
    Checks numbers against bounds.

    Attributes:
        inner: makes the number.
        bounds: bound → what it is.
    """

    __slots__ = ("bounds", "inner")

    def __init__(self, inner: Validator, bounds: dict[str, Any], name: str) -> None:
        self.inner, self.bounds, self.name = inner, bounds, name

    def validate(self, value: Any, state: State) -> Any:
        number = self.inner.validate(value, state)
        check_bounds(number, self.bounds, value)
        return number


ERRORS_OF_BOUNDS = {
    "multiple_of": "multiple_of",
    "le": "less_than_equal",
    "lt": "less_than",
    "ge": "greater_than_equal",
    "gt": "greater_than",
}
"""In the order in which they are checked."""

COMPARISONS: dict[str, Any] = {
    "le": lambda number, bound: number <= bound,
    "lt": lambda number, bound: number < bound,
    "ge": lambda number, bound: number >= bound,
    "gt": lambda number, bound: number > bound,
}


def check_bounds(number: Any, bounds: dict[str, Any], value: Any) -> None:
    """Fail with the first bound that a number does not keep."""
    for bound, limit in bounds.items():
        is_kept = _is_multiple(number, limit) if bound == "multiple_of" else COMPARISONS[bound](number, limit)
        if not is_kept:
            raise invalid(ERRORS_OF_BOUNDS[bound], value, **{bound: limit})


def _is_multiple(number: Any, step: Any) -> bool:
    if isinstance(number, float):
        if not math.isfinite(number):
            return True
        quotient = number / step
        nearest = math.floor(abs(quotient) + 0.5) * (1 if quotient >= 0 else -1)
        return bool(abs(number - nearest * step) <= 1e-9)
    return bool(number % step == 0)


def bounds_of(schema: Schema, convert: Any = None) -> dict[str, Any]:
    """Return the bounds that a schema has, converted, in the order in which they are checked."""
    found = {bound: schema[bound] for bound in ERRORS_OF_BOUNDS if schema.get(bound) is not None}
    return {bound: convert(bound, limit) for bound, limit in found.items()} if convert else found


@builds("any")
def _any(_schema: Schema, _config: Config, _building: Building) -> Validator:
    return Any_()


@builds("none")
def _none(_schema: Schema, _config: Config, _building: Building) -> Validator:
    return None_()


@builds("bool")
def _bool(schema: Schema, config: Config, _building: Building) -> Validator:
    return Bool(is_strict(schema, config))


def _int_bound(bound: str, limit: Any) -> Any:
    try:
        number = int_of(limit, strict=False)[0]
    except Exception:  # noqa: BLE001  # whatever is wrong with it
        raise ValueError(f"'{bound}' must be coercible to an integer") from None
    return _positive(bound, number)


def _float_bound(bound: str, limit: Any) -> Any:
    return _positive(bound, float(limit))


def _positive(bound: str, number: Any) -> Any:
    if bound == "multiple_of" and not (math.isfinite(number) and number > 0):
        raise ValueError("'multiple_of' must be a finite number greater than 0")
    return number


@builds("int")
def _int(schema: Schema, config: Config, _building: Building) -> Validator:
    plain, bounds = Int(is_strict(schema, config)), bounds_of(schema, _int_bound)
    return Bounded(plain, bounds, "constrained-int") if bounds else plain


class Float(Validator):
    __slots__ = ("finite", "strict")
    name = "float"

    def __init__(self, strict: bool, finite: bool) -> None:
        self.strict, self.finite = strict, finite

    def validate(self, value: Any, state: State) -> float:
        number = value if type(value) is float else self._converted(value, state)
        if self.finite and not math.isfinite(number):
            raise invalid("finite_number", value)
        return number

    def _converted(self, value: Any, state: State) -> float:
        strict = state.is_strict(self.strict)
        if not strict and (text := text_of(value, "float_parsing")) is not None:
            state.floor(LAX)
            return float_of_text(text, value)
        number = float_of(value)
        if number is None or (strict and isinstance(value, bool)):
            raise invalid("float_type", value)
        state.floor(LAX if isinstance(value, bool) else STRICT)
        return number


@builds("float")
def _float(schema: Schema, config: Config, _building: Building) -> Validator:
    finite = not from_either(schema, config, "allow_inf_nan", default=True)
    plain, bounds = Float(is_strict(schema, config), finite), bounds_of(schema, _float_bound)
    return Bounded(plain, bounds, "constrained-float") if bounds else plain


class Bytes(Validator):
    """
    Makes bytes.

    Attributes:
        kind: how texts say them.
    """

    __slots__ = ("kind", "longest", "shortest", "strict")

    def __init__(self, strict: bool, shortest: int | None, longest: int | None, kind: str) -> None:
        self.strict, self.shortest, self.longest, self.kind = strict, shortest, longest, kind
        self.name = "bytes" if shortest is None and longest is None else "constrained-bytes"

    def validate(self, value: Any, state: State) -> bytes:
        data = self._converted(value, state)
        if self.shortest is not None and len(data) < self.shortest:
            raise invalid("bytes_too_short", value, min_length=self.shortest)
        if self.longest is not None and len(data) > self.longest:
            raise invalid("bytes_too_long", value, max_length=self.longest)
        return data

    def _converted(self, value: Any, state: State) -> bytes:
        if state.source == "json":
            if not isinstance(value, str):
                raise invalid("bytes_type", value)
            state.floor(STRICT)
            return self._of_text(value.encode(), value)
        if isinstance(value, bytes):
            state.floor(EXACT if type(value) is bytes else STRICT)
            return value
        if not state.is_strict(self.strict):
            state.floor(LAX)
            if isinstance(value, str):
                return self._of_text(utf8(value).encode(), value)
            if isinstance(value, bytearray):
                return bytes(value)
        raise invalid("bytes_type", value)

    def _of_text(self, text: bytes, value: Any) -> bytes:
        if self.kind == "utf8":
            return text
        try:
            return DECODERS[self.kind](text)
        except Undecodable as problem:
            words = str(problem)
        raise invalid("bytes_invalid_encoding", value, encoding=self.kind, encoding_error=words)


@builds("bytes")
def _bytes(schema: Schema, config: Config, _building: Building) -> Validator:
    kind = config.get("val_json_bytes", "utf8")
    if kind not in ("utf8", *DECODERS):
        raise SchemaError(f"Invalid bytes serialization mode: `{kind}`, expected `utf8`, `base64` or `hex`")
    return Bytes(is_strict(schema, config), schema.get("min_length"), schema.get("max_length"), kind)


class Complex(Validator):
    __slots__ = ("strict",)
    name = "complex"

    def __init__(self, strict: bool) -> None:
        self.strict = strict

    def validate(self, value: Any, state: State) -> complex:
        if isinstance(value, complex):
            state.floor(STRICT)
            return value
        strict = state.is_strict(self.strict)
        if state.source == "json":
            return self._of_json(value, state, strict)
        if strict:
            raise invalid("is_instance_of", value, **{"class": "complex"})
        state.floor(LAX)
        try:
            return complex(value)
        except Exception:  # noqa: BLE001  # whatever the object raises, it is no number
            raise invalid("complex_type", value) from None

    def _of_json(self, value: Any, state: State, strict: bool) -> complex:
        if isinstance(value, str):
            state.floor(STRICT)
            try:
                return complex(value)
            except ValueError:
                raise invalid("complex_str_parsing", value) from None
        is_large = isinstance(value, int) and not -(2**63) <= value < 2**63
        if isinstance(value, bool) or is_large or not isinstance(value, int | float):
            raise invalid("complex_type", value)
        if strict:
            raise invalid("complex_str_parsing", value)
        state.floor(LAX)
        return complex(value)


@builds("complex")
def _complex(schema: Schema, config: Config, _building: Building) -> Validator:
    return Complex(is_strict(schema, config))


def _decimal_of_parts(parts: Any, value: Any) -> Decimal:
    """Return the Decimal of a sign, digits and an exponent."""
    try:
        return Decimal(tuple(parts))
    except (ValueError, TypeError, OverflowError):
        raise invalid("decimal_type", value) from None


def decimal_value(value: Any, state: State, strict: bool) -> Decimal:
    """Return the Decimal that a value is."""
    if state.source == "json":
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            state.floor(STRICT)
            return decimal_of(plain_number(value) if isinstance(value, float) else value, value)
        if isinstance(value, list) and len(value) == 3 and not strict:
            state.floor(LAX)
            return _decimal_of_parts(value, value)
        raise invalid("decimal_type", value)
    if type(value) is Decimal:
        return value
    if not strict:
        if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            state.floor(LAX)
            return decimal_of(value, value)
        if isinstance(value, float):
            state.floor(LAX)
            return decimal_of(str(value), value)
        if type(value) is tuple and len(value) == 3:
            try:
                made = _decimal_of_parts(value, value)
            except Invalid:
                pass
            else:
                state.floor(LAX)
                return made
    if isinstance(value, Decimal):
        state.floor(STRICT)
        return decimal_of(value, value)
    raise invalid("is_instance_of", value, **{"class": "Decimal"}) if strict else invalid("decimal_type", value)
