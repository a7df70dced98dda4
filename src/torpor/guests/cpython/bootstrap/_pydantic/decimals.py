"""Validators of Decimal and Fraction."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from fractions import Fraction
from typing import Any, Final

from .building import Building, Config, Schema, builds, from_either, is_strict
from .errors import Invalid, invalid
from .rendering import plain_number
from .scalars import COMPARISONS, ERRORS_OF_BOUNDS, bounds_of, decimal_value
from .state import EXACT, LAX, STRICT, State, Validator

_EXPONENT_MAX: Final = 4300
"""Of a text that a Fraction is made of, as of pydantic."""


class DecimalValidator(Validator):
    """Makes Decimals and checks their digits and bounds."""

    __slots__ = ("bounds", "digits", "finite", "places", "strict")
    name = "decimal"

    def __init__(
        self, strict: bool, finite: bool, digits: int | None, places: int | None, bounds: dict[str, Decimal]
    ) -> None:
        self.strict, self.finite, self.digits, self.places, self.bounds = strict, finite, digits, places, bounds

    def validate(self, value: Any, state: State) -> Decimal:
        number = decimal_value(value, state, state.is_strict(self.strict))
        if (self.finite or self.digits is not None or self.places is not None) and not number.is_finite():
            raise invalid("finite_number", value)
        if self.digits is not None or self.places is not None:
            self._check_digits(number, value)
        for bound, limit in self.bounds.items():
            if bound == "multiple_of":
                is_kept = _is_multiple(number, limit)
            else:
                is_kept = not number.is_nan() and COMPARISONS[bound](number, limit)
            if not is_kept:
                raise invalid(ERRORS_OF_BOUNDS[bound], value, **{bound: limit})
        return number

    def _check_digits(self, number: Decimal, value: Any) -> None:
        (places, digits), (normal_places, normal_digits) = _counts(number)
        if self.digits is not None and min(digits, normal_digits) > self.digits:
            raise invalid("decimal_max_digits", value, max_digits=self.digits)
        if self.places is None:
            return
        if min(places, normal_places) > self.places:
            raise invalid("decimal_max_places", value, decimal_places=self.places)
        if self.digits is not None:
            whole = max(0, self.digits - self.places)
            if min(max(0, digits - places), max(0, normal_digits - normal_places)) > whole:
                raise invalid("decimal_whole_digits", value, whole_digits=whole)


def _counts(number: Decimal) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return decimal places and all digits of a number as it is written, and without zeros at its end."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int), "a finite number"
    written = _places_and_digits(len(digits), exponent)
    text = "".join(map(str, digits))
    zeros = len(text) - len(text.rstrip("0"))
    if zeros == len(text):
        return written, (0, 1)
    return written, written if exponent >= 0 else _places_and_digits(len(text) - zeros, exponent + zeros)


def _places_and_digits(count: int, exponent: int) -> tuple[int, int]:
    return (0, count + exponent) if exponent >= 0 else (-exponent, max(count, -exponent))


def _is_multiple(number: Decimal, step: Decimal) -> bool:
    try:
        return number / step % 1 == 0
    except DecimalException:
        return False


def _bound(bound: str, limit: Any) -> Decimal:
    try:
        number = decimal_value(limit, State("python"), strict=False)
    except Invalid:
        raise ValueError(f"'{bound}' must be coercible to a Decimal instance") from None
    if bound == "multiple_of" and not (number.is_finite() and number > 0):
        raise ValueError("'multiple_of' must be a finite number greater than 0")
    return number


@builds("decimal")
def _decimal(schema: Schema, config: Config, _building: Building) -> Validator:
    finite = not from_either(schema, config, "allow_inf_nan", default=False)
    digits, places = schema.get("max_digits"), schema.get("decimal_places")
    if not finite and (digits is not None or places is not None):
        raise ValueError("allow_inf_nan=True cannot be used with max_digits or decimal_places")
    return DecimalValidator(is_strict(schema, config), finite, digits, places, bounds_of(schema, _bound))


class FractionValidator(Validator):
    """Makes Fractions and checks their bounds."""

    __slots__ = ("bounds", "strict")
    name = "fraction"

    def __init__(self, strict: bool, bounds: dict[str, Fraction]) -> None:
        self.strict, self.bounds = strict, bounds

    def validate(self, value: Any, state: State) -> Fraction:
        number = fraction_value(value, state, state.is_strict(self.strict))
        for bound, limit in self.bounds.items():
            if not (number % limit == 0 if bound == "multiple_of" else COMPARISONS[bound](number, limit)):
                raise invalid(ERRORS_OF_BOUNDS[bound], value, **{bound: limit})
        return number


def fraction_value(value: Any, state: State, strict: bool) -> Fraction:
    """Return the Fraction that a value is."""
    if state.source == "json":
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise invalid("fraction_type", value)
        state.floor(STRICT)
        return _fraction_of(plain_number(value) if isinstance(value, float) else value, value)
    if isinstance(value, Fraction):
        state.floor(EXACT if type(value) is Fraction else STRICT)
        return value
    if strict:
        raise invalid("is_instance_of", value, **{"class": "Fraction"})
    state.floor(LAX)
    return _fraction_of(value, value)


def _fraction_of(source: Any, value: Any) -> Fraction:
    if isinstance(source, str) and _has_large_exponent(source):
        raise invalid("fraction_parsing", value)
    try:
        return Fraction(source)
    except TypeError:
        raise invalid("fraction_type", value) from None
    except (ValueError, ZeroDivisionError, OverflowError):
        raise invalid("fraction_parsing", value) from None


def _has_large_exponent(text: str) -> bool:
    exponent = text.lower().rpartition("e")[2] if "e" in text.lower() else "0"
    try:
        return abs(int(exponent.strip())) > _EXPONENT_MAX
    except ValueError:
        return False


def _fraction_bound(bound: str, limit: Any) -> Fraction:
    try:
        number = fraction_value(limit, State("python"), strict=False)
    except Invalid:
        raise ValueError(f"'{bound}' must be coercible to a Fraction instance") from None
    if bound == "multiple_of" and number <= 0:
        raise ValueError("'multiple_of' must be greater than 0")
    return number


@builds("fraction")
def _fraction(schema: Schema, config: Config, _building: Building) -> Validator:
    return FractionValidator(is_strict(schema, config), bounds_of(schema, _fraction_bound))
