"""
Memory that belongs to dropped libraries.

Each section of memory (constants, variables) has the order of the objects that were linked, as code has. So what a
row of dropped libraries has lies in one stretch there: code of dropped libraries mentions addresses all over it, and
kept code mentions none. Texts are an exception, for the linker merges them without regard to whose they are; but
between two of CPython's there is never much. So a stretch is dropped if it is larger than anything that could be
meant by mistake, and not quite from its beginning on: a mention may lie before what it is about, and what is
mentioned first may be something that CPython has for others.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import Final

from slimming.wasm import Module, leb

STRETCH_BYTES_MIN: Final = 512 << 10
"""The texts of dropped libraries lie in stretches of up to 110 KiB between CPython's."""

MARGIN_BYTES: Final = 16 << 10

_ADDRESS: Final = re.compile(rb"[\x80-\xff]{3}[\x88-\x97]\x00", re.DOTALL)
"""Five bytes that are an address between 16 MiB, below which lies the stack, and 48 MiB."""


def dropped_data(module: Module, functions: Collection[int]) -> Iterator[range]:
    """
    Yield the addresses of stretches that only dropped functions mention.

    Args:
        module: the interpreter.
        functions: those that stay.
    """
    for is_kept, mentioned in groupby(_mentions(module, functions), lambda mention: mention[1]):
        addresses = [address for address, _ in mentioned]
        begin, end = addresses[0] + MARGIN_BYTES, addresses[-1]
        if not is_kept and end - begin >= STRETCH_BYTES_MIN:
            yield range(begin, end)


def _mentions(module: Module, functions: Collection[int]) -> list[tuple[int, bool]]:
    """Return all addresses that code mentions, in their order, with whether a function that stays does."""
    begins = [body.begin for body in module.bodies]
    kept = dict[int, bool]()
    for found in _ADDRESS.finditer(module.data, module.bodies[0].begin, module.bodies[-1].end):
        address, _ = leb(module.data, found.start())
        function = bisect_right(begins, found.start()) - 1 + module.imports
        kept[address] = kept.get(address, False) or function in functions
    return sorted(kept.items())
