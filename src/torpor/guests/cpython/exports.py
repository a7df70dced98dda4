"""
Exports that a WebAssembly module lacks.

The CPython that we run exports a function that runs source text, and no more. Compiling a text in every turn costs
hundreds of pages of memory, and what it keeps grows. So functions of CPython's C API, which the module names in its
``name`` section, are exported too: the export section is written anew, all else stays as it is. The names, which only
debuggers need, are left out of what is compiled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torpor.errors import ConfigurationError

_CUSTOM, _EXPORT = 0, 7
_FUNCTION, _GLOBAL = 0, 3
_FUNCTION_NAMES = 1
_HEAD_BYTES = 8


def with_exports(wasm: bytes | memoryview, functions: Mapping[str, str], stack_pointer: str) -> bytes:
    """
    Return the module with more exports and without names.

    Args:
        wasm: its binary, as LLVM's linker writes it: the stack pointer is its first global.
        functions: name of a function in the name section → what to export it as.
        stack_pointer: what to export the stack pointer as.

    Raises:
        ConfigurationError: one of the functions is not there.
    """
    view = memoryview(wasm)
    names: memoryview | None = None
    kept: list[tuple[int, memoryview]] = []
    for number, body in _sections(view):
        if number == _CUSTOM:
            size, at = _leb(body, 0)
            if bytes(body[at : at + size]) == b"name":
                names = body[at + size :]
            continue
        kept.append((number, body))
    found = {} if names is None else _indices(names, set(functions))
    if missing := sorted(set(functions) - set(found)):
        raise ConfigurationError(f"this build of CPython for WebAssembly has no {', '.join(missing)}; reinstall it")
    entries = [_entry(exported, _FUNCTION, found[name]) for name, exported in functions.items()]
    entries.append(_entry(stack_pointer, _GLOBAL, 0))
    out: list[bytes | memoryview] = [view[:_HEAD_BYTES]]
    for number, content in kept:
        body = content
        if number == _EXPORT:
            count, at = _leb(body, 0)
            body = memoryview(b"".join([_to_leb(count + len(entries)), body[at:], *entries]))
        out += [bytes([number]), _to_leb(len(body)), body]
    return b"".join(out)


def _sections(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = _HEAD_BYTES
    while at < len(view):
        number = view[at]
        size, at = _leb(view, at + 1)
        yield number, view[at : at + size]
        at += size


def _indices(names: memoryview, wanted: set[str]) -> dict[str, int]:
    """Return the numbers of the wanted functions, by the name section's contents."""
    sought = {name.encode(): name for name in wanted}
    found: dict[str, int] = {}
    at = 0
    while at < len(names):
        kind = names[at]
        size, at = _leb(names, at + 1)
        if kind == _FUNCTION_NAMES:
            count, here = _leb(names, at)
            for _ in range(count):
                index, here = _leb(names, here)
                length, here = _leb(names, here)
                if name := sought.get(bytes(names[here : here + length])):
                    found[name] = index
                here += length
        at += size
    return found


def _entry(name: str, kind: int, index: int) -> bytes:
    text = name.encode()
    return _to_leb(len(text)) + text + bytes([kind]) + _to_leb(index)


def _leb(data: memoryview, at: int) -> tuple[int, int]:
    """Return the unsigned number at *at*, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _to_leb(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
