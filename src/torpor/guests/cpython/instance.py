"""One CPython instance: how it is linked and driven."""

from __future__ import annotations

import ctypes
import struct
from dataclasses import dataclass
from typing import Any

import wasmtime

from torpor.errors import GuestTrapError, OutputLimitError
from torpor.guests.cpython.c_stack import limits, limits_at
from torpor.guests.cpython.manifest import PythonManifest
from torpor.guests.cpython.wasi import PythonWasi
from torpor.vm.bindings import LinearMemory
from torpor.vm.engine import Engine
from torpor.vm.host_functions import HostLinker
from torpor.vm.instance import Instance, running
from torpor.vm.limits import REQUEST_BYTES_MAX, Limits
from torpor.vm.pages import Backend, text_at
from torpor.vm.wasi import define_wasi

LOAD, BEGIN, DELIVER, STACK, EVALUATE = b"L", b"B", b"D", b"S", b"E"
"""What the host's message asks for: its first byte."""

_NAMES = {LOAD: "load", BEGIN: "begin", DELIVER: "deliver", STACK: "stack", EVALUATE: "evaluate"}

# Cells of driver.wat, offsets in the scratch memory.
_CLOCK, _TEXT_AT, _MESSAGE_BYTES, _ANSWER_BYTES, _ANSWER_BYTES_MAX, _TOO_LONG, _REPLY_AT = (
    0, 8, 12, 16, 20, 24, 28,
)  # fmt: skip

_HOST_CALL = ("host", "call")
"""What CPython imports to talk to its host."""

_ANSWER = ("python", "answer")
"""What driver.wat imports to have a request answered that it does not know."""

_GIVES_UP = b"Unrecoverable stack overflow"
"""What CPython prints before it traps, when its own limit was passed and it went on until little stack was left."""

_SEED_BYTES = 32
_NO_ANSWER = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Build:
    """
    The compiled guest: everything that its instances share.

    Attributes:
        engine: compiles and ticks.
        manifest: what it was made from.
        main: CPython.
        library: the zip of the standard library.
        linker: defines what CPython imports, for any store.
    """

    engine: Engine
    manifest: PythonManifest
    main: wasmtime.Module
    library: memoryview
    linker: HostLinker


def make_build(engine: Engine, manifest: PythonManifest, main: wasmtime.Module, library: memoryview) -> Build:
    """Return the parts together with the host functions that CPython imports."""
    linker = HostLinker(engine.wasmtime)
    define_wasi(linker, main, lambda: running().wasi, PythonWasi)
    kind = wasmtime.FuncType([wasmtime.ValType.i32()] * 2, [wasmtime.ValType.i32()])
    linker.define_host(*_ANSWER, kind, lambda at, size: running().answer(at, size))
    return Build(engine, manifest, main, library, linker)


