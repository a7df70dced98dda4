"""Validators of Decimal and Fraction."""

from __future__ import annotations

from decimal import Decimal, DecimalException
from typing import Any

from .building import Building, Config, Schema, builds, from_either, is_strict
from .errors import Invalid, invalid
from .scalars import COMPARISONS, ERRORS_OF_BOUNDS, bounds_of, decimal_value
from .state import State, Validator


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
