"""
Values of JavaScript as short text, read from memory: no getter, proxy or ``toString`` of a program is asked.

What is long, deep or broad is cut; what cannot be read is called unknown, and the rest is shown.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.classes import CODED, Class
from torpor.guests.quickjs.heap.reader import (
    Heap,
    HeapError,
    Property,
    Value,
    file_of,
    flat,
    float_of,
    integer,
    is_ours,
    pointed,
    tag_of,
)

UNKNOWN: Final = "<unknown>"
"""What is shown of a value that cannot be read."""

DEPTH_MAX: Final = 4
ITEMS_MAX: Final = 12
STRING_CHARS_MAX: Final = 200
TEXT_CHARS_MAX: Final = 2_000
"""Of one value, beyond which what it holds is left out."""

_LIMBS_MAX: Final = 64
_PROPERTIES_LOOKED_AT: Final = 2_000
_PROTOTYPES_MAX: Final = 20
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBERS: Final = {
    Class.UINT8C_ARRAY: "B",
    Class.INT8_ARRAY: "b",
    Class.UINT8_ARRAY: "B",
    Class.INT16_ARRAY: "h",
    Class.UINT16_ARRAY: "H",
    Class.INT32_ARRAY: "i",
    Class.UINT32_ARRAY: "I",
    Class.BIG_INT64_ARRAY: "q",
    Class.BIG_UINT64_ARRAY: "Q",
    Class.FLOAT16_ARRAY: "e",
    Class.FLOAT32_ARRAY: "f",
    Class.FLOAT64_ARRAY: "d",
}
_REGEXP_FLAGS: Final = ((64, "d"), (1, "g"), (2, "i"), (4, "m"), (8, "s"), (16, "u"), (256, "v"), (32, "y"))
_PLAIN: Final = {at.TAG_NULL: "null", at.TAG_UNDEFINED: "undefined", at.TAG_UNINITIALIZED: "<empty>"}
_PROMISES: Final = ("pending", "", "rejected: ")


def shown(heap: Heap, value: Value) -> str:
    """Return a value as its author would write it, shortened."""
    return _Rendering(heap).show(value, ())


def brief(heap: Heap, value: Value, chars: int) -> str:
    """Return a primitive value in few characters, and of any other nothing but a mark."""
    if tag_of(value) == at.TAG_OBJECT:
        return "…"
    text = shown(heap, value)
    return text if len(text) <= chars else f"{text[:chars]}…"


def number_text(number: float) -> str:
    """Return a number as JavaScript writes it."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    if number == int(number) and abs(number) < 1e21:
        return "-0" if number == 0 and math.copysign(1, number) < 0 else str(int(number))
    text = repr(number)
    mantissa, _, exponent = text.partition("e")
    if not exponent:
        return text
    power = int(exponent)
    if -7 < power < 0:  # JavaScript begins to write powers later
        return f"{number:.{len(mantissa.replace('-', '').replace('.', '')) - 1 - power}f}"
    return f"{mantissa}e{power:+d}"


