"""One wasmtime engine for all VMs of a process: settings, compiled code, the ticker."""

from __future__ import annotations

import functools
import platform
import threading
from pathlib import Path

import wasmtime

from torpor.limits import MIB
from torpor.vm.bindings import own_memories
from torpor.vm.cache import ModuleCache
from torpor.vm.ticker import start_ticker

WASM_STACK_BYTES = 2 * MIB
"""Native stack that guest code may use; a guest's own limit must trip first, a thread's stack never."""

_CONFIG = f"{platform.system()} {platform.machine()} epochs nan-canonical stack={WASM_STACK_BYTES} exceptions gc 1"


@functools.cache
def shared_engine(cache_directory: Path | None = None) -> Engine:
    """Return this process's engine for a cache directory; engines live as long as the process."""
    return Engine(cache_directory)


class Engine:
    """
    Compiles modules and runs their epochs.

    Attributes:
        wasmtime: the engine itself.
        ticker: call its ``begin`` and ``end`` around guest code.
    """

    def __init__(self, cache_directory: Path | None = None) -> None:
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.max_wasm_stack = WASM_STACK_BYTES
        # The same program on another processor must compute the same bits.
        config.cranelift_nan_canonicalization = True
        config.wasm_relaxed_simd_deterministic = True
        config.wasm_exceptions = config.wasm_function_references = config.wasm_gc = True
        config.memory_init_cow = False  # wasmtime cannot map data segments into memory that is ours
        own_memories(config)
        self.wasmtime = wasmtime.Engine(config)
        self.ticker = start_ticker(self.wasmtime)
        self._cache = ModuleCache(self.wasmtime, _CONFIG, cache_directory)
        self._modules: dict[tuple[str, bytes], wasmtime.Module] = {}
        self._binaries: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def module(self, name: str, wasm: bytes) -> wasmtime.Module:
        """Return a module compiled, from memory, from disk, or anew."""
        with self._lock:
            if (name, wasm) not in self._modules:
                self._modules[name, wasm] = self._cache.module(name, wasm)
            return self._modules[name, wasm]

    def text_module(self, name: str, text: str) -> wasmtime.Module:
        """Return a module that is written in the text format."""
        with self._lock:
            binary = self._binaries.get(text) or bytes(wasmtime.wat2wasm(text))
            self._binaries[text] = binary
        return self.module(name, binary)
