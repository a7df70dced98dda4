"""The small modules, as text, that stand between quickjs.wasm and its extension libraries; see ``linking.py``."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import wasmtime

from torpor.errors import ConfigurationError
from torpor.vm.wasi import MODULE as WASI

_ALIGNMENT = 16
_WORD_BYTES = 8


@dataclass(frozen=True, slots=True)
class Library:
    """
    An extension library.

    Attributes:
        name: of the extension.
        module: compiled.
        memory_bytes: static memory that it needs.
        table_slots: table space that it needs.
    """

    name: str
    module: wasmtime.Module
    memory_bytes: int
    table_slots: int

    @property
    def init(self) -> str:
        """Its export that puts it into a JavaScript context."""
        return f"qjs_ext_{self.name.replace('-', '_')}_init"

    @property
    def room(self) -> int:
        """Bytes that it takes from an aligned address on: its memory, and a word for a variable that nobody defines."""
        return align(self.memory_bytes) + _WORD_BYTES

    @property
    def malloc_bytes(self) -> int:
        """Bytes to ask of malloc, whose answer need not be aligned."""
        return self.room + _ALIGNMENT


def align(address: int) -> int:
    """Return the next address that static memory may begin at."""
    return -(-address // _ALIGNMENT) * _ALIGNMENT


def got_text(main: wasmtime.Module, libraries: Sequence[Library], bases: Sequence[int]) -> str:
    """
    Return the module that makes room in the function table and provides ``GOT.func`` and ``GOT.mem`` of all libraries.

    It is instantiated with the main module's exports as ``env`` before any library. A function that nobody defines
    traps; a variable that nobody defines gets the word after the static memory of the library that asks for it.

    Args:
        main: quickjs.wasm.
        libraries: in link order.
        bases: address of each one's static memory.
    """
    types = _exports(main)
    functions = sorted({e.name for lib in libraries for e in _imports(lib.module) if e.module == "GOT.func" and e.name})
    variables = {
        e.name: base + align(lib.memory_bytes)
        for lib, base in zip(libraries, bases, strict=True)
        for e in _imports(lib.module)
        if e.module == "GOT.mem"
    }
    first, slots = _table_slots(main), _table_slots(main) + sum(lib.table_slots for lib in libraries)
    lines = ['(import "env" "__indirect_function_table" (table $table 1 funcref))']
    for index, name in enumerate(functions):
        if name in types:
            lines.append(f'(import "env" "{name}" (func $f{index} {_signature(types[name])}))')
    for index, name in enumerate(functions):
        if name not in types:
            lines.append(f"(func $f{index} unreachable)")
        lines.append(f'(global (export "{name}") (mut i32) (i32.const {slots + index}))')
    lines += [f'(global (export "{name}") (mut i32) (i32.const {address}))' for name, address in variables.items()]
    lines.append(f"(elem declare func {' '.join(f'$f{i}' for i in range(len(functions)))})")
    grow = f"(drop (table.grow $table (ref.null func) (i32.const {slots + len(functions) - first})))"
    sets = [f"(table.set $table (i32.const {slots + i}) (ref.func $f{i}))" for i in range(len(functions))]
    lines.append(f"(func $start {grow} {' '.join(sets)}) (start $start)")
    return _module(lines)


def environment_text(main: wasmtime.Module, libraries: Sequence[Library], index: int, base: int) -> str:
    """
    Return the module that provides what a library imports from ``env`` beside the main module's exports.

    Symbols that the library exports itself are forwarded through a table which :func:`forward_text` fills; symbols that
    nobody has trap when they are called.

    Args:
        main: quickjs.wasm.
        libraries: in link order.
        index: which of them.
        base: address of its static memory.
    """
    library = libraries[index]
    own, known = _own(main, library), _exports(main)
    table_base = _table_slots(main) + sum(lib.table_slots for lib in libraries[:index])
    lines = [
        f'(global (export "__memory_base") i32 (i32.const {base}))',
        f'(global (export "__table_base") i32 (i32.const {table_base}))',
        f'(table $own (export "own") {max(len(own), 1)} funcref)',
    ]
    for entry in _imports(library.module):
        if entry.module != "env" or entry.name in known or not isinstance(entry.type, wasmtime.FuncType):
            continue
        signature = _signature(entry.type)
        body = "unreachable"
        if entry.name in own:
            arguments = " ".join(f"(local.get {i})" for i in range(len(entry.type.params)))
            body = f"(call_indirect $own {signature} {arguments} (i32.const {own.index(entry.name)}))"
        lines.append(f'(func (export "{entry.name}") {signature} {body})')
    return _module(lines)


def forward_text(main: wasmtime.Module, library: Library) -> str | None:
    """Return the module that fills a library's forwarding table with its own exports; None when it needs none."""
    own, types = _own(main, library), _exports(library.module)
    if not own:
        return None
    lines = [f'(import "env" "own" (table $own {len(own)} funcref))']
    lines += [f'(import "own" "{name}" (func $f{i} {_signature(types[name])}))' for i, name in enumerate(own)]
    lines.append(f"(elem (table $own) (i32.const 0) func {' '.join(f'$f{i}' for i in range(len(own)))})")
    return _module(lines)


