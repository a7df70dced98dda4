"""One QuickJS instance: how it is linked, booted and driven."""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import wasmtime

from torpor.errors import GuestTrapError, MemoryLimitError, OutputLimitError, VmError
from torpor.guests.quickjs.heap.raising import Watch
from torpor.guests.quickjs.heap.reader import Heap, HeapError
from torpor.guests.quickjs.linking import Layout, Plan
from torpor.guests.quickjs.manifest import MAIN, JavaScriptManifest
from torpor.guests.quickjs.modules import ImportRefusedError, ModuleLoader
from torpor.guests.quickjs.shims import Library, library_needs
from torpor.vm.bindings import LinearMemory
from torpor.vm.engine import Engine
from torpor.vm.host_functions import HostLinker
from torpor.vm.instance import Instance, enter, running
from torpor.vm.limits import PATH_BYTES_MAX, Limits
from torpor.vm.manifest import BuildFiles
from torpor.vm.pages import Backend, text_at
from torpor.vm.wasi import DeterministicWasi, define_wasi

FUNCTIONS = ("load", "loaded", "begin", "inbox", "next", "outbox", "evaluate", "evaluated")
"""What the bootstrap's main module exports, in the order in which the driver numbers them."""

TELLING_FUNCTIONS = ("whereabouts", "interrupted")
"""What builds export, too, that tell where they are when their time is over; the driver's next numbers."""

LOAD, LOADED, BEGIN, INBOX, NEXT, OUTBOX, EVALUATE, EVALUATED = range(len(FUNCTIONS))
WHEREABOUTS, INTERRUPTED = range(len(FUNCTIONS), len(FUNCTIONS) + len(TELLING_FUNCTIONS))

# Cells of driver.wat, offsets in the scratch memory.
_CLOCK, _STACK_POINTER, _ANSWER_BYTES, _EXCEPTION, _ANSWER_BYTES_MAX = 0, 8, 12, 16, 20
_UNDEFINED, _ARGV, _LENGTH_OUT, _TEXT_AT, _FUNCTIONS = 24, 28, 32, 36, 64

_PLAIN_PROPERTY = 0b111
"""Flags of a property that can be changed, listed and taken away."""

_GRACE_SECONDS = 0.25
"""CPU time in which the engine ends what runs, once it is told to."""

_COUNTER_AT, _COUNTER_MAX = 292, 10_000
"""
Where the engine's context counts calls and rounds of loops down to the next question whether to go on, and from what.
Each of them may be long, so the count is shortened when time is over, if there is such a number in that place.
"""

_TOP_PLACE = re.compile(r"(^\n.*?)(?::\d+){1,2}(?=\)(?:\n|$))")
"""Line and column of the innermost frame, which the engine does not know while the frame runs."""

_THREW, _NO_MEMORY, _TOO_LONG = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Handles:
    """
    Addresses in the memory of every image of this guest build.

    Attributes:
        functions: the bootstrap's functions, in the order of :data:`FUNCTIONS`.
        undefined: the value undefined.
        argv: four bytes for an argument list.
        length_out: four bytes for a length.
        context: the engine's context; 0 where the engine does not ask whether to go on.
    """

    functions: tuple[int, ...]
    undefined: int
    argv: int
    length_out: int
    context: int = 0


class Build:
    """
    The compiled guest: everything that its instances share.

    Attributes:
        engine: compiles and ticks.
        manifest: what it is made from.
        main: quickjs.wasm.
        libraries: its extensions, in link order.
        modules: resolves imports.
        linker: defines what the main module imports, for any store.
    """

    def __init__(self, engine: Engine, manifest: JavaScriptManifest, wasm_files: BuildFiles) -> None:
        self.engine, self.manifest, self.modules = engine, manifest, ModuleLoader(manifest.modules)
        self.main = engine.module("quickjs", bytes(wasm_files.read(MAIN)))
        self.libraries = []
        for name in manifest.extensions:
            wasm = bytes(wasm_files.read(name))
            self.libraries.append(Library(name, engine.module(f"quickjs-{name}", wasm), *library_needs(wasm)))
        self.linker = HostLinker(engine.wasmtime)
        define_wasi(self.linker, self.main, _current_wasi)
        for entry in self.main.imports:
            if entry.module == "env":
                assert isinstance(entry.type, wasmtime.FuncType)
                assert entry.name is not None
                self.linker.define_host("env", entry.name, entry.type, _HOST_FUNCTIONS[entry.name])

    def plan(self, layout: Layout) -> Plan:
        """Return how to link instances of this layout."""
        return Plan(self.engine, self.manifest.allocator, self.main, self.libraries, layout)


