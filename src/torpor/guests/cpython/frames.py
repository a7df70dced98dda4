"""
Where a guest was when it was ended: its Python frames, read from its memory.

CPython tells debuggers how its structures lie in memory, in a table at the beginning of its runtime state, found by a
word that nothing else has. Only the version that the table was written for is read, and what does not look as it should
ends the reading: a guest may have written anything anywhere.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from torpor.limits import MIB

FRAMES_MAX: Final = 2_000
"""Frames that are read; Python's own recursion ends earlier."""

SHOWN_FIRST, SHOWN_LAST = 5, 15
"""Frames that are shown of many."""

_HIDDEN: Final = ("<torpor>/", "<frozen importlib")
_COOKIE: Final = b"xdebugpy"
_VERSION: Final = 0x030F
_SEARCHED: Final = 48 * MIB
_TEXT_MAX: Final = 1_000
_TABLE_MAX: Final = 1_000_000
_OF_THE_INTERPRETER: Final = 3
"""The owner of frames that are no function's, and above."""

Read = Callable[[int, int], bytes]


class Frame(NamedTuple):
    """A function that was being run: its file, line and name."""

    file: str
    line: int
    name: str


class _Layout(NamedTuple):
    """Where members of CPython's structures lie, and the place of each in the table."""

    interpreters: int = 5
    threads: int = 9
    frame: int = 26
    previous: int = 40
    executable: int = 41
    instruction: int = 42
    owner: int = 44
    file: int = 48
    name: int = 49
    lines: int = 51
    first_line: int = 52
    code: int = 56
    bytes_size: int = 87
    bytes_value: int = 88
    text_state: int = 90
    text_length: int = 91
    text_value: int = 92


def frames_of(read: Read, start: int) -> list[Frame]:
    """
    Return the frames of a guest, innermost last; none where they cannot be read.

    Args:
        read: returns bytes of its memory; raises IndexError for what is outside.
        start: where its data begins.
    """
    found: list[Frame] = []
    try:
        for frame in _frames(read, start):
            found.append(frame)
            if len(found) >= FRAMES_MAX:
                break
    except (IndexError, struct.error, UnicodeError, ValueError):  # the guest's memory is the guest's
        pass
    return [frame for frame in reversed(found) if not frame.file.startswith(_HIDDEN)]


def traceback_of(frames: list[Frame], sources: Mapping[str, str], last: str) -> str:
    """Return frames as a traceback, with the lines of sources, and a last line."""
    return "\n".join(("Traceback (most recent call last):", *lines_of(frames, sources), last))


def lines_of(frames: list[Frame], sources: Mapping[str, str]) -> list[str]:
    """Return what a traceback tells of frames, from the first one of a source on, with the lines of sources."""
    frames = frames[next((number for number, frame in enumerate(frames) if frame.file in sources), 0) :]
    shown: list[str] = []
    for number, frame in enumerate(frames):
        if number == SHOWN_FIRST and len(frames) > SHOWN_FIRST + SHOWN_LAST:
            shown.append(f"  … {len(frames) - SHOWN_FIRST - SHOWN_LAST} more")
        if SHOWN_FIRST <= number < len(frames) - SHOWN_LAST:
            continue
        shown.append(f'  File "{frame.file}", line {frame.line}, in {frame.name}')
        lines = sources.get(frame.file, "").split("\n")
        if 0 < frame.line <= len(lines) and (text := lines[frame.line - 1].strip()):
            shown.append(f"    {text}")
    return shown


def thread_of(read: Read, start: int) -> tuple[int, _Layout]:
    """
    Return the address of the guest's thread state, and how its structures lie in memory.

    Raises:
        ValueError: this is no CPython that tells, or of another version.
    """
    runtime = _runtime(read, start)
    table = struct.unpack(f"<{max(_Layout()) + 1}Q", read(runtime, 8 * (max(_Layout()) + 1)))
    if table[1] >> 16 != _VERSION:
        raise ValueError("this is a CPython of another version")
    at = _Layout(*(int(table[place]) for place in _Layout()))
    return _pointer(read, _pointer(read, runtime + at.interpreters) + at.threads), at


def _frames(read: Read, start: int) -> Iterator[Frame]:
    """Yield the frames, innermost first."""
    thread, at = thread_of(read, start)
    frame = _pointer(read, thread + at.frame)
    while frame:
        (owner,) = read(frame + at.owner, 1)
        if owner < _OF_THE_INTERPRETER:
            code = _pointer(read, frame + at.executable) & ~3  # the low bits are about who holds it
            offset = (_pointer(read, frame + at.instruction) - code - at.code) // 2
            (first,) = struct.unpack("<i", read(code + at.first_line, 4))
            line = _line(_bytes(read, _pointer(read, code + at.lines), at), first, offset)
            file, name = (_text(read, _pointer(read, code + member), at) for member in (at.file, at.name))
            yield Frame(file, line, name)
        frame = _pointer(read, frame + at.previous)


def _runtime(read: Read, start: int) -> int:
    """Return the address of the runtime state; it lies before all that guest code may write."""
    for at in range(start, start + _SEARCHED, MIB):
        found = read(at, MIB + len(_COOKIE)).find(_COOKIE)
        if found >= 0:
            return at + found
    raise ValueError("this is no CPython that tells")


def _pointer(read: Read, at: int) -> int:
    found: int = struct.unpack("<I", read(at, 4))[0]
    return found


def _bytes(read: Read, at: int, layout: _Layout) -> bytes:
    return read(at + layout.bytes_value, min(_pointer(read, at + layout.bytes_size), _TABLE_MAX))


def _text(read: Read, at: int, layout: _Layout) -> str:
    state, length = read(at + layout.text_state, 1)[0], min(_pointer(read, at + layout.text_length), _TEXT_MAX)
    kind, is_ascii = state >> 2 & 7, bool(state & 0x40)
    # A text with other characters also has its UTF-8 and the length of that.
    data = read(at + layout.text_value + (0 if is_ascii else 8), length * kind)
    return data.decode({1: "latin-1", 2: "utf-16-le", 4: "utf-32-le"}[kind], "replace")


def _line(table: bytes, line: int, offset: int) -> int:
    """Return the line of the code unit at *offset* by a code object's table of locations."""
    at = unit = 0
    while at < len(table):
        kind, units = table[at] >> 3 & 15, (table[at] & 7) + 1
        at += 1
        if kind in (13, 14):
            delta, at = _signed(table, at)
            line += delta
        elif 10 <= kind <= 12:
            line += kind - 10
        if unit <= offset < unit + units:
            return line
        unit += units
        while at < len(table) and not table[at] & 0x80:
            at += 1
    return line


def _signed(table: bytes, at: int) -> tuple[int, int]:
    """Return the number at *at* of a table, and where it ends."""
    value = shift = 0
    while True:
        byte = table[at]
        at += 1
        value |= (byte & 0x3F) << shift
        shift += 6
        if not byte & 0x40:
            return (-(value >> 1) if value & 1 else value >> 1), at