class CPythonInstance(Instance):
    """
    An instance, linked but not booted, whose state comes from an image.

    Args:
        build: what it is made of.
        limits: its bounds.
        backend: how its memory is kept.
        turn: address of the guest's function that takes the host's messages.
    """

    wasi: PythonWasi

    def __init__(self, build: Build, limits: Limits, backend: Backend, turn: int) -> None:
        self._build, self._turn = build, turn
        self._limits_at: int | None = None  # yet to be looked for; 0 where it is not known
        super().__init__(build.engine, limits, backend)
        self._text_at = text_at(limits.memory_bytes)
        (self._call,) = self._calls(self._instantiate("cpython-driver", build.manifest.driver), "call")
        self._cell(_TEXT_AT, self._text_at)
        self._cell(_ANSWER_BYTES_MAX, limits.output_bytes)
        self.wasi.clock_ms = ctypes.c_int64.from_address(self.scratch.address + _CLOCK)
        self.wasi.reset()

    @property
    def dead_bytes(self) -> int:
        return self._build.manifest.stack_bytes

    def exchange(self, function: bytes, body: bytes) -> bytes:
        """
        Have the guest do something and return its answer.

        Args:
            function: :data:`LOAD`, :data:`BEGIN`, :data:`DELIVER`, :data:`STACK` or :data:`EVALUATE`.
            body: what it takes, UTF-8.

        Raises:
            VmError: trap, limit, or an exception that the guest's own code let out.
        """
        message = function + body
        self.put(message)
        try:
            failed = self.run(self._call, self._turn)
        finally:
            self.wasi.close_files()
        answer = self._cell(_ANSWER_BYTES)
        if self._cell(_TOO_LONG):
            raise self.too_much(function)
        if failed or answer == _NO_ANSWER:
            self.broken = True
            said = self.wasi.printed.decode("utf-8", "replace").strip() or "it gave no answer"
            raise GuestTrapError(f"the guest's {_NAMES[function]} failed: {said}")
        return self.scratch.read(self._text_at, answer)

    def too_much(self, function: bytes) -> OutputLimitError:
        """Return the error of a guest that answers with more than its limit; the instance is broken from now on."""
        self.broken = True
        return OutputLimitError(
            f"what the guest asked for or returned in one {_NAMES[function]} has more than"
            f" {self.limits.output_bytes} bytes; keep large data in steps and pass references to it"
        )

    def put(self, message: bytes) -> None:
        """Lay a message in the scratch memory, where the guest's request ``I`` finds it."""
        self.scratch_room(len(message))
        self.scratch.write(self._text_at, message)
        self._cell(_MESSAGE_BYTES, len(message))

    def answer(self, at: int, size: int) -> int:
        """
        Answer a request that the driver does not know.

        Put the reply into the scratch memory, behind message and answer; return its length, -1 for "no such request".
        """
        reply = self._reply(self.memory.read(at, size)) if size <= REQUEST_BYTES_MAX else None
        if reply is None:
            return -1
        answered = self._cell(_ANSWER_BYTES)
        taken = max(self._cell(_MESSAGE_BYTES), 0 if answered == _NO_ANSWER else answered)
        self.scratch_room(taken + len(reply))
        self.scratch.write(self._text_at + taken, reply)
        self._cell(_REPLY_AT, self._text_at + taken)
        return len(reply)

    def _reply(self, request: bytes) -> bytes | None:
        match request[:1]:
            case b"P":
                return struct.pack("<II", self.wasi.clock_reads, self.wasi.draws)
            case b"C":
                self.wasi.counting = False
                if len(request) > 1:  # guests of 0.1.0 forgive nothing
                    self._forgive(request[1:])
                return b""
            case b"K":
                self._limit_stack(compiling=request[1:] == b"1")
                return b""
            case b"R":
                return self.wasi.entropy.derive(request[1:].decode("utf-8", "replace"), _SEED_BYTES)
        return None

    def _limit_stack(self, *, compiling: bool) -> None:
        """Let the interpreter have the stack that its compiler needs, or what all else may have."""
        if self._limits_at is None:
            self._limits_at = limits_at(self.memory.read, self.dead_bytes) or 0
        if self._limits_at:
            self.memory.write(self._limits_at, limits(self.dead_bytes, compiling=compiling))

    def _forgive(self, counters: bytes) -> None:
        """Take off what a guest says that libraries did; it does itself no good to lie."""
        reads, draws = struct.unpack("<II", counters[:8].ljust(8, b"\0"))
        self.wasi.clock_reads = max(self.wasi.clock_reads - reads, 0)
        self.wasi.draws = max(self.wasi.draws - draws, 0)

    def _is_out_of_stack(self, problem: Exception) -> bool:
        return super()._is_out_of_stack(problem) or _GIVES_UP in self.wasi.printed

    def _make_wasi(self) -> PythonWasi:
        return PythonWasi(self._build.manifest, self._build.library)

    def _link(self, memories: list[LinearMemory]) -> wasmtime.Instance:
        build = self._build
        host_call = self._instantiate("cpython-host-call", build.manifest.host_call)
        self._linker.define_instance(self.store, "host_call", host_call)
        self._linker.define(self.store, *_ANSWER, build.linker.get(self.store, *_ANSWER))
        call = host_call.exports(self.store)["call"]
        names = [(entry.module, str(entry.name)) for entry in build.main.imports]
        imports = [call if name == _HOST_CALL else build.linker.get(self.store, *name) for name in names]
        main = wasmtime.Instance(self.store, build.main, imports)
        exports: Any = main.exports(self.store)
        self._main, self._exports = main, exports
        return main

    def _cell(self, at: int, value: int | None = None) -> int:
        if value is None:
            found: int = struct.unpack_from("<I", self.scratch.view, at)[0]
            return found
        struct.pack_into("<I", self.scratch.view, at, value)
        return value