class QuickJsInstance(Instance):
    """
    An instance, linked but not booted, whose state comes from an image.

    Args:
        build: what it is made of.
        limits: its bounds.
        backend: how its memory is kept.
        plan: how to link its libraries.
        handles: where an image of this build keeps its values.

    Attributes:
        program: sources that imports may mean.
    """

    def __init__(self, build: Build, limits: Limits, backend: Backend, plan: Plan | None, handles: Handles) -> None:
        self._build, self._plan, self._context = build, plan, handles.context
        self._asking, self._whereabouts = False, ""
        self._watch: Watch | None = None
        self.program: Mapping[str, str] = {}
        super().__init__(build.engine, limits, backend)
        self._text_at = text_at(limits.memory_bytes)
        names = ("exchange", "turn", "property", "text", "throw", "c_string", "tidy")
        driver = self._instantiate("quickjs-driver", build.manifest.driver)
        calls = self._calls(driver, *names)
        self._exchange, self._turn, self._property, self._text, self._throw, self._c_string, self._tidy = calls
        if self._context:
            (self._ask,) = self._calls(driver, "ask")
        self._cell(_TEXT_AT, self._text_at)
        self._cell(_ANSWER_BYTES_MAX, limits.output_bytes)
        self._hold(handles)
        self.wasi.clock_ms = ctypes.c_int64.from_address(self.scratch.address + _CLOCK)
        self.wasi.reset()

    @property
    def stack_pointer(self) -> int:
        return self._cell(_STACK_POINTER)

    @stack_pointer.setter
    def stack_pointer(self, value: int) -> None:
        self._cell(_STACK_POINTER, value)

    @property
    def dead_bytes(self) -> int:
        return self.stack_pointer  # the stack lies below everything else (checked at boot) and is empty between turns

    @property
    def grace_seconds(self) -> float:
        return _GRACE_SECONDS if self._build.manifest.tells else 0

    def out_of_time(self) -> None:
        """Have the engine ask soon whether to go on, where it would count many calls and rounds before."""
        at = self._context + _COUNTER_AT
        if self._context and 1 < struct.unpack("<i", self.memory.read(at, 4))[0] <= _COUNTER_MAX:
            self.memory.write(at, struct.pack("<i", 1))

    def define(self, values: Mapping[str, int]) -> None:
        """Give the global object properties: values of the engine's by their names."""
        exports: Any = self._main.exports(self.store)
        context = self.heap().context
        with enter(self):
            scope = exports["JS_GetGlobalObject"](self.store, context)
            for name, value in values.items():
                data = _encode(name) + b"\0"
                at = exports["wasm_malloc"](self.store, len(data))
                if not at:
                    break
                self.memory.write(at, data)
                held = exports["JS_DupValue"](self.store, context, value - (value >> 63 << 64))
                exports["JS_DefinePropertyValueStr"](self.store, context, scope, at, held, _PLAIN_PROPERTY)
                exports["wasm_free"](self.store, at)
            exports["JS_FreeValue"](self.store, context, scope)

    def be_watched(self, watch: Watch | None) -> None:
        """Let somebody look at the engine at every call from now on; None for nobody."""
        self._watch = watch if self._context else None
        if self._watch is not None:
            self._ask_again()

    def _ask_again(self) -> None:
        """Have the engine ask at the next call or round of a loop."""
        self.memory.write(self._context + _COUNTER_AT, struct.pack("<i", 1))

    def to_stop(self) -> int:
        """Answer ``host_interrupt``: whether the engine has to end what it runs. It has, once it is in the program."""
        if self._watch is not None and not self._asking:
            with suppress(HeapError):
                if self._watch.look(self.heap()):
                    self._ask_again()
        if not self._deadline.passed or self._asking:
            return 0
        if not self._whereabouts:
            self._asking = True
            self._whereabouts = self._asked(self._ask(WHEREABOUTS))
            self._asking = False
        if not self._whereabouts:
            self.out_of_time()
        return int(bool(self._whereabouts))

    def interrupted_at(self) -> str:
        """Return where the program was when its time was over: lines, each with a line break before it, or nothing."""
        if not self._whereabouts:
            return ""
        try:
            told = self._asked(self.run(self._turn, INTERRUPTED, NEXT, INTERRUPTED, self._text_at, 0, 0))
        except VmError:  # it was not ended by its own engine
            told = ""
        return told or _TOP_PLACE.sub(r"\1", self._whereabouts, count=1)

    def _asked(self, status: int) -> str:
        return self._answer().decode("utf-8", "replace") if status == 0 else ""

    def exchange(self, take: int, text: bytes, give: int) -> bytes:
        """
        Call the bootstrap's function *take* with a text, run all jobs, call *give* and return its text. All in UTF-8.

        Raises:
            VmError: trap, limit, or an exception that the bootstrap let out.
        """
        self._put(text)
        status = self.run(self._exchange, take, give, self._text_at, len(text))
        self._check(status, FUNCTIONS[take])
        return self._answer()

    def turn(self, clocks: list[int], inbox: bytes) -> bytes:
        """
        Deliver an inbox and return the outbox.

        Args:
            clocks: the guest's time at each delivery, epoch milliseconds.
            inbox: the deliveries as JSON.

        Raises:
            VmError: as :meth:`exchange`.
        """
        count = len(clocks)
        self._put(struct.pack(f"<{count}q", *clocks) + inbox)
        status = self.run(self._turn, INBOX, NEXT, OUTBOX, self._text_at, count, len(inbox))
        self._check(status, "deliver")
        return self._answer()

    def heap(self) -> Heap:
        """Return the engine's heap, to be read before anything runs again."""
        memory = self.memory
        context = self._context
        if not context:  # a build that does not tell it
            exports: Any = self._main.exports(self.store)
            with enter(self):
                context = exports["qjs_get_context_ptr"](self.store)
        return Heap(memory.view[: memory.size], context)

    def tidy(self) -> None:
        """Collect garbage."""
        self.run(self._tidy)

    def resolve(self, importer: int, specifier: int) -> int:
        """Answer ``host_module_normalize``."""
        try:
            name = self._build.modules.resolve(self._c_text(importer), self._c_text(specifier), self.program)
        except ImportRefusedError as problem:
            return self._throw_into_guest(str(problem))
        return self._give(_encode(name))

    def source(self, name: int, length_out: int) -> int:
        """Answer ``host_module_load``."""
        try:
            text = _encode(self._build.modules.source(self._c_text(name), self.program))
        except ImportRefusedError as problem:
            return self._throw_into_guest(str(problem))
        self.memory.write(length_out, struct.pack("<I", len(text)))
        return self._give(text)

    def _link(self, memories: list[LinearMemory]) -> wasmtime.Instance:
        assert self._plan is not None
        main = self._build.linker.instantiate(self.store, self._build.main)
        self._plan.instantiate(self._build.linker, self._linker, self.store, main)
        self._main = main
        return main

    def _hold(self, handles: Handles) -> None:
        self._cell(_UNDEFINED, handles.undefined)
        self._cell(_ARGV, handles.argv)
        self._cell(_LENGTH_OUT, handles.length_out)
        for number, address in enumerate(handles.functions):
            self._cell(_FUNCTIONS + 4 * number, address)

    def _put(self, data: bytes) -> None:
        self.scratch_room(len(data))
        self.scratch.write(self._text_at, data)

    def _answer(self) -> bytes:
        return self.scratch.read(self._text_at, self._cell(_ANSWER_BYTES))

    def _check(self, status: int, what: str) -> None:
        if status == 0:
            return
        self.broken = True
        if status == _NO_MEMORY:
            raise MemoryLimitError(f"no memory for the text of {what}; keep large data in steps")
        if status == _TOO_LONG:
            raise OutputLimitError(
                f"what the guest asked for or returned in one {what} has more than {self.limits.output_bytes} bytes;"
                " keep large data in steps and pass references to it"
            )
        assert status == _THREW
        thrown = self._cell(_EXCEPTION)
        stack = self._describe(thrown, "stack")
        message = self._describe(thrown, None)
        raise GuestTrapError(f"the guest's {what} threw {message}\n{stack}".rstrip())

    def _describe(self, value: int, name: str | None) -> str:
        if name is None:
            status = self.run(self._text, value)
        else:
            data = name.encode()
            self._put(data)
            status = self.run(self._property, value, self._text_at, len(data))
        return self._answer().decode("utf-8", "replace") if status == 0 else ""

    def _throw_into_guest(self, message: str) -> int:
        data = _encode(message)
        self._put(data)
        self._throw(self._text_at, len(data))
        return 0

    def _give(self, data: bytes) -> int:
        """Return the address of a C string that the guest will free."""
        self._put(data)
        return self._c_string(self._text_at, len(data))

    def _c_text(self, at: int) -> str:
        text = self.memory.read(at, min(PATH_BYTES_MAX, self.memory.size - at))
        return text[: text.find(b"\0")].decode("utf-8", "replace")

    def _cell(self, at: int, value: int | None = None) -> int:
        if value is None:
            found: int = struct.unpack_from("<I", self.scratch.view, at)[0]
            return found
        struct.pack_into("<I", self.scratch.view, at, value)
        return value


def _encode(text: str) -> bytes:
    """JavaScript strings may hold lone surrogates; they cross as three bytes each (WTF-8), as QuickJS has them."""
    return text.encode("utf-8", "surrogatepass")


def _current() -> QuickJsInstance:
    instance: QuickJsInstance = running()
    return instance


def _current_wasi() -> DeterministicWasi:
    return _current().wasi


_HOST_FUNCTIONS: dict[str, Any] = {
    "host_get_timezone_offset": lambda _high, _low: 0,
    "host_interrupt": lambda: _current().to_stop(),
    "host_promise_rejection": lambda _promise, _reason, _handled: None,
    "host_module_normalize": lambda importer, specifier: _current().resolve(importer, specifier),
    "host_module_load": lambda name, length_out: _current().source(name, length_out),
    "host_call": lambda *_: 0,
}
