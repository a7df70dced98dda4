"""
A WebAssembly module as LLVM's linker writes it: its parts, and what a function's code mentions.

In what the linker writes, every reference that it has filled in (the function of a call, the address of a function or
of data) is a LEB128 number of five bytes, however small it is; what the compiler wrote itself is as short as can be.
So a constant of five bytes is an address, and one of fewer is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

TYPE, IMPORT, FUNCTION, EXPORT, ELEMENT, CODE, DATA, DATA_COUNT, CUSTOM = 1, 2, 3, 7, 9, 10, 11, 12, 0
"""Numbers of sections."""

EMPTY: Final = -1
"""What a slot has that no function has; slot 0 always is one."""

HEAD_BYTES: Final = 8
IS_FUNCTION: Final = 0
"""Kind of an import or export."""

_CALL, _BR_TABLE, _TRY_TABLE, _I32_CONST, _REF_FUNC = 0x10, 0x0E, 0x1F, 0x41, 0xD2
_CATCH_REF = 1
_FUNCTION_NAMES = 1
_ACTIVE, _PASSIVE = 0, 1
_END = 0x0B

_LEB: Final = rb"[\x80-\xff]*+[\x00-\x7f]"
_OTHERS: Final = re.compile(
    rb"(?:[\x00\x01\x05\x0a\x0b\x0f\x1a\x1b\x45-\xc4\xd1]"  # no operand
    rb"|[\x02-\x04\x08\x0c\x0d\x20-\x26\x3f\x40\x42\xd0]" + _LEB +  # one number
    rb"|[\x11\x28-\x3e]" + _LEB + _LEB +  # two: indirect calls, loads and stores
    rb"|\x43.{4}|\x44.{8}|\x1c" + _LEB + rb"."  # constants of floats; select of one type
    rb"|\xfc(?:[\x00-\x07]|[\x08\x0a\x0c\x0e]" + _LEB + _LEB + rb"|[\x09\x0b\x0d\x0f-\x11]" + _LEB + rb")"
    rb"|\x41[\x80-\xff]{0,3}[\x00-\x7f])*+",  # short constants of integers
    re.DOTALL,
)  # fmt: skip
"""Matches instructions, as many as there are, up to one that may refer to something."""

_ADDRESS: Final = re.compile(rb"\x41([\x80-\xff]{4}[\x00-\x7f])", re.DOTALL)
_SIZE_OF_BITS: Final = 7


class FormatError(Exception):
    """The module has something that is not expected in it; the message says what and where."""


class Span(NamedTuple):
    """Bytes from *begin* up to *end* of the module."""

    begin: int
    end: int


class Segment(NamedTuple):
    """Contents of memory: *span* of the module is laid at *address*; None for one that code would lay somewhere."""

    address: int | None
    span: Span


class Mention(NamedTuple):
    """A number in a function's code: *value*, which stands in *span*; ``calls`` when it is the number of a function."""

    calls: bool
    value: int
    span: Span


@dataclass(frozen=True)
class Module:
    """
    A module.

    Attributes:
        data: its bytes.
        sections: number and contents of each, in their order.
        imports: functions that are imported; they have the first numbers.
        types: type of each function of its own.
        bodies: code of each function of its own.
        exports: name → kind, number.
        names: name of each function, ``""`` where it has none.
        slots: the table that indirect calls go through: functions by slot, :data:`EMPTY` for none.
        segments: contents of memory.
    """

    data: bytes
    sections: list[tuple[int, Span]]
    imports: int
    types: list[int]
    bodies: list[Span]
    exports: dict[str, tuple[int, int]]
    names: list[str]
    slots: list[int]
    segments: list[Segment]

    def number_of(self, name: str) -> int:
        """
        Return the number of the function of this name.

        Raises:
            FormatError: there is none, or several have it.
        """
        if self.names.count(name) != 1:
            raise FormatError(f"{self.names.count(name)} functions are called {name}, not one")
        return self.names.index(name)

    def mentions(self, function: int) -> Iterator[Mention]:
        """
        Yield what the code of a function mentions: functions that it calls, and addresses.

        Raises:
            FormatError: it has an instruction that is not known here.
        """
        data, (begin, end) = self.data, self.bodies[function - self.imports]
        groups, at = leb(data, begin)
        for _ in range(groups):  # of local variables: how many, of which type
            _, at = leb(data, at)
            at += 1
        while (at := _end_of(_OTHERS.match(data, at, end))) < end:
            code = data[at]
            if code == _BR_TABLE:
                count, at = leb(data, at + 1)
                for _ in range(count + 1):
                    _, at = leb(data, at)
            elif code == _TRY_TABLE:
                at = self._after_catches(at + 1)
            elif code in {_CALL, _REF_FUNC, _I32_CONST}:
                value, after = leb(data, at + 1)
                yield Mention(code != _I32_CONST, value, Span(at + 1, after))
                at = after
            else:
                raise FormatError(f"{self.names[function]} has an instruction that is not known: {code:#x}")
        if at != end or data[end - 1] != _END:
            raise FormatError(f"the code of {self.names[function]} ends within an instruction")

    def _after_catches(self, at: int) -> int:
        """Return where the operands of a ``try_table`` end."""
        _, at = leb(self.data, at)  # type of the block
        count, at = leb(self.data, at)
        for _ in range(count):
            numbers = 2 if self.data[at] <= _CATCH_REF else 1  # tag and label, or label only
            at += 1
            for _ in range(numbers):
                _, at = leb(self.data, at)
        return at

    def all_addresses(self) -> Iterator[tuple[int, int]]:
        """
        Yield each address in the code of all functions, and where it stands.

        Code is searched for the five bytes, not read: in bytes that belong to several instructions some may be taken
        for an address that is none.
        """
        for found in _ADDRESS.finditer(self.data, self.bodies[0].begin, self.bodies[-1].end):
            yield leb(self.data, found.start(1))[0], found.start()


