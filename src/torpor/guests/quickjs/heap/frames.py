"""A call that waits, as people are shown it: function, place in the author's file, variables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from torpor.guests.quickjs.heap import layout as at
from torpor.guests.quickjs.heap.places import place_of
from torpor.guests.quickjs.heap.reader import Heap, Value, file_of, read_or, tag_of
from torpor.guests.quickjs.heap.rendering import UNKNOWN, brief, function_name, shown
from torpor.guests.quickjs.heap.scopes import Outlook, Standing, line_of, outlook
from torpor.guests.quickjs.heap.waiting import Waiting
from torpor.vm.guest import Frame, Program, Variable

VARIABLES_MAX: Final = 50
"""Variables shown of one frame."""

SOURCE_CHARS_MAX: Final = 200
"""Of the line that is shown, which minified programs make long."""

_LABEL_CHARS: Final = 16
_LABEL_ARGUMENTS: Final = 3
_VARIABLES_READ: Final = 1_000


def frame_of(heap: Heap, call: Waiting, program: Program, *, is_running: bool = False) -> Frame:
    """Return a call as it is shown; what cannot be read of it is called unknown."""
    file = read_or(UNKNOWN, lambda: file_of(heap, call.code))
    text = program.files.get(file, "")
    line, column, is_loop = read_or((0, 0, False), lambda: _place(heap, call))
    stands: Standing = "running" if is_running else "loop" if is_loop else "await"
    seen = outlook(text, line, column, stands) if line and text else None
    if seen is not None:
        line, column = seen.line, seen.column
    source = _around(line_of(text, line), column)
    lines = program.line_maps.get(file)
    if lines is not None:  # of version 0.1.0, whose lines had moved
        line, column = (lines[line - 1] if 0 < line <= len(lines) else line), 0
    return Frame(_name(heap, call), file, line, source, _shown_variables(heap, call, seen), column)


def names_in(heap: Heap, call: Waiting, program: Program) -> dict[str, Value]:
    """
    Return what code in a call's place could name: variables, and what the function uses of its module.

    Raises:
        HeapError: it cannot be read.
    """
    text = program.files.get(file_of(heap, call.code), "")
    line, column, is_loop = _place(heap, call)
    seen = outlook(text, line, column, "loop" if is_loop else "await") if text else None
    around = {name: value for name, _, value in heap.captured(call.function) if is_told(name)}
    found = {**around, **dict(_variables(heap, call, seen))}
    return {
        name: value
        for name, value in found.items()
        if name != "this" and tag_of(value) not in (at.TAG_UNINITIALIZED, at.TAG_UNDEFINED)
    }


def label_of(heap: Heap, call: Waiting) -> str:
    """Return the name of a call's function and the beginning of its arguments, by which people tell calls apart."""
    return f"{_name(heap, call)}({read_or(UNKNOWN, lambda: _told_arguments(heap, call))})"


def _told_arguments(heap: Heap, call: Waiting) -> str:
    count = heap.half(call.code + at.CODE_ARGUMENT_COUNT)
    start = heap.word(call.frame + at.FRAME_ARGUMENTS)
    told = [brief(heap, heap.value(start + 8 * number), _LABEL_CHARS) for number in range(min(count, _LABEL_ARGUMENTS))]
    return ", ".join([*told, "…"] if count > _LABEL_ARGUMENTS else told)


def _name(heap: Heap, call: Waiting) -> str:
    return read_or(UNKNOWN, lambda: function_name(heap, call.function) or "<anonymous>")


def _place(heap: Heap, call: Waiting) -> tuple[int, int, bool]:
    """Return line and column of where a call waits, and whether that is the head of a ``for await``."""
    counter = heap.word(call.frame + at.FRAME_AT)
    return *place_of(heap, call.code, counter), heap.byte(counter) == at.OP_NEXT_OF_FOR_AWAIT


def _shown_variables(heap: Heap, call: Waiting, seen: Outlook | None) -> list[Variable]:
    unknown: list[tuple[str, Value]] = []
    found = read_or(unknown, lambda: _variables(heap, call, seen))
    if found is unknown:
        return [Variable("…", UNKNOWN)]
    told = [Variable(name, shown(heap, value)) for name, value in found[:VARIABLES_MAX]]
    more = [Variable("…", f"{len(found) - VARIABLES_MAX} more")] if len(found) > VARIABLES_MAX else []
    return told + more


def _around(source: str, column: int) -> str:
    """Return a line, or of a long one what stands around a column."""
    line = source.strip()
    if len(line) <= SOURCE_CHARS_MAX:
        return line
    first = max(0, column - 1 - SOURCE_CHARS_MAX // 2)
    cut = source[first : first + SOURCE_CHARS_MAX].strip()
    return f"{'…' if first else ''}{cut}{'…' if first + SOURCE_CHARS_MAX < len(source) else ''}"


def _variables(heap: Heap, call: Waiting, seen: Outlook | None) -> list[tuple[str, Value]]:
    """Return what a call holds: this, arguments, variables, and those of enclosing functions that it refers to."""
    found: dict[str, Value] = {}
    if call.this and tag_of(this := heap.value(call.this)) == at.TAG_OBJECT:
        found["this"] = this
    visible = seen.visible if seen is not None else {}
    declared: dict[str, list[Value]] = {}
    for name, value in _kept(heap, call):
        declared.setdefault(name, []).append(value)
    for name, values in declared.items():
        meant = _meant(values, visible.get(name, []))
        if meant and name != "this":
            found[name] = meant[-1]
    for name, kind, value in heap.captured(call.function):
        is_outer = kind in (at.CLOSURE_LOCAL, at.CLOSURE_ARGUMENT) or (seen is not None and name in seen.outer)
        if is_outer and is_told(name) and tag_of(value) not in (at.TAG_UNINITIALIZED, at.TAG_UNDEFINED):
            found.setdefault(name, value)
    return list(found.items())


def _meant(values: list[Value], meant: list[bool]) -> list[Value]:
    """Return which of the variables with one name is meant, if the text tells, and has come to have a value."""
    if meant and not any(meant):
        return []
    if len(meant) != len(values):
        meant = [True] * len(values)
    return [
        value
        for value, is_meant in zip(values, meant, strict=True)
        if is_meant and tag_of(value) != at.TAG_UNINITIALIZED
    ]


def _kept(heap: Heap, call: Waiting) -> Iterator[tuple[str, Value]]:
    """Yield the arguments and variables of a call, in scope or not, in the order in which they are declared."""
    frame, code = call.frame, call.code
    arguments, variables = heap.half(code + at.CODE_ARGUMENT_COUNT), heap.half(code + at.CODE_VARIABLE_COUNT)
    places = (heap.word(frame + at.FRAME_ARGUMENTS), heap.word(frame + at.FRAME_VARIABLES))
    entry = heap.word(code + at.CODE_VARIABLES)
    for number in range(min(arguments + variables, _VARIABLES_READ)):
        name, kind = heap.name(heap.word(entry)), heap.byte(entry + at.VARIABLE_KIND) >> at.VARIABLE_KIND_SHIFT
        entry += at.VARIABLE_BYTES
        is_argument = number < arguments
        if is_told(name) and (kind < at.VARIABLE_FUNCTION_NAME or kind == at.VARIABLE_USING):
            yield name, heap.value(places[not is_argument] + 8 * (number if is_argument else number - arguments))


def is_told(name: str) -> bool:
    """Whether a variable is one of the author's, not one that the engine has for itself."""
    return bool(name) and name[0] not in "<#" and "." not in name
