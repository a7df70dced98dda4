"""
Flat arrays ⇄ JSON text with nothing but the standard library.

The guest has no other JSON; the host, whose :mod:`~torpor.codec.devalue` is faster, comes here for the one thing that
its own cannot do: lone surrogates.
"""

from __future__ import annotations

import json
from typing import Any

from torpor.codec.hydrate import damaged

_ENCODE = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


def _refused(constant: str) -> None:
    raise ValueError(f"it has {constant}, which is no JSON")


_DECODE = json.JSONDecoder(parse_constant=_refused).decode

_INT_ONLY = frozenset({int})
_OPERANDS = frozenset({int, str})


def text_of_flat(flat: int | list[Any]) -> str:
    """Return the JSON text of a flat array, safe inside HTML and JavaScript as the npm package's is."""
    text = _ENCODE(flat)
    # These three stand only inside strings, so that replacing them in the whole text is safe.
    if "<" in text:
        text = text.replace("<", "\\u003C")
    if not text.isascii():
        text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return text


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
