"""Where in a program's text a function stands."""

from __future__ import annotations

from collections.abc import Iterator

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.reader import Heap, HeapError

_TABLE_MAX = 4_000_000
_RANGE, _BASE = 5, -1


def place_of(heap: Heap, code: int, counter: int) -> tuple[int, int]:
    """
    Return line and column, from 1, of the instruction before an address in a function's code.

    Raises:
        HeapError: the function has no such instruction, or no table of its places.
    """
    wanted = counter - heap.word(code + at.CODE_BYTES) - 1
    if not 0 <= wanted < heap.word(code + at.CODE_LENGTH):
        raise HeapError("a frame stands outside of its function")
    line, column = heap.word(code + at.CODE_LINE), heap.word(code + at.CODE_COLUMN)
    size = heap.word(code + at.CODE_PLACES_LENGTH)
    if size > _TABLE_MAX:
        raise HeapError(f"a table of places has {size} bytes")
    table = iter(heap.data(heap.word(code + at.CODE_PLACES), size))
    instruction = 0
    for op in table:
        if op:
            instruction += (op - 1) // _RANGE
            lines = (op - 1) % _RANGE + _BASE
        else:
            instruction += _unsigned(table)
            lines = _signed(table)
        columns = _signed(table)
        if wanted < instruction:
            break
        line, column = line + lines, column + columns
    return line, column


def _unsigned(table: Iterator[int]) -> int:
    value = shift = 0
    for byte in table:
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value
        shift += 7
    raise HeapError("a table of places ends in the middle of a number")


def _signed(table: Iterator[int]) -> int:
    value = _unsigned(table)
    return (value >> 1) ^ -(value & 1)
