"""
The devalue flat format: one JSON array in which the root is element 0 and containers hold indexes.

``[{"to":1,"cc":2},"ada",[1]]`` is ``{"to": "ada", "cc": ["ada"]}``. Sharing and cycles are equal indexes. Types beyond
JSON are ``[name, index of a payload]`` by the reducers of a :class:`~torpor.codec.wire.reducers.Table`. The text agrees
to the byte with that of the npm package ``devalue`` wherever both languages write a number alike.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from torpor.codec.wire.flatten import flatten
from torpor.codec.wire.hydrate import damaged, hydrate
from torpor.codec.wire.json_text import flat_of_text, text_of_flat
from torpor.codec.wire.reducers import Table

# msgspec checks types while it parses: an index is a whole number, never a boolean or float.
Flat = int | list[bool | int | float | str | list[int | str] | dict[str, int] | None]
_decoder: msgspec.json.Decoder[int | list[Any]] = msgspec.json.Decoder(Flat)
_encoder = msgspec.json.Encoder()

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPED_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def stringify(value: object, reducers: Table) -> str:
    """
    Return the devalue text of a value.

    Raises:
        SerializationError: a type that no reducer knows, or a key or nesting that the format cannot hold; the message
            names the path.
    """
    return encode(value, reducers).decode()


def parse(text: str, revivers: Table) -> Any:
    """
    Return the value of a devalue text.

    Raises:
        SerializationError: the text is not devalue's, or holds a type that no reducer reads.
    """
    return decode(utf8(text), revivers)


def encode(value: object, table: Table) -> bytes:
    """Return the devalue text of a value as UTF-8; see :func:`stringify`."""
    flat = flatten(value, table)
    try:
        text = _encoder.encode(flat)
    except UnicodeEncodeError:
        return utf8(text_of_flat(flat))
    # These three stand only inside strings, so that replacing them in the whole text is safe.
    text = text.replace(b"<", b"\\u003C")
    if not text.isascii():
        text = text.replace(b"\xe2\x80\xa8", b"\\u2028").replace(b"\xe2\x80\xa9", b"\\u2029")
    return text


def decode(text: bytes, table: Table) -> Any:
    """Return the value of a devalue text in UTF-8; see :func:`parse`."""
    try:
        flat = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if not _ESCAPED_SURROGATE.search(text):
            raise damaged(str(error)) from error
        flat = _decode_loosely(text)
    return hydrate(flat, table)


def utf8(text: str) -> bytes:
    """Return a JSON text as UTF-8; it has none for lone surrogates, which survive as escapes."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text).encode()


def _decode_loosely(text: bytes) -> int | list[Any]:
    """Parse with the standard library, which accepts escaped lone surrogates."""
    try:
        return flat_of_text(text.decode())
    except UnicodeDecodeError as error:
        raise damaged(str(error)) from error