def wasi_text(libraries: Sequence[Library]) -> str:
    """Return the module that hands what the libraries need of WASI on, from the shared linker to an instance's own."""
    needed = {e.name: e.type for lib in libraries for e in _imports(lib.module) if e.module == WASI and e.name}
    imports = [f'(import "{WASI}" "{n}" (func $f{i} {_signature(t)}))' for i, (n, t) in enumerate(needed.items())]
    return _module(imports + [f'(export "{name}" (func $f{i}))' for i, name in enumerate(needed)])


def grow_text(pages: int) -> str:
    """Return the module that makes the main module's memory *pages* pages of 64 KiB large."""
    grow = f"(drop (memory.grow (i32.sub (i32.const {pages}) (memory.size))))"
    return _module(['(import "env" "memory" (memory 1))', f"(func $start {grow}) (start $start)"])


def library_needs(wasm: bytes) -> tuple[int, int]:
    """
    Return how many bytes of memory and how many table slots a shared library needs.

    Raises:
        ConfigurationError: it is no shared library.
    """
    at = 8
    while at < len(wasm):
        kind = wasm[at]
        size, body = _leb128(wasm, at + 1)
        if kind == 0:
            length, name = _leb128(wasm, body)
            if wasm[name : name + length] == b"dylink.0":
                return _memory_info(wasm, name + length, body + size)
        at = body + size
    raise ConfigurationError("an extension of the JavaScript guest is no WebAssembly shared library; reinstall Torpor")


def _memory_info(wasm: bytes, at: int, end: int) -> tuple[int, int]:
    while at < end:
        kind = wasm[at]
        size, at = _leb128(wasm, at + 1)
        if kind == 1:  # WASM_DYLINK_MEM_INFO
            memory, at = _leb128(wasm, at)
            _alignment, at = _leb128(wasm, at)
            table, _ = _leb128(wasm, at)
            return memory, table
        at += size
    return 0, 0


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


@functools.lru_cache(maxsize=16)
def _imports(module: wasmtime.Module) -> list[wasmtime.ImportType]:
    return module.imports


@functools.lru_cache(maxsize=16)
def _exports(module: wasmtime.Module) -> dict[str, object]:
    return {entry.name: entry.type for entry in module.exports}


def _own(main: wasmtime.Module, library: Library) -> list[str]:
    """Functions that a library both imports and exports, and that the main module lacks."""
    exported, known = _exports(library.module), _exports(main)
    names = [entry.name for entry in _imports(library.module) if entry.module == "env" and entry.name]
    return [name for name in names if name in exported and name not in known]


def _table_slots(main: wasmtime.Module) -> int:
    table = _exports(main)["__indirect_function_table"]
    assert isinstance(table, wasmtime.TableType)
    return int(table.limits.min)


def _signature(kind: object) -> str:
    assert isinstance(kind, wasmtime.FuncType)
    params, results = " ".join(map(str, kind.params)), " ".join(map(str, kind.results))
    return (f"(param {params})" if params else "") + (f"(result {results})" if results else "")


def _module(lines: list[str]) -> str:
    return "(module\n" + "\n".join(lines) + ")"
