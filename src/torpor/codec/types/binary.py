"""Reducers for binary data: base64 of little-endian bytes, ``"."`` when there are none."""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from binascii import a2b_base64
from typing import Any

from torpor.codec.types.javascript import EMPTY
from torpor.codec.values import ArrayBuffer, DataView, Float16Array, Uint8ClampedArray
from torpor.codec.wire.reducers import PASS, Pass, Reducer, exactly

_TYPECODES = {
    "Int8Array": "b",
    "Int16Array": "h",
    "Uint16Array": "H",
    "Int32Array": "i",
    "Uint32Array": "I",
    "Float32Array": "f",
    "Float64Array": "d",
    "BigInt64Array": "q",
    "BigUint64Array": "Q",
}
_ITEM_BYTES = {name: array(code).itemsize for name, code in _TYPECODES.items()} | {"Float16Array": 2}

# ``l`` and ``L`` are other names of the 32 or 64 bit integers, depending on the platform.
_SAME_AS_LONG = {
    "l": "i" if array("l").itemsize == 4 else "q",
    "L": "I" if array("L").itemsize == 4 else "Q",
}


def _encoded(data: bytes) -> str:
    return b64encode(data).decode("ascii") or EMPTY


def _decoded(payload: Any, name: str) -> bytes:
    """Return the bytes of a payload: base64, an ArrayBuffer, or the part of one that a view shows."""
    item_bytes = _ITEM_BYTES.get(name, 1)
    match payload:
        case str(text):
            data = a2b_base64("" if text == EMPTY else text, strict_mode=True)
        case ArrayBuffer():
            data = bytes(payload)
        case {"buffer": ArrayBuffer() as buffer, "offset": int(offset), "length": int(length)}:
            data = buffer[offset : offset + length * item_bytes]
            if offset < 0 or len(data) != length * item_bytes:
                raise ValueError(f"it shows {length} elements from byte {offset} of a buffer of {len(buffer)}")
        case _:
            raise TypeError(f"its content is {payload!r:.40}")
    if len(data) % item_bytes:
        raise ValueError(f"{len(data)} bytes are not a whole number of elements")
    return data


def _bytes_reducer(name: str, cls: type[bytes]) -> Reducer:
    return Reducer(name, exactly(cls), _encoded, lambda payload: cls(_decoded(payload, name)))


def _view_reducer(name: str, cls: type[bytes]) -> Reducer:
    # The TypeScript SDK has no reducer for these and leaves them to devalue, which writes the buffer as a value.
    return Reducer(name, exactly(cls), ArrayBuffer, lambda payload: cls(_decoded(payload, name)))


def _array_reducer(name: str, typecode: str) -> Reducer:
    def encode(value: array[Any]) -> str | Pass:
        if _SAME_AS_LONG.get(value.typecode, value.typecode) != typecode:
            return PASS
        return _encoded(_swapped(value).tobytes())

    def decode(payload: object) -> array[Any]:
        return _swapped(array(typecode, _decoded(payload, name)))

    return Reducer(name, exactly(array), encode, decode)


def _swapped(numbers: array[Any]) -> array[Any]:
    """Return the numbers in the other byte order on a big-endian machine."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers


BINARY_REDUCERS = (
    _bytes_reducer("Uint8Array", bytes),
    _bytes_reducer("ArrayBuffer", ArrayBuffer),
    _bytes_reducer("Uint8ClampedArray", Uint8ClampedArray),
    _view_reducer("Float16Array", Float16Array),
    _view_reducer("DataView", DataView),
    *[_array_reducer(name, typecode) for name, typecode in _TYPECODES.items()],
)
"""Every kind of typed array, and the two types that they are views of."""
