"""
The slim module: functions that nothing reaches are dropped, the others are numbered anew.

What stays of memory stays where it is; the table keeps its size, so that slots keep their numbers.
Of the names those stay that the host looks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import groupby

from slimming.builtin_modules import third_party_entries
from slimming.dropped_data import dropped_data
from slimming.reach import Reached, reach, started_modules
from slimming.wasm import (
    CODE,
    CUSTOM,
    DATA,
    DATA_COUNT,
    ELEMENT,
    EXPORT,
    FUNCTION,
    HEAD_BYTES,
    IS_FUNCTION,
    FormatError,
    Module,
    read_module,
    to_address,
    to_leb,
)

_FUNCTION_NAMES = 1


def cut(wasm: bytes, exports: Collection[str], wanted: Collection[str], modules: Collection[str]) -> bytes:
    """
    Return a saved interpreter without what it cannot reach.

    Args:
        wasm: the interpreter, with names.
        exports: what stays exported.
        wanted: names of functions that the host exports itself.
        modules: names of the built-in modules that must be left, and no others.

    Raises:
        FormatError: it is not built as expected, or other modules would be left.
    """
    module = read_module(wasm)
    functions = {number for name, (kind, number) in module.exports.items() if kind == IS_FUNCTION and name in exports}
    reached = reach(module, [*wanted, *(module.names[number] for number in sorted(functions))])
    if left := started_modules(module, reached.functions) ^ set(modules):
        raise FormatError(f"these built-in modules should be left and are not, or the other way round: {sorted(left)}")
    return _Writer(module, reached, exports, wanted).written()


class _Writer:
    def __init__(self, module: Module, reached: Reached, exports: Collection[str], wanted: Collection[str]) -> None:
        self._module, self._reached, self._exports, self._wanted = module, reached, exports, wanted
        own = range(module.imports, module.imports + len(module.bodies))
        self._own = [number for number in own if number in reached.functions]
        entries, data = third_party_entries(module, reached.functions), dropped_data(module, reached.functions)
        self._dropped = sorted([*entries, *data], key=lambda each: each.start)
        self._numbers = {number: number for number in range(module.imports)}
        self._numbers |= {number: module.imports + place for place, number in enumerate(self._own)}

    def written(self) -> bytes:
        module = self._module
        anew: Mapping[int, Callable[[], Iterable[bytes]]] = {
            FUNCTION: self._types,
            EXPORT: self._exported,
            ELEMENT: self._elements,
            CODE: self._code,
            DATA: self._data,
        }
        out = [module.data[:HEAD_BYTES]]
        for number, (begin, end) in module.sections:
            if number in anew:
                out.append(_section(number, _vector(anew[number]())))
            elif number == DATA_COUNT:
                out.append(_section(number, to_leb(sum(1 for _ in self._data()))))
            elif number != CUSTOM:
                out.append(_section(number, module.data[begin:end]))
        out.append(_section(CUSTOM, self._names()))
        return b"".join(out)

    def _types(self) -> Iterator[bytes]:
        for number in self._own:
            yield to_leb(self._module.types[number - self._module.imports])

    def _exported(self) -> Iterator[bytes]:
        for name, (kind, number) in self._module.exports.items():
            if name in self._exports:
                yield _text(name) + bytes([kind]) + to_leb(self._numbers[number] if kind == IS_FUNCTION else number)

    def _elements(self) -> Iterator[bytes]:
        """Yield a segment for each row of slots without a gap."""
        for _, row in groupby(enumerate(sorted(self._reached.slots)), lambda pair: pair[1] - pair[0]):
            slots = [slot for _, slot in row]
            filled = (to_leb(self._numbers[self._module.slots[slot]]) for slot in slots)
            yield b"\0" + to_address(slots[0]) + _vector(filled)

    def _code(self) -> Iterator[bytes]:
        for number in self._own:
            body = self._renumbered(number)
            yield _sized(body)

    def _renumbered(self, number: int) -> bytes:
        module = self._module
        at, end = module.bodies[number - module.imports]
        pieces = []
        for mention in module.mentions(number):
            if mention.calls:
                pieces += [module.data[at : mention.span.begin], to_leb(self._numbers[mention.value])]
                at = mention.span.end
        return b"".join([*pieces, module.data[at:end]])

    def _data(self) -> Iterator[bytes]:
        for address, (begin, end) in self._module.segments:
            if address is None:
                yield b"\1" + _sized(self._module.data[begin:end])
                continue
            for part in _without(range(address, address + end - begin), self._dropped):
                place = begin + part.start - address
                yield b"\0" + to_address(part.start) + _sized(self._module.data[place : place + len(part)])

    def _names(self) -> bytes:
        found = {self._numbers[self._module.number_of(name)]: name for name in self._wanted}
        names = _vector(to_leb(number) + _text(found[number]) for number in sorted(found))
        return _text("name") + bytes([_FUNCTION_NAMES]) + _sized(names)


def _section(number: int, contents: bytes) -> bytes:
    return bytes([number]) + _sized(contents)


def _without(whole: range, dropped: Iterable[range]) -> Iterator[range]:
    """Yield what is left of addresses when others, which are in order, are taken out."""
    at = whole.start
    for each in dropped:
        if each.start < whole.stop and each.stop > at:
            if at < each.start:
                yield range(at, each.start)
            at = each.stop
    if at < whole.stop:
        yield range(at, whole.stop)


def _sized(content: bytes) -> bytes:
    return to_leb(len(content)) + content


def _vector(entries: Iterable[bytes]) -> bytes:
    found = list(entries)
    return to_leb(len(found)) + b"".join(found)


def _text(text: str) -> bytes:
    return _sized(text.encode())
