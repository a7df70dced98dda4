"""
The heap of a QuickJS VM, read where it lies: nothing runs, and nothing is written.

A guest's memory is the guest's. What does not look as it should raises :class:`HeapError`, a list that goes round in a
circle too, and a text is read as far as it is asked for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Final, NamedTuple, TypeVar

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.classes import CODED

T = TypeVar("T")

Value = int
"""Any value of JavaScript, as the engine keeps it: 64 bits."""

_OBJECT_BYTES_MIN: Final = 32
_PROPERTIES_MAX: Final = 1_000_000
_LINKS_MAX: Final = 10_000
_ROPE_PIECES_MAX: Final = 4_000
_NAME_CHARS: Final = 200
_BREAKS: Final = {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


class HeapError(Exception):
    """Memory is not what a heap of this engine looks like."""


class Property(NamedTuple):
    """An own property: its key's atom, its flags, and where its value lies."""

    atom: int
    flags: int
    place: int


class Heap:
    """
    The heap around one context.

    Args:
        memory: all of a VM's memory; it must not change while the heap is read.
        context: address of the engine's context.

    Raises:
        HeapError: this is no context. All methods and attributes raise it, too.
    """

    def __init__(self, memory: memoryview, context: int) -> None:
        self._bytes = memory
        self._words = memory.cast("I")
        self._halves = memory.cast("H")
        self._longs = memory.cast("Q")
        self.context = context
        self.runtime = self.word(context + at.CONTEXT_RUNTIME)
        self._names: dict[int, str] = {}

    def memory(self) -> bytes:
        """Return a copy of all memory."""
        return bytes(self._bytes)

    def byte(self, place: int) -> int:
        try:
            return self._bytes[place]
        except IndexError:
            raise HeapError(f"there is no byte {place}") from None

    def half(self, place: int) -> int:
        try:
            return self._halves[place >> 1]
        except IndexError:
            raise HeapError(f"there is no byte {place}") from None

    def word(self, place: int) -> int:
        try:
            return self._words[place >> 2]
        except IndexError:
            raise HeapError(f"there is no byte {place}") from None

    def value(self, place: int) -> Value:
        try:
            return self._longs[place >> 3]
        except IndexError:
            raise HeapError(f"there is no byte {place}") from None

    def data(self, place: int, size: int) -> bytes:
        found = bytes(self._bytes[place : place + size])
        if len(found) < size:
            raise HeapError(f"there are no bytes {place} to {place + size}")
        return found

    def links(self, head: int) -> Iterator[int]:
        """Yield the addresses of a list's links, the head's not."""
        seen: set[int] = set()
        link = self.word(head + 4)
        while link != head:
            if link in seen:
                raise HeapError("a list goes round in a circle")
            seen.add(link)
            yield link
            link = self.word(link + 4)

    def collected(self, wanted: frozenset[int]) -> Iterator[tuple[int, int]]:
        """Yield class and address of the objects of some classes, and of what async functions wait in, as -1."""
        words, octets, halves = self._words, self._bytes, self._halves
        head = self.runtime + at.RUNTIME_GC_OBJECTS
        try:
            link = words[(head + 4) >> 2]
            for _ in range(len(octets) // _OBJECT_BYTES_MIN):
                if link == head:
                    return
                kind = octets[link - at.GC_TYPE_BEFORE] & at.GC_TYPE_MASK
                if kind == at.GC_OBJECT:
                    kind = halves[(link + at.OBJECT_CLASS) >> 1]
                    if kind in wanted:
                        yield kind, link
                elif kind == at.GC_ASYNC_FUNCTION:
                    yield -1, link
                link = words[(link + 4) >> 2]
        except IndexError:
            raise HeapError("the list of objects leads out of memory") from None
        raise HeapError("the list of objects goes round in a circle")

    def class_of(self, value: Value) -> int:
        """Return the class of an object, 0 of any other value."""
        return self.half((value & 0xFFFFFFFF) + at.OBJECT_CLASS) if tag_of(value) == at.TAG_OBJECT else 0

    def class_name(self, number: int) -> str:
        """Return what the engine calls a class."""
        if not 0 < number < self.word(self.runtime + at.RUNTIME_CLASS_COUNT):
            raise HeapError(f"there is no class {number}")
        place = self.word(self.runtime + at.RUNTIME_CLASSES) + number * at.CLASS_BYTES
        return self.name(self.word(place + at.CLASS_NAME))

    def name(self, atom: int) -> str:
        """Return the text of an atom, shortened."""
        if atom & 0x80000000:
            return str(atom & 0x7FFFFFFF)
        found = self._names.get(atom)
        if found is None:
            text, _ = self.text(self._atom(atom), _NAME_CHARS)
            found = self._names[atom] = flat(text)
        return found

    def is_symbol(self, atom: int) -> bool:
        """Whether an atom is a symbol's, or a private name's."""
        return not atom & 0x80000000 and self.word(self._atom(atom) + at.STRING_KIND) >> 30 > 1

    def is_private(self, atom: int) -> bool:
        """Whether an atom is a private name's."""
        if atom & 0x80000000:
            return False
        word = self.word(self._atom(atom) + at.STRING_KIND)
        return (word >> 30, word & 0x0FFFFFFF) == at.ATOM_PRIVATE

    def _atom(self, atom: int) -> int:
        if atom >= self.word(self.runtime + at.RUNTIME_ATOM_SIZE):
            raise HeapError(f"there is no atom {atom}")
        place = self.word(self.word(self.runtime + at.RUNTIME_ATOMS) + 4 * atom)
        if place & 1 or not place:
            raise HeapError(f"atom {atom} is free")
        return place

    def text(self, place: int, chars: int) -> tuple[str, int]:
        """Return the beginning of the string at an address, at most *chars* units of it, and how many it has."""
        length = self.word(place + at.STRING_LENGTH)
        width, length = 1 + (length >> 31), length & 0x7FFFFFFF
        read = self.data(self.units(place), min(length, chars) * width)
        return read.decode("latin-1" if width == 1 else "utf-16-le", "replace"), length

    def units(self, place: int) -> int:
        """Return where the contents of the string at an address lie."""
        data, kind = place + at.STRING_DATA, self.word(place + at.STRING_KIND) >> 28 & 3
        if kind == at.SLICE:
            return self.word(data) + at.STRING_DATA + self.word(place + at.STRING_SLICE_START)
        return self.word(data) if kind == at.INDIRECT else data

    def string(self, value: Value, chars: int) -> tuple[str, int]:
        """Return the beginning of a string or a rope, and how many units it has."""
        if tag_of(value) == at.TAG_STRING:
            return self.text(value & 0xFFFFFFFF, chars)
        length = self.word((value & 0xFFFFFFFF) + at.ROPE_LENGTH)
        pieces: list[str] = []
        missing, left = chars, [value]
        for _ in range(_ROPE_PIECES_MAX):
            if not left or missing <= 0:
                break
            piece = left.pop()
            place = piece & 0xFFFFFFFF
            if tag_of(piece) == at.TAG_STRING:
                pieces.append(self.text(place, missing)[0])
                missing -= len(pieces[-1])
            elif tag_of(piece) == at.TAG_ROPE:
                left += [self.value(place + at.ROPE_RIGHT), self.value(place + at.ROPE_LEFT)]
            else:
                raise HeapError("a rope is of something else than strings")
        return "".join(pieces), length

    def properties(self, place: int) -> Iterator[Property]:
        """Yield the own properties of an object, without the items of a fast array."""
        shape, count = self.word(place + at.OBJECT_SHAPE), self.property_count(place)
        table = shape + at.SHAPE_TABLE + 4 * (self.word(shape + at.SHAPE_HASH_MASK) + 1)
        values = self.word(place + at.OBJECT_PROPERTIES)
        if count > _PROPERTIES_MAX:
            raise HeapError(f"an object has {count} properties")
        for number in range(count):
            atom = self.word(table + 8 * number + 4)
            if atom:
                yield Property(atom, self.word(table + 8 * number) >> 26, values + 8 * number)

    def property_count(self, place: int) -> int:
        """Return how many own properties an object has or had."""
        return self.word(self.word(place + at.OBJECT_SHAPE) + at.SHAPE_COUNT)

    def own(self, place: int, name: str) -> Value | None:
        """Return the value of an own property, None of one that is not there, or is no plain one."""
        for found in self.properties(place):
            if found.flags & at.PROPERTY_KIND in (at.PROPERTY_VALUE, at.PROPERTY_REFERENCE) and (
                self.name(found.atom) == name and not self.is_symbol(found.atom)
            ):
                return self.held(found)
        return None

    def held(self, found: Property) -> Value:
        """Return the value of a property that is no accessor."""
        if found.flags & at.PROPERTY_KIND == at.PROPERTY_REFERENCE:
            return self.referred(self.word(found.place))
        return self.value(found.place)

    def prototype(self, place: int) -> int:
        """Return the address of an object's prototype, 0 of none."""
        return self.word(self.word(place + at.OBJECT_SHAPE) + at.SHAPE_PROTOTYPE)

    def referred(self, reference: int) -> Value:
        """Return the value of a variable that a closure refers to."""
        return self.value(self.word(reference + at.REFERENCE_TO))

    def code_of(self, function: Value) -> int:
        """Return the address of a function's code, 0 of what is no function of a program."""
        if self.class_of(function) not in CODED:
            return 0
        return self.word((function & 0xFFFFFFFF) + at.FUNCTION_CODE)

    def captured(self, function: Value) -> Iterator[tuple[str, int, Value]]:
        """Yield what a function refers to outside of itself: name, kind, value."""
        code = self.code_of(function)
        if not code:
            return
        references = self.word((function & 0xFFFFFFFF) + at.FUNCTION_REFERENCES)
        closure = self.word(code + at.CODE_CLOSURE)
        for number in range(self.half(code + at.CODE_CLOSURE_COUNT)):
            reference = self.word(references + 4 * number)
            if reference:
                entry = closure + at.CLOSURE_BYTES * number
                name = self.name(self.word(entry + at.CLOSURE_NAME))
                yield name, self.byte(entry) & at.CLOSURE_KIND_MASK, self.referred(reference)

    def global_names(self) -> set[str]:
        """Return the names of the global object's own properties."""
        return {self.name(one.atom) for one in self.properties(pointed(self.value(self.context + at.CONTEXT_GLOBAL)))}

    def exported(self, module: str, name: str) -> Value | None:
        """Return what a module exports under a name, None when there is no such module or name."""
        exports = self._modules.get(module)
        if exports is None:
            return None
        place, count = self.word(exports), self.word(exports + at.MODULE_EXPORT_COUNT - at.MODULE_EXPORTS)
        for entry in range(place, place + at.EXPORT_BYTES * min(count, _LINKS_MAX), at.EXPORT_BYTES):
            if self.name(self.word(entry + at.EXPORT_NAME)) == name:
                reference = self.word(entry + at.EXPORT_REFERENCE)
                is_local = self.word(entry + at.EXPORT_KIND) == at.EXPORT_LOCAL
                return self.referred(reference) if is_local and reference else None
        return None

    @cached_property
    def _modules(self) -> dict[str, int]:
        links = self.links(self.context + at.CONTEXT_MODULES)
        return {
            self.name(self.word(link - at.MODULE_LINK)): link - at.MODULE_LINK + at.MODULE_EXPORTS for link in links
        }

    def entries(self, collection: Value) -> Iterator[tuple[Value, Value]]:
        """Yield keys and values of a Map, or of a Set, whose values are undefined."""
        state = self.word((collection & 0xFFFFFFFF) + at.OBJECT_DATA)
        for link in self.links(state + at.MAP_RECORDS):
            record = link - at.RECORD_LINK
            if not self.byte(record + at.RECORD_EMPTY):
                yield self.value(record + at.RECORD_KEY), self.value(record + at.RECORD_VALUE)

    def size(self, collection: Value) -> int:
        """Return how many entries a Map or Set has."""
        return self.word(self.word((collection & 0xFFFFFFFF) + at.OBJECT_DATA) + at.MAP_COUNT)

    def items(self, array: Value) -> tuple[int, int] | None:
        """Return where the items of an array lie and how many there are, None of an array that is kept as an object."""
        place = array & 0xFFFFFFFF
        if not self.byte(place + at.OBJECT_FLAGS) & at.FLAG_FAST_ARRAY:
            return None
        return self.word(place + at.ARRAY_VALUES), self.word(place + at.ARRAY_COUNT)


def read_or(default: T, read: Callable[[], T]) -> T:
    """Return what is read, or something else where the heap is not as it should be."""
    try:
        return read()
    except HeapError:
        return default


def flat(text: str) -> str:
    """Return a text on one line."""
    return text.translate(_BREAKS)


def tag_of(value: Value) -> int:
    """Return the tag of a value, that of floats for every number that is no integer."""
    tag = value >> 32
    if tag >= 0x80000000:
        tag -= 0x100000000
    return tag if at.TAG_FIRST <= tag < at.TAG_FLOAT else at.TAG_FLOAT


def pointed(value: Value) -> int:
    """Return the address of what a value points to."""
    return value & 0xFFFFFFFF


def integer(value: Value) -> int:
    """Return the integer in a value."""
    low = value & 0xFFFFFFFF
    return low - 0x100000000 if low & 0x80000000 else low


def float_of(value: Value) -> float:
    """Return the number in a value that is no integer."""
    found: float = struct.unpack("<d", struct.pack("<Q", (value + at.FLOAT_ADDEND) & 0xFFFFFFFFFFFFFFFF))[0]
    return found


def file_of(heap: Heap, code: int) -> str:
    """Return the name of the module that a function is from."""
    return heap.name(heap.word(code + at.CODE_FILE))


def is_ours(file: str) -> bool:
    """Whether a module is one of the guest's own."""
    return file == "workflow" or file.startswith("torpor:")