class _Rendering:
    """One value being shown, and how much room there is left."""

    def __init__(self, heap: Heap) -> None:
        self._heap = heap
        self._room = TEXT_CHARS_MAX

    def show(self, value: Value, parents: tuple[int, ...]) -> str:
        try:
            text = self._any(value, parents)
        except (HeapError, UnicodeError, ValueError, OverflowError):
            text = UNKNOWN
        self._room -= len(text) if tag_of(value) != at.TAG_OBJECT else 2
        return text

    def _any(self, value: Value, parents: tuple[int, ...]) -> str:
        tag = tag_of(value)
        if tag == at.TAG_OBJECT:
            return self._object(value, parents)
        if tag in (at.TAG_STRING, at.TAG_ROPE):
            return self._quoted(value)
        if tag == at.TAG_BIG_INT:
            return self._big_integer(pointed(value))
        if tag == at.TAG_SYMBOL:
            return f"Symbol({flat(self._heap.text(pointed(value), STRING_CHARS_MAX)[0])})"
        return _plain(tag, value)

    def _quoted(self, value: Value) -> str:
        text, length = self._heap.string(value, STRING_CHARS_MAX)
        quoted = json.dumps(text, ensure_ascii=False)
        return quoted if length <= STRING_CHARS_MAX else f"{quoted}… {length - STRING_CHARS_MAX} more characters"

    def _big_integer(self, place: int) -> str:
        limbs = self._heap.word(place)
        if limbs > _LIMBS_MAX:
            return f"[BigInt of {32 * limbs} bits]"
        return f"{int.from_bytes(self._heap.data(place + 4, 4 * limbs), 'little', signed=True)}n"

    def _object(self, value: Value, parents: tuple[int, ...]) -> str:
        heap, place = self._heap, pointed(value)
        if place in parents:
            return "[Circular]"
        number = heap.class_of(value)
        if number in CODED or number in _FUNCTIONS:
            return self._function(value)
        told = self._told(number, place)
        if told is not None:
            return told
        if len(parents) >= DEPTH_MAX or self._room <= 0:
            return f"[{self._class(place) or 'Object'}]"
        return self._whole(value, number, (*parents, place))

    def _told(self, number: int, place: int) -> str | None:
        """Return the text of an object that holds no others."""
        heap = self._heap
        data = place + at.OBJECT_DATA
        if number == Class.DATE:
            return _date(heap.value(data))
        if number in (Class.ERROR, Class.DOM_EXCEPTION):
            return self._error(place)
        if number == Class.REGEXP:
            pattern = heap.text(heap.word(data), STRING_CHARS_MAX)[0]
            (flags,) = struct.unpack("<H", heap.data(heap.units(heap.word(data + 4)), 2))
            return f"/{pattern}/{''.join(letter for bit, letter in _REGEXP_FLAGS if flags & bit)}"
        if number in (Class.ARRAY_BUFFER, Class.SHARED_ARRAY_BUFFER):
            return f"{heap.class_name(number)} {{ byteLength: {heap.word(heap.word(data) + at.BUFFER_LENGTH)} }}"
        if number == Class.DATA_VIEW:
            return f"DataView {{ byteLength: {heap.word(heap.word(data) + at.VIEW_LENGTH)} }}"
        return None

    def _whole(self, value: Value, number: int, parents: tuple[int, ...]) -> str:
        """Return the text of an object that may hold others."""
        heap, place = self._heap, pointed(value)
        data = place + at.OBJECT_DATA

        def each(held: Value) -> str:
            return self.show(held, parents)

        if number == Class.PROXY:
            return f"[Proxy of {each(heap.value(heap.word(data) + at.PROXY_TARGET))}]"
        if number in (Class.NUMBER, Class.STRING, Class.BOOLEAN, Class.SYMBOL, Class.BIG_INT):
            return f"[{heap.class_name(number)}: {each(heap.value(data))}]"
        if number == Class.PROMISE:
            promise = heap.word(data)
            state = heap.word(promise + at.PROMISE_STATE)
            result = each(heap.value(promise + at.PROMISE_RESULT)) if 0 < state < len(_PROMISES) else ""
            return f"Promise {{ {_PROMISES[min(state, len(_PROMISES) - 1)]}{result} }}"
        if number in (Class.ARRAY, Class.ARGUMENTS):
            return self._array(value, number, each)
        if number in _NUMBERS:
            label = f"{heap.class_name(number)}({heap.word(place + at.ARRAY_COUNT)}) "
            return _enclosed(f"{label}[", self._numbers(place, _NUMBERS[Class(number)]), "]")
        if number == Class.MAP:
            pairs = (f"{each(key)} => {each(item)}" for key, item in heap.entries(value))
            return _enclosed(f"{self._label(place, 'Map', heap.size(value))}{{", _first(pairs, heap.size(value)), "}")
        if number == Class.SET:
            keys = (each(key) for key, _ in heap.entries(value))
            return _enclosed(f"{self._label(place, 'Set', heap.size(value))}{{", _first(keys, heap.size(value)), "}")
        name = self._class(place)
        if number != Class.OBJECT and name in ("", "Object"):
            name = heap.class_name(number)
        label = "" if name == "Object" else f"{name or '[Object: null prototype]'} "
        return _enclosed(f"{label}{{", self._properties(place, each), "}")

    def _label(self, place: int, usual: str, size: int) -> str:
        return f"{self._class(place) or usual}({size}) "

    def _array(self, value: Value, number: int, each: Callable[[Value], str]) -> str:
        heap, place = self._heap, pointed(value)
        name = "[Arguments]" if number == Class.ARGUMENTS else self._class(place)
        label = "" if name == "Array" else f"{name} "
        found = heap.items(value)
        if found is None:
            return _enclosed(f"{label}[", self._properties(place, each), "]")
        start, count = found
        items = (each(heap.value(start + 8 * index)) for index in range(count))
        extra = [] if count > ITEMS_MAX else self._properties(place, each)
        return _enclosed(f"{label}[", [*_first(items, count), *extra], "]")

    def _numbers(self, place: int, code: str) -> list[str]:
        heap, count = self._heap, self._heap.word(place + at.ARRAY_COUNT)
        size = struct.calcsize(code)
        data = heap.data(heap.word(place + at.ARRAY_VALUES), size * min(count, ITEMS_MAX))
        suffix = "n" if code in "qQ" else ""
        return _first(
            (
                f"{number_text(each)}{suffix}" if code in "efd" else f"{each}{suffix}"
                for (each,) in struct.iter_unpack(f"<{code}", data)
            ),
            count,
        )

    def _properties(self, place: int, each: Callable[[Value], str]) -> list[str]:
        heap, hides = self._heap, self._is_of_ours(place)
        found = [
            one
            for one in islice(heap.properties(place), _PROPERTIES_LOOKED_AT)
            if one.flags & at.PROPERTY_ENUMERABLE
            and not (heap.is_private(one.atom) and (hides or "<" in heap.name(one.atom)))
        ]
        more = max(0, heap.property_count(place) - _PROPERTIES_LOOKED_AT)
        return _first((f"{self._key(one.atom)}: {self._held(one, each)}" for one in found), len(found) + more)

    def _held(self, one: Property, each: Callable[[Value], str]) -> str:
        kind = one.flags & at.PROPERTY_KIND
        if kind == at.PROPERTY_ACCESSOR:
            return "[Getter]" if self._heap.word(one.place) else "[Setter]"
        return each(self._heap.held(one)) if kind in (at.PROPERTY_VALUE, at.PROPERTY_REFERENCE) else "[not made yet]"

    def _key(self, atom: int) -> str:
        heap, name = self._heap, self._heap.name(atom)
        if heap.is_private(atom):
            return name
        if heap.is_symbol(atom):
            return f"[Symbol({name})]"
        return name if name.isidentifier() or name.isdecimal() or "$" in name else json.dumps(name, ensure_ascii=False)

    def _function(self, value: Value) -> str:
        heap, place = self._heap, pointed(value)
        step = heap.own(place, "stepId")
        if step is not None and tag_of(step) == at.TAG_STRING:
            return f"[Step: {heap.string(step, STRING_CHARS_MAX)[0]}]"
        prototype = next((one for one in islice(heap.properties(place), 8) if heap.name(one.atom) == "prototype"), None)
        is_class = prototype is not None and not prototype.flags & 2 and heap.class_of(value) in CODED
        return f"[{'class' if is_class else 'Function:'} {function_name(heap, value) or '(anonymous)'}]"

    def _error(self, place: int) -> str:
        name, message = self._inherited(place, "name"), self._inherited(place, "message")
        told = f"{name or 'Error'}: {message}" if message else name or "Error"
        return f"[{flat(told)}]"

    def _inherited(self, place: int, key: str) -> str:
        """Return the text of a plain property of an object or of those that it is made after."""
        for _ in range(_PROTOTYPES_MAX):
            found = self._heap.own(place, key)
            if found is not None and tag_of(found) in (at.TAG_STRING, at.TAG_ROPE):
                return self._heap.string(found, STRING_CHARS_MAX)[0]
            place = self._heap.prototype(place)
            if not place:
                break
        return ""

    def _class(self, place: int) -> str:
        """Return the name of the class of an object, ``""`` of one that is made after nothing."""
        made_by = self._made_by(place)
        if made_by:
            return function_name(self._heap, made_by)
        return "Object" if self._heap.prototype(place) else ""

    def _is_of_ours(self, place: int) -> bool:
        """Whether an object is of a class of the guest's own modules."""
        code = self._heap.code_of(self._made_by(place))
        return bool(code) and is_ours(file_of(self._heap, code))

    def _made_by(self, place: int) -> Value:
        """Return the function by which an object was made, as those tell that it is made after; 0 for none."""
        return next(iter(makers_of(self._heap, place)), 0)


