"""JSON text as pydantic writes it: compact or indented, with floats that have few digits."""

from __future__ import annotations

import json
import math
from typing import Any


def json_of(value: Any, indent: int | None, *, ascii_only: bool = False) -> str:
    """Return plain values as JSON text."""
    parts: list[str] = []
    _write(value, parts, indent, "\n", json.encoder.encode_basestring_ascii if ascii_only else _quoted)
    return "".join(parts)


def _quoted(text: str) -> str:
    return json.encoder.encode_basestring(text)


def _write(value: Any, parts: list[str], indent: int | None, line: str, quoted: Any) -> None:
    match value:
        case str():
            parts.append(quoted(value))
        case None:
            parts.append("null")
        case True:
            parts.append("true")
        case False:
            parts.append("false")
        case int():
            parts.append(int.__repr__(value))
        case float():
            parts.append(float_text(value))
        case dict():
            pairs = [(f"{quoted(key)}:{' ' if indent is not None else ''}", member) for key, member in value.items()]
            _write_all(pairs, parts, indent, line, "{}", quoted)
        case _:
            _write_all([("", member) for member in value], parts, indent, line, "[]", quoted)


def _write_all(
    pairs: list[tuple[str, Any]], parts: list[str], indent: int | None, line: str, brackets: str, quoted: Any
) -> None:
    inner = "" if indent is None else line + " " * indent
    parts.append(brackets[0])
    for number, (head, member) in enumerate(pairs):
        parts.append(f"{',' if number else ''}{inner}{head}")
        _write(member, parts, indent, inner, quoted)
    parts.append(f"{line if indent is not None and pairs else ''}{brackets[1]}")


def float_text(number: float) -> str:
    """Return a float as JSON: the shortest digits that mean it, with an exponent beyond 16 digits and below 0.00001."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    text = float.__repr__(number)
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    power = int(exponent)
    if power == -5:
        sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
        return f"{sign}0.0000{digits.replace('.', '')}"
    return f"{mantissa}e{'+' if power > 0 else ''}{power}"
