"""Small modules of the form that LLVM's linker gives to the interpreter."""

from __future__ import annotations

from dataclasses import dataclass, field

from slimming.wasm import CODE, DATA, ELEMENT, EXPORT, FUNCTION, IMPORT, TYPE, to_leb

MEMORY = 5
TABLE = 4
BASE = 16 << 20
"""Where data begins: above every slot."""


def padded(value: int) -> bytes:
    """Return a number as the linker writes a reference: five bytes."""
    return bytes([value >> shift & 0x7F | 0x80 for shift in (0, 7, 14, 21)]) + bytes([value >> 28])


def call(function: int) -> bytes:
    """Return code that adds what a function returns."""
    return b"\x10" + padded(function) + b"\x6a"


def address(value: int) -> bytes:
    """Return code that mentions an address, and adds nothing."""
    return b"\x41" + padded(value) + b"\x1a"


def through(slot_at: int) -> bytes:
    """Return code that calls the slot which memory holds at an address, and adds what that returns."""
    return b"\x41" + padded(slot_at) + b"\x28\x02\x00" + b"\x11\x00\x00" + b"\x6a"


def number(value: int) -> bytes:
    """Return code that adds a number below 64 in its last seven bits; it is no reference."""
    return b"\x41" + to_leb(value) + b"\x6a"


@dataclass
class Interpreter:
    """
    A module that is built like the interpreter: one imported function, then those added, in order.

    Attributes:
        functions: name and code of each; a function returns the sum of what its code adds.
        slots: names of functions in the table, from slot 1 on.
        data: address → contents.
        exports: names of functions.
    """

    functions: dict[str, bytes] = field(default_factory=dict)
    slots: list[str] = field(default_factory=list)
    data: dict[int, bytes] = field(default_factory=dict)
    exports: list[str] = field(default_factory=list)

    def number(self, name: str) -> int:
        """Return the number of a function."""
        return 1 + list(self.functions).index(name)

    def slot(self, name: str) -> int:
        """Return the slot of a function."""
        return 1 + self.slots.index(name)

    def module(self) -> bytes:
        """Return the module."""
        count = len(self.slots) + 1
        sections = {
            TYPE: _vector([b"\x60\x00\x01\x7f"]),
            IMPORT: _vector([_text("host") + _text("call") + b"\x00\x00"]),
            FUNCTION: _vector([b"\x00"] * len(self.functions)),
            TABLE: _vector([b"\x70\x01" + to_leb(count) + to_leb(count)]),
            MEMORY: _vector([b"\x00" + to_leb((BASE >> 16) + 64)]),
            EXPORT: _vector([_text("memory") + b"\x02\x00", *map(self._exported, self.exports)]),
            ELEMENT: _vector([b"\x00\x41\x01\x0b" + _vector([to_leb(self.number(name)) for name in self.slots])]),
            CODE: _vector([_sized(b"\x00\x41\x00" + code + b"\x0b") for code in self.functions.values()]),
            DATA: _vector([b"\x00\x41" + padded(at) + b"\x0b" + _sized(content) for at, content in self.data.items()]),
        }
        body = b"".join(bytes([number]) + _sized(content) for number, content in sections.items())
        names = _vector([to_leb(self.number(name)) + _text(name) for name in self.functions])
        return b"\0asm\1\0\0\0" + body + b"\x00" + _sized(_text("name") + b"\x01" + _sized(names))

    def _exported(self, name: str) -> bytes:
        return _text(name) + b"\x00" + to_leb(self.number(name))


def _sized(content: bytes) -> bytes:
    return to_leb(len(content)) + content


def _text(text: str) -> bytes:
    return _sized(text.encode())


def _vector(entries: list[bytes]) -> bytes:
    return to_leb(len(entries)) + b"".join(entries)
