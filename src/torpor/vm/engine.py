"""One wasmtime engine for all VMs of a process: settings, compiled code, the ticker."""

from __future__ import annotations

import functools
import platform
import threading
from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

import wasmtime

from torpor.limits import MIB
from torpor.vm.bindings import allow_stack, own_memories
from torpor.vm.cache import ModuleCache
from torpor.vm.host import needs_host
from torpor.vm.ticker import start_ticker

STACK_BYTES = 4 * MIB
"""Native stack that guest code may use; a guest's own limit must trip first, a thread's stack never."""

_CONFIG = f"{platform.system()} {platform.machine()} epochs nan-canonical exceptions gc 1"


@functools.cache
def shared_engine(cache_directory: Path | None = None, stack_bytes: int = STACK_BYTES) -> Engine:
    """Return this process's engine for a cache directory and a size of stack; engines live as long as the process."""
    return Engine(cache_directory, stack_bytes)


class Engine:
    """
    Compiles modules and runs their epochs.

    Attributes:
        stack_bytes: native stack that guest code may use.
        wasmtime: the engine itself.
        cache: where compiled code is kept, and what else takes long to make.
        ticker: call its ``begin`` and ``end`` around guest code.
    """

    def __init__(self, cache_directory: Path | None = None, stack_bytes: int = STACK_BYTES) -> None:
        self.stack_bytes = stack_bytes
        config = wasmtime.Config()
        config.epoch_interruption = True
        allow_stack(config, stack_bytes)
        # The same program on another processor must compute the same bits.
        config.cranelift_nan_canonicalization = True
        config.wasm_relaxed_simd_deterministic = True
        config.wasm_exceptions = config.wasm_function_references = config.wasm_gc = True
        config.memory_init_cow = False  # wasmtime cannot map data segments into memory that is ours
        own_memories(config)
        with needs_host("starting wasmtime"):
            self.wasmtime = wasmtime.Engine(config)
            self.ticker = start_ticker(self.wasmtime)
        self.cache = ModuleCache(self.wasmtime, _CONFIG, cache_directory)
        self._modules: dict[tuple[str, bytes], wasmtime.Module] = {}
        self._binaries: dict[str, bytes] = {}
        self._lock = threading.Lock()
        # Weak, because a build that no guest has any more should not stay in memory.
        self._large: WeakValueDictionary[tuple[str, str], wasmtime.Module] = WeakValueDictionary()
        self._large_lock = threading.Lock()

    def module(self, name: str, wasm: bytes) -> wasmtime.Module:
        """Return a module compiled, from memory, from disk, or anew."""
        with self._lock:
            if (name, wasm) not in self._modules:
                self._modules[name, wasm] = self.cache.module(name, wasm)
            return self._modules[name, wasm]

    def large_module(self, name: str, content: str, read: Callable[[], bytes]) -> wasmtime.Module:
        """Return a module as :meth:`torpor.vm.cache.ModuleCache.large_module` does."""
        with self._large_lock:  # another than that of small modules, which must not wait for a minute
            found = self._large.get((name, content))
            if found is None:
                found = self._large[name, content] = self.cache.large_module(name, content, read)
            return found

    def text_module(self, name: str, text: str) -> wasmtime.Module:
        """Return a module that is written in the text format."""
        with self._lock:
            binary = self._binaries.get(text) or bytes(wasmtime.wat2wasm(text))
            self._binaries[text] = binary
        return self.module(name, binary)