def read_module(data: bytes) -> Module:
    """
    Return the parts of a module.

    Raises:
        FormatError: it is none that LLVM's linker writes for one table and one memory.
    """
    if data[:HEAD_BYTES] != b"\0asm\1\0\0\0":
        raise FormatError("this is no WebAssembly module")
    sections = list(_sections(data))
    found = {number: span.begin for number, span in sections if number != CUSTOM}
    imports = _imports(data, found[IMPORT])
    types, _ = _numbers(data, found[FUNCTION])
    return Module(
        data=data,
        sections=sections,
        imports=imports,
        types=types,
        bodies=_bodies(data, found[CODE]),
        exports=_exports(data, found[EXPORT]),
        names=_names(data, sections, imports + len(types)),
        slots=_slots(data, found[ELEMENT]),
        segments=_segments(data, found[DATA]),
    )


def leb(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned number at *at*, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += _SIZE_OF_BITS


def to_leb(value: int) -> bytes:
    """Return an unsigned number, as short as can be."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= _SIZE_OF_BITS
    out.append(value)
    return bytes(out)


def to_address(value: int) -> bytes:
    """Return a constant expression: an address, whose sign bit must not be set by chance."""
    signed = to_leb(value)
    if signed[-1] & 0x40:
        signed = signed[:-1] + bytes([signed[-1] | 0x80, 0])
    return bytes([_I32_CONST]) + signed + bytes([_END])


def _sections(data: bytes) -> Iterator[tuple[int, Span]]:
    at = HEAD_BYTES
    while at < len(data):
        number = data[at]
        size, at = leb(data, at + 1)
        yield number, Span(at, at + size)
        at += size


def _text(data: bytes, at: int) -> tuple[str, int]:
    size, at = leb(data, at)
    return data[at : at + size].decode("utf-8", "replace"), at + size


def _numbers(data: bytes, at: int) -> tuple[list[int], int]:
    count, at = leb(data, at)
    found = []
    for _ in range(count):
        value, at = leb(data, at)
        found.append(value)
    return found, at


def _imports(data: bytes, at: int) -> int:
    count, at = leb(data, at)
    for _ in range(count):
        _, at = _text(data, at)
        name, at = _text(data, at)
        if data[at] != IS_FUNCTION:
            raise FormatError(f"the import {name} is no function")
        _, at = leb(data, at + 1)
    return count


def _bodies(data: bytes, at: int) -> list[Span]:
    count, at = leb(data, at)
    found = []
    for _ in range(count):
        size, at = leb(data, at)
        found.append(Span(at, at + size))
        at += size
    return found


def _exports(data: bytes, at: int) -> dict[str, tuple[int, int]]:
    count, at = leb(data, at)
    found = {}
    for _ in range(count):
        name, at = _text(data, at)
        kind = data[at]
        number, at = leb(data, at + 1)
        found[name] = kind, number
    return found


def _names(data: bytes, sections: list[tuple[int, Span]], count: int) -> list[str]:
    names = [""] * count
    for number, (begin, end) in sections:
        if number != CUSTOM:
            continue
        title, at = _text(data, begin)
        while title == "name" and at < end:
            kind = data[at]
            size, at = leb(data, at + 1)
            if kind == _FUNCTION_NAMES:
                entries, here = leb(data, at)
                for _ in range(entries):
                    index, here = leb(data, here)
                    names[index], here = _text(data, here)
            at += size
    return names


def _slots(data: bytes, at: int) -> list[int]:
    count, at = leb(data, at)
    slots = list[int]()
    for _ in range(count):
        if data[at : at + 2] != bytes([_ACTIVE, _I32_CONST]):
            raise FormatError("the table is not filled from known slots on")
        first, at = leb(data, at + 2)
        filled, at = _numbers(data, at + 1)
        slots += [EMPTY] * (first - len(slots)) + filled
    return slots


def _segments(data: bytes, at: int) -> list[Segment]:
    count, at = leb(data, at)
    found = []
    for _ in range(count):
        kind, address = data[at], None
        if kind == _ACTIVE and data[at + 1] == _I32_CONST:
            address, at = leb(data, at + 2)
        elif kind != _PASSIVE:
            raise FormatError(f"a data segment is of kind {kind}, or lies at no fixed address")
        size, at = leb(data, at + 1)
        found.append(Segment(address, Span(at, at + size)))
        at += size
    return found


def _end_of(match: re.Match[bytes] | None) -> int:
    assert match is not None  # the pattern matches nothing, too
    return match.end()
