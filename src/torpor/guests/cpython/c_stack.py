"""
How much stack CPython lets its own C code have.

It was compiled to count 112 KiB of the stack in linear memory, which has 16 MiB. That is right for what recurses in
small steps (comparing, printing), since the native stack, which it cannot count, would end first. The compiler recurses
in large steps: 46 branches of ``elif`` were too many. So the limit is another one while it compiles.
"""

from __future__ import annotations

import struct
from typing import Final

from torpor.guests.cpython.frames import Read, thread_of

_USUAL: Final = 114_688
_COMPILING: Final = 2_000_000
"""Bytes of stack; with these, the deepest code that compiles takes half of the native stack."""

_MARGIN: Final = 8_192
"""Between the limit and where CPython gives up."""

_SEARCHED: Final = 4_096


def limits_at(read: Read, top: int) -> int | None:
    """
    Return where a guest keeps the two limits of its stack, None where they are not found.

    Args:
        read: returns bytes of its memory; raises IndexError for what is outside.
        top: where its stack begins, and its data.
    """
    try:
        thread, _ = thread_of(read, top)
        found = read(thread, _SEARCHED).find(struct.pack("<III", top, *_limits(top, _USUAL)))
    except (IndexError, struct.error, ValueError):
        return None
    return None if found < 0 else thread + found + 4


def limits(top: int, *, compiling: bool) -> bytes:
    """Return the two limits, as they lie in memory."""
    return struct.pack("<II", *_limits(top, _COMPILING if compiling else _USUAL))


def _limits(top: int, size: int) -> tuple[int, int]:
    return top - size, top - size - _MARGIN
