"""The first boot of the JavaScript guest: a context with its extensions and the bootstrap, frozen as the boot image."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import wasmtime

from torpor.errors import GuestTrapError
from torpor.guests.quickjs.instance import (
    FUNCTIONS,
    TELLING_FUNCTIONS,
    Build,
    Handles,
    QuickJsInstance,
)
from torpor.guests.quickjs.linking import ALLOCATOR, Layout
from torpor.guests.quickjs.shims import align
from torpor.vm.bindings import LinearMemory
from torpor.vm.image import MemoryImage
from torpor.vm.instance import enter
from torpor.vm.interrupts import inside
from torpor.vm.limits import WASM_PAGE, Limits
from torpor.vm.pages import Backend

_EVAL_MODULE = 1
_FULFILLED = 1


@dataclass(frozen=True, slots=True)
class Booted:
    """
    What a boot yields.

    Attributes:
        image: memory after it.
        layout: how later instances are linked.
        handles: where the image keeps its values.
    """

    image: MemoryImage
    layout: Layout
    handles: Handles


def boot(build: Build, limits: Limits, backend: Backend) -> Booted:
    """
    Boot the guest once.

    Args:
        build: the compiled guest.
        limits: its bounds.
        backend: how its memory is kept.

    Raises:
        GuestTrapError: the bootstrap does not load; this is a fault of the installation.
        VmError: a limit is too small even to boot.
    """
    with inside():
        instance = _BootingInstance(build, limits, backend)
        try:
            return instance.boot()
        finally:
            instance.close()


class _BootingInstance(QuickJsInstance):
    def __init__(self, build: Build, limits: Limits, backend: Backend) -> None:
        super().__init__(build, limits, backend, None, Handles((), 0, 0, 0))
        self.stack_pointer = self._exports["__stack_pointer"].value(self.store)

    def boot(self) -> Booted:
        manifest = self._build.manifest
        with enter(self):
            self._call("qjs_set_max_stack_size", manifest.js_stack_bytes)
            self._call("qjs_set_module_loader", 1)
            self._call("qjs_set_gc_threshold", manifest.gc_threshold_bytes)
            undefined = self._call("qjs_get_undefined")
            argv, length_out = self._call("wasm_malloc", 4), self._call("wasm_malloc", 4)
            self._hold(Handles((), undefined, argv, length_out))
            self._call("qjs_free_value", self._evaluate("torpor:headroom", manifest.headroom))
            namespace = self._evaluate("torpor:main", manifest.modules["torpor:main"])
            names = (*FUNCTIONS, *TELLING_FUNCTIONS) if manifest.tells else FUNCTIONS
            functions = tuple(self._property_of(namespace, name) for name in names)
            context = self._interruptible() if manifest.tells else 0
            self._call("wasm_free", self._call("wasm_malloc", manifest.heap_reserve_bytes))
            self._call("qjs_run_gc")
        return Booted(self.freeze(), self._layout, Handles(functions, undefined, argv, length_out, context))

    def _interruptible(self) -> int:
        """Let the engine ask now and then whether to go on; return the address of its context."""
        self._call("qjs_set_interrupt_handler", 1)
        return self._call("qjs_get_context_ptr")

    def _link(self, memories: list[LinearMemory]) -> wasmtime.Instance:
        build = self._build
        main = build.linker.instantiate(self.store, build.main)
        self.memory = self.wasi.memory = memories[2]
        exports: Any = main.exports(self.store)
        self._exports = exports
        stack_pointer: int = self._exports["__stack_pointer"].value(self.store)
        if self.memory.read(0, stack_pointer) != bytes(stack_pointer):
            raise GuestTrapError("quickjs.wasm keeps data below its stack; this build of it is not supported")
        with enter(self):
            self._call("_initialize")
            if self._call("qjs_init") != 0:
                raise GuestTrapError("QuickJS did not initialize; raise Limits.memory_bytes")
            bases = tuple(align(self._call("malloc", library.malloc_bytes)) for library in build.libraries)
            for library, base in zip(build.libraries, bases, strict=True):
                self.memory.write(base, bytes(library.room))
            plan = build.plan(Layout(bases, 0))
            found = plan.instantiate(build.linker, self._linker, self.store, main)
            self._wipe_what_is_freed(self._slot_of(found[ALLOCATOR]))
            for library in build.libraries:
                self._initialize(library.init, found[library.name].exports(self.store))
        self._layout = Layout(bases, self.memory.size // WASM_PAGE)
        return main

    def _wipe_what_is_freed(self, slot: int) -> None:
        """Put our free and realloc into the runtime's table {calloc, malloc, free, realloc, usable_size}."""
        at = self._call("qjs_get_runtime_ptr")
        found = struct.unpack("<5I", self.memory.read(at, 20))
        if found != tuple(range(found[0], found[0] + 5)):  # the linker numbers what one table lists in a row
            raise GuestTrapError("quickjs.wasm keeps its allocator elsewhere; this build of it is not supported")
        self.memory.write(at + 8, struct.pack("<II", slot, slot + 1))

    def _slot_of(self, allocator: wasmtime.Instance) -> int:
        exports: Any = allocator.exports(self.store)
        slot: int = exports["slot"].value(self.store)
        return slot

    def _initialize(self, init: str, exports: Any) -> None:
        for start in ("__wasm_apply_data_relocs", "__wasm_call_ctors", "_initialize"):
            if start in exports:
                exports[start](self.store)
        context, runtime = self._call("qjs_get_context_ptr"), self._call("qjs_get_runtime_ptr")
        if exports[init](self.store, context, runtime) != 0:
            raise GuestTrapError(f"{init} failed; raise Limits.memory_bytes")

    def _evaluate(self, name: str, source: str) -> int:
        """Evaluate a module of the bootstrap and return its namespace."""
        code = source.encode()
        at, name_at = self._string(code), self._string(name.encode())
        promise = self._call("qjs_eval", at, len(code), name_at, _EVAL_MODULE)
        while not self._call("qjs_is_exception", promise) and self._call("qjs_is_job_pending"):
            self._call("qjs_execute_pending_job")
        for address in (at, name_at):
            self._call("wasm_free", address)
        if self._call("qjs_is_exception", promise):
            self._fail(self._call("qjs_get_exception"))
        state = self._call("qjs_promise_state", promise)
        result: int = self._call("qjs_promise_result", promise)
        if state != _FULFILLED:
            self._fail(result)
        self._call("qjs_free_value", promise)
        return result

    def _property_of(self, value: int, name: str) -> int:
        at = self._string(name.encode())
        found: int = self._call("qjs_get_prop_string", value, at)
        self._call("wasm_free", at)
        if not self._call("qjs_is_function", found):
            raise GuestTrapError(f"the bootstrap's main module exports no function {name}; reinstall Torpor")
        return found

    def _fail(self, thrown: int) -> None:
        stack, message = self._describe(thrown, "stack"), self._describe(thrown, None)
        raise GuestTrapError(f"the guest's bootstrap does not load: {message}\n{stack}".rstrip())

    def _string(self, data: bytes) -> int:
        at: int = self._call("wasm_malloc", len(data) + 1)
        self.memory.write(at, data + b"\0")
        return at

    def _call(self, name: str, *arguments: int) -> int:
        result: int = self._exports[name](self.store, *arguments)
        return result
