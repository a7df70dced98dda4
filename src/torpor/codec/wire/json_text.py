"""
Flat arrays ⇄ JSON text with nothing but the standard library.

The guest has no other JSON; the host, whose :mod:`~torpor.codec.wire.devalue` is faster, comes here for the one thing
that its own cannot do: lone surrogates.
"""

from __future__ import annotations

import json
import re
from typing import Any

from torpor.codec.wire.hydrate import damaged
from torpor.errors import SerializationError

_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


def _refused(constant: str) -> None:
    raise ValueError(f"it has {constant}, which is no JSON")


_DECODE = json.JSONDecoder(parse_constant=_refused).decode

# Python tells both halves of a surrogate pair, side by side, from the character that they make; JSON does not.
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

# What a number with an exponent looks like, which may stand in a string too.
_EXPONENT = re.compile(r"[\[,]-?\d[\d.]*e[+-]\d")

_INT_ONLY = frozenset({int})
_OPERANDS = frozenset({int, str})


def text_of_flat(flat: int | list[Any]) -> str:
    """
    Return the JSON text of a flat array, safe inside HTML and JavaScript as the npm package's is.

    Raises:
        SerializationError: a string has both halves of a surrogate pair side by side, which would come back as one
            character.
    """
    text = _ENCODE(flat)
    if ("e-" in text or "e+" in text) and isinstance(flat, list) and _EXPONENT.search(text):
        text = _with_short_exponents(flat)
    # These three stand only inside strings, so that replacing them in the whole text is safe.
    if "<" in text:
        text = text.replace("<", "\\u003C")
    if not text.isascii():
        if pair := _PAIR.search(text):
            raise SerializationError(_told_of_pair(text, pair.start()))
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text


def _told_of_pair(text: str, at: int) -> str:
    whole = text[at : at + 2].encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    before = text[max(0, at - 20) : at].rpartition('"')[2]
    return (
        f"the string that reads {before + text[at : at + 2]!r} has two halves of a surrogate pair, which would come "
        f"back as the one character {whole!r}; join them with "
        'text.encode("utf-16", "surrogatepass").decode("utf-16"), or pass bytes'
    )


def _with_short_exponents(flat: list[Any]) -> str:
    """Return the JSON text in which floats are written as the host's encoder writes them, to the byte."""
    parts = []
    begin = 0  # of the elements that are not written yet
    for at, element in enumerate(flat):
        if type(element) is float and "e" in (digits := repr(element)):
            if begin < at:
                parts.append(_ENCODE(flat[begin:at])[1:-1])
            parts.append(_short(digits))
            begin = at + 1
    if begin < len(flat):
        parts.append(_ENCODE(flat[begin:])[1:-1])
    return f"[{','.join(parts)}]"


def _short(digits: str) -> str:
    """Return ``1e-07`` as ``1e-7``, ``1e+16`` as ``1e16``, and ``1.5e-05`` as ``0.000015``."""
    if digits.endswith("e-05"):
        sign = "-" if digits.startswith("-") else ""
        return f"{sign}0.0000{digits[len(sign) : -4].replace('.', '')}"
    return digits.replace("e+", "e").replace("e-0", "e-")


def flat_of_text(text: str) -> int | list[Any]:
    """
    Return the flat array of a JSON text.

    Raises:
        SerializationError: it is no JSON, or none of this shape: an index is a whole number, never a boolean or float.
    """
    try:
        flat = _DECODE(text)
    except (ValueError, RecursionError) as error:
        raise damaged(str(error)) from error
    if type(flat) is int:
        return flat
    if type(flat) is not list:
        raise damaged(f"it is a {type(flat).__name__}")
    for element in flat:
        if type(element) is list:
            fits = _INT_ONLY.issuperset(map(type, element)) or _OPERANDS.issuperset(map(type, element))
        elif type(element) is dict:
            fits = _INT_ONLY.issuperset(map(type, element.values()))
        else:
            continue
        if not fits:
            raise damaged(f"a container holds something else than indexes: {element!r:.100}")
    return flat
