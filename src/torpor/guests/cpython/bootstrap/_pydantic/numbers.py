"""What texts and other values are as numbers."""

from __future__ import annotations

import math
import re
from decimal import Decimal, DecimalException
from enum import EnumMeta
from fractions import Fraction
from typing import Any, Final

from .errors import invalid

WHITE: Final = (
    "\t\n\x0b\x0c\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
"""White space, as Unicode has it; Python's own notion has four control characters more."""

DIGITS_MAX: Final = 4300
INT64: Final = 2**63

_INT = re.compile(r"-?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[+-]?(?:inf(?:inity)?|nan|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)", re.IGNORECASE)

_FALSE = {"0", "f", "n", "no", "off", "false"}
_TRUE = {"1", "t", "y", "on", "yes", "true"}


def utf8(text: str) -> str:
    """
    Return a text.

    Raises:
        Invalid: it has a half of a surrogate pair.
    """
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise invalid("string_unicode", text) from None
    return text


def text_of(value: Any, error_type: str) -> str | None:
    """
    Return a text or the text that bytes are; None of any other value.

    Raises:
        Invalid: of bytes that are none, of the given type.
    """
    if isinstance(value, str):
        return utf8(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise invalid(error_type, value) from None
    return None


def bool_of_text(text: str, value: Any) -> bool:
    """Return what a text means as a bool."""
    lowered = text.lower() if text.isascii() else text
    if lowered in _FALSE or lowered in _TRUE:
        return lowered in _TRUE
    raise invalid("bool_parsing", value)


def int_of_text(text: str, value: Any) -> int:
    """Return the integer that a text is."""
    for candidate in (text, _cleaned(text)):
        if candidate is not None and _INT.fullmatch(candidate):
            if len(candidate.removeprefix("-")) <= DIGITS_MAX:
                return int(candidate)
            raise invalid("int_parsing_size" if candidate is text else "int_parsing", value)
    raise invalid("int_parsing", value)


def _cleaned(text: str) -> str | None:
    """Return the plain digits of an integer that is written another way: ``" +1_000.0"``."""
    rest = text.strip(WHITE)
    if rest.startswith("+"):
        rest = rest[1:]
        if rest.startswith("-"):
            return None
    sign = ""
    if rest.startswith("-"):
        sign, rest = "-", rest[1:]
        if rest.startswith(("-", "+")):
            return None
    rest = _without_zeros(rest) or ""
    if not rest:
        return None
    whole, dot, fraction = rest.partition(".")
    if dot and fraction and not fraction.strip("0"):
        rest = whole
    return sign + (_without_underscores(rest) or rest)


def _without_zeros(text: str) -> str | None:
    if not text.startswith("0"):
        return text if text[:1] in set("123456789") else None
    for place, character in enumerate(text[1:], 1):
        if character in "0_":
            continue
        if character in "123456789-":
            return text[place:]
        return text[place - 1 :] if character == "." else None
    return text[-1:]


def _without_underscores(text: str) -> str | None:
    if "_" not in text or text.startswith("_") or text.endswith("_") or "__" in text:
        return None
    return text.replace("_", "")


def float_of_text(text: str, value: Any) -> float:
    """Return the float that a text is."""
    for candidate in (text.strip(WHITE), _without_underscores(text)):
        if candidate is not None and _FLOAT.fullmatch(candidate):
            return float(candidate)
    raise invalid("float_parsing", value)


def int_of_float(number: float, value: Any) -> int:
    """Return the integer that a float is."""
    if not math.isfinite(number):
        raise invalid("finite_number", value)
    if number % 1.0 != 0.0:
        raise invalid("int_from_float", value)
    if not -float(INT64) < number < float(INT64):
        raise invalid("int_parsing_size", value)
    return int(number)


def int_of_ratio(number: Decimal | Fraction, value: Any) -> int:
    """Return the integer that a Decimal or Fraction is."""
    if isinstance(number, Decimal) and not number.is_finite():
        raise invalid("finite_number", value)
    numerator, denominator = number.as_integer_ratio()
    if denominator != 1:
        raise invalid("int_from_float", value)
    return numerator


def index_of(value: Any) -> int | None:
    """Return what an object is as a number of 64 bits; None if it is none."""
    if not hasattr(type(value), "__index__"):
        return None
    try:
        number = int(type(value).__index__(value))
    except Exception:  # noqa: BLE001  # whatever the object raises, it is no number
        return None
    return number if -INT64 <= number < INT64 else None


def float_of(value: Any) -> float | None:
    """Return what an object is as a float; None if it is none."""
    if not hasattr(type(value), "__float__") and not hasattr(type(value), "__index__"):
        return None
    try:
        return float(value)
    except Exception:  # noqa: BLE001  # whatever the object raises, it is no number
        return None


def decimal_of(made_of: Any, value: Any) -> Decimal:
    """Return the Decimal of what its class takes."""
    try:
        return Decimal(made_of)
    except DecimalException:
        error = "decimal_parsing"
    except TypeError:
        error = "decimal_type"
    raise invalid(error, value)


def enum_value(value: Any) -> tuple[Any] | None:
    """Return the value of a member of an enumeration, in a tuple."""
    return (value.value,) if type(type(value)) is EnumMeta and hasattr(value, "value") else None
