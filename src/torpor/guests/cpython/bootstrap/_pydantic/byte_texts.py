"""Bytes in texts, as pydantic reads them: base64 of either alphabet, padded or not, and hexadecimal digits."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Final

_PAD: Final = ord("=")
_ORDER: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_TO_MAIL: Final = bytes.maketrans(b"-_", b"+/")
_OF_MAIL: Final = frozenset(_ORDER)
_OF_ADDRESSES: Final = _OF_MAIL - frozenset(b"+/") | frozenset(b"-_")
_ESCAPED: Final = {0: "\\0", 9: "\\t", 10: "\\n", 13: "\\r", 39: "\\'", 92: "\\\\"}


class Undecodable(Exception):  # noqa: N818  # internal: no error that anybody sees
    """A text says no bytes; the argument is why."""


class _Foreign(Undecodable):
    """A symbol is of no alphabet, or of another one."""

    def __init__(self, symbol: int, offset: int) -> None:
        super().__init__(f"Invalid symbol {symbol}, offset {offset}.")
        self.symbol = symbol


def bytes_of_base64(text: bytes) -> bytes:
    """
    Return the bytes of a text.

    Raises:
        Undecodable: there are none.
    """
    try:
        return _decoded(text, _OF_ADDRESSES)
    except _Foreign as problem:
        if problem.symbol not in b"+/":
            raise
    return _decoded(text, _OF_MAIL)


def _decoded(text: bytes, alphabet: frozenset[int]) -> bytes:
    rest = len(text) % 4
    if rest == 1 and text[-1] != _PAD and text[-1] not in alphabet:
        raise _Foreign(text[-1], len(text) - 1)
    start = max(len(text) - (rest or 4), 0)
    for offset, symbol in enumerate(text[:start]):
        if symbol not in alphabet:
            raise _Foreign(symbol, offset)
    symbols = _last_symbols(text, start, alphabet)
    if symbols is not None and len(symbols) < 2:
        raise Undecodable(f"Invalid input length: {start + len(symbols)}")
    kept = text[:start] + (symbols or b"")
    made = base64.b64decode(kept + b"=" * (-len(kept) % 4), altchars=b"-_" if alphabet is _OF_ADDRESSES else None)
    if symbols and base64.b64encode(made, b"-_" if alphabet is _OF_ADDRESSES else None).rstrip(b"=") != kept:
        last, value = kept[-1], _ORDER.index(kept[-1:].translate(_TO_MAIL))
        raise Undecodable(
            f"Invalid last symbol 0x{last:x} ('{last:c}') at offset {len(kept) - 1}, decoded as 0b{value:08b}."
        )
    return made


def _last_symbols(text: bytes, start: int, alphabet: frozenset[int]) -> bytes | None:
    """Return the last up to four symbols without their padding; None if there are none."""
    last = text[start:]
    for index, symbol in enumerate(last):
        padding = last.find(b"=", 0, index)
        if symbol == _PAD:
            if index < 2:
                raise _Foreign(symbol, start + index)
        elif padding >= 0:
            raise _Foreign(_PAD, start + padding)
        elif symbol not in alphabet:
            raise _Foreign(symbol, start + index)
    return last.rstrip(b"=") if last else None


def bytes_of_hex(text: bytes) -> bytes:
    """
    Return the bytes of a text.

    Raises:
        Undecodable: there are none.
    """
    if len(text) % 2:
        raise Undecodable("Odd number of digits")
    for position, digit in enumerate(text):
        if digit not in b"0123456789abcdefABCDEF":
            raise Undecodable(f"Invalid character '{_quoted(digit)}' at position {position}")
    return bytes.fromhex(text.decode())


def _quoted(byte: int) -> str:
    if byte in _ESCAPED:
        return _ESCAPED[byte]
    is_shown = 32 <= byte < 127 or (byte > 160 and byte != 173)
    return chr(byte) if is_shown else f"\\u{{{byte:x}}}"


DECODERS: Final[dict[str, Callable[[bytes], bytes]]] = {"base64": bytes_of_base64, "hex": bytes_of_hex}
"""Of ``val_json_bytes``."""
