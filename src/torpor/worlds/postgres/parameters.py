"""
Values as parameters of a statement and as columns of its result, in the formats of the protocol.

Integers are ``bigint`` and bytes ``bytea``, in their binary formats. Of what type a text is the server knows from where
it stands, so it goes as text, as do arrays that are empty. One type for each kind of value keeps one prepared statement
good for all values.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

from psycopg import adapters
from psycopg.pq import Format

Encode = Callable[[Any], bytes | None]
Kind = tuple[int, int, Encode]
"""How values of one type travel: the number of its type at the server, the format, and the way there."""

_MARK: Final = "\ue000"
_TO_STORE: Final = str.maketrans({"\0": f"{_MARK}0", _MARK: f"{_MARK}1"})

_TEXT: Final = 25  # numbers of types: pg_type.dat
_UNKNOWN: Final = 0
_BOOL, _BYTEA, _INT8, _FLOAT8 = 16, 17, 20, 701
_ARRAY_OF_BOOL, _ARRAY_OF_BYTEA, _ARRAY_OF_INT8, _ARRAY_OF_TEXT = 1000, 1001, 1016, 1009

_int8: Final = struct.Struct("!q").pack
_float8: Final = struct.Struct("!d").pack
_length: Final = struct.Struct("!i").pack
_NULL: Final = _length(-1)
_head_of_array: Final = struct.Struct("!5i").pack  # dimensions, whether there are NULLs, type, length, first index


def stored(text: str) -> str:
    """Return a text as it is stored."""
    return text.translate(_TO_STORE) if "\0" in text or _MARK in text else text


def read(text: str) -> str:
    """Return the text that is stored as *text*."""
    return text.replace(f"{_MARK}0", "\0").replace(f"{_MARK}1", _MARK) if _MARK in text else text


def _text(value: str) -> bytes:
    return stored(value).encode()


def _bool(value: bool) -> bytes:
    return b"\1" if value else b"\0"


def _same(value: Any) -> Any:
    return value


class Column(list[Any]):
    """Values of one kind, each of which may be None, that go as one array."""


class Texts(Column):
    """Texts."""


class Numbers(Column):
    """Integers."""


class Blobs(Column):
    """Bytes."""


class Flags(Column):
    """Yes or no."""


def _column(of: int, encode: Callable[[Any], bytes]) -> Encode:
    def encode_all(values: Sequence[Any]) -> bytes:
        parts = [_head_of_array(1, 1, of, len(values), 1)]
        for value in values:
            if value is None:
                parts.append(_NULL)
            else:
                data = encode(value)
                parts += (_length(len(data)), data)
        return b"".join(parts)

    return encode_all


def _array(of: int, encode: Callable[[Any], bytes]) -> Encode:
    def encode_all(values: Sequence[Any]) -> bytes:
        parts = [_head_of_array(1, 0, of, len(values), 1)]
        for value in values:
            data = encode(value)
            parts += (_length(len(data)), data)
        return b"".join(parts)

    return encode_all


_KINDS: Final[dict[object, Kind]] = {
    int: (_INT8, Format.BINARY, _int8),
    str: (_UNKNOWN, Format.TEXT, _text),
    bytes: (_BYTEA, Format.BINARY, _same),
    bool: (_BOOL, Format.BINARY, _bool),
    float: (_FLOAT8, Format.BINARY, _float8),
    type(None): (_UNKNOWN, Format.TEXT, _same),
    (): (_UNKNOWN, Format.TEXT, lambda _: b"{}"),
    (int,): (_ARRAY_OF_INT8, Format.BINARY, _array(_INT8, _int8)),
    (str,): (_ARRAY_OF_TEXT, Format.BINARY, _array(_TEXT, _text)),
    Texts: (_ARRAY_OF_TEXT, Format.BINARY, _column(_TEXT, _text)),
    Numbers: (_ARRAY_OF_INT8, Format.BINARY, _column(_INT8, _int8)),
    Blobs: (_ARRAY_OF_BYTEA, Format.BINARY, _column(_BYTEA, _same)),
    Flags: (_ARRAY_OF_BOOL, Format.BINARY, _column(_BOOL, _bool)),
}


def types_of(values: Sequence[Any]) -> tuple[object, ...]:
    """Return the types of values, of a list that of its first element; see :func:`kind_of`."""
    types: tuple[object, ...] = tuple(map(type, values))
    if list not in types:
        return types
    return tuple(tuple(map(type, value[:1])) if isinstance(value, list) else type(value) for value in values)


def kind_of(its: object) -> Kind:
    """
    Return how values of a type travel.

    Raises:
        TypeError: there is no way for them.
    """
    found = _KINDS.get(its)
    if found is None and isinstance(its, type):
        found = next((_KINDS[base] for base in its.__mro__ if base in _KINDS), None)
    if found is None:
        raise TypeError(f"a value of type {its} is no parameter of a statement")
    return found


@cache
def decoder_of(number: int) -> Callable[[bytes], Any]:
    """Return what makes a value of a column in binary format, by the number of the column's type."""
    if number == _TEXT:
        return lambda data: read(data.decode())
    loader = adapters.get_loader(number, Format.BINARY) or adapters.get_loader(_UNKNOWN, Format.BINARY)
    assert loader is not None, "the driver reads what it does not know as bytes"
    return loader(number).load