_FUNCTIONS: Final = frozenset(
    (
        Class.NATIVE_FUNCTION,
        Class.NATIVE_CLOSURE,
        Class.BOUND_FUNCTION,
        Class.RESOLVE,
        Class.REJECT,
        Class.ASYNC_RESOLVE,
        Class.ASYNC_REJECT,
    )
)


def makers_of(heap: Heap, place: int) -> list[Value]:
    """Return the functions by which an object was made, as those tell that it is made after, its own class first."""
    found: list[Value] = []
    for _ in range(_PROTOTYPES_MAX):
        place = heap.prototype(place)
        if not place:
            break
        made_by = heap.own(place, "constructor")
        if made_by is not None and tag_of(made_by) == at.TAG_OBJECT:
            found.append(made_by)
    return found


def function_name(heap: Heap, function: Value) -> str:
    """Return the name of a function, ``""`` of one that has none."""
    name = heap.own(pointed(function), "name")
    if name is not None and tag_of(name) == at.TAG_STRING:
        return flat(heap.string(name, STRING_CHARS_MAX)[0])
    code = heap.code_of(function)
    return heap.name(heap.word(code + at.CODE_NAME)) if code else ""


def _plain(tag: int, value: Value) -> str:
    """Return the text of a value that is in itself all that there is to it."""
    if tag == at.TAG_FLOAT:
        return number_text(float_of(value))
    if tag == at.TAG_INT:
        return str(integer(value))
    if tag == at.TAG_BOOL:
        return "true" if value & 1 else "false"
    return f"{integer(value)}n" if tag == at.TAG_SHORT_BIG_INT else _PLAIN.get(tag, UNKNOWN)


def _date(value: Value) -> str:
    number = float_of(value) if tag_of(value) == at.TAG_FLOAT else integer(value)
    if math.isnan(number):
        return "Invalid Date"
    try:
        return f"{(_EPOCH + timedelta(milliseconds=number)).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"
    except OverflowError:
        return f"[Date: {number_text(number)}]"


def _first(texts: Iterable[str], count: int) -> list[str]:
    """Return the first of some texts, and how many there are more."""
    kept = list(islice(texts, ITEMS_MAX))
    return kept if count <= len(kept) else [*kept, f"… {count - len(kept)} more"]


def _enclosed(opening: str, items: Iterator[str] | list[str], closing: str) -> str:
    text = ", ".join(items)
    return f"{opening} {text} {closing}" if text else opening + closing
