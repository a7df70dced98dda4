"""
The interpreter's list of modules that are built into it: pairs of a name and a function that starts the module.

It stands in memory several times, since the interpreter makes a longer copy of it for each module that is added. In
each copy the third-party modules come last; the copy is ended before the first of them, and their entries are wiped.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Final

from slimming.wasm import FormatError, Module

FIRST: Final = "_host"
"""The module with which the list begins."""

_ENTRY: Final = struct.Struct("<II")


class Memory:
    """What a module lays into its memory; every other byte is zero."""

    def __init__(self, module: Module) -> None:
        laid = [segment for segment in module.segments if segment.address is not None]
        self._bytes = bytearray(max((each.address or 0) + each.span.end - each.span.begin for each in laid))
        for address, (begin, end) in laid:
            assert address is not None
            self._bytes[address : address + end - begin] = module.data[begin:end]

    def text(self, at: int) -> str:
        """Return the text at an address, up to a zero byte."""
        return self._bytes[at : self._bytes.find(b"\0", at)].decode("utf-8", "replace")

    def contents(self, begin: int) -> bytes:
        """Return the whole words from an address on."""
        return bytes(self._bytes[begin : len(self._bytes) // 4 * 4])

    def entry(self, at: int) -> tuple[int, int]:
        """Return the two numbers at an address."""
        found: tuple[int, int] = _ENTRY.unpack_from(self._bytes, at)
        return found

    def places_of(self, number: int) -> Iterator[int]:
        """Yield the addresses, multiples of 4, that hold a number."""
        wanted, at = number.to_bytes(4, "little"), -1
        while (at := self._bytes.find(wanted, at + 1)) >= 0:
            if at % 4 == 0:
                yield at


def third_party_entries(module: Module, functions: Collection[int]) -> Iterator[range]:
    """
    Yield where the entries of modules that are left out lie in memory: a stretch for each copy of the list.

    Args:
        module: the interpreter.
        functions: those that stay.

    Raises:
        FormatError: there is no list, or a module that stays follows one that does not.
    """
    memory = Memory(module)
    first = module.slots.index(module.number_of(f"PyInit_{FIRST}"))
    lists = [at - 4 for at in memory.places_of(first) if memory.text(memory.entry(at - 4)[0]) == FIRST]
    if not lists:
        raise FormatError("the list of built-in modules is not found in memory")
    for begin in lists:
        stays, at = begin, begin
        while (entry := memory.entry(at)) != (0, 0):
            name, slot = entry
            at += _ENTRY.size
            if slot == 0 or module.slots[slot] in functions:  # sys and builtins have no function
                if stays < at - _ENTRY.size:
                    raise FormatError(f"the built-in module {memory.text(name)} follows third-party ones")
                stays = at
        if at > stays:
            yield range(stays, at)
