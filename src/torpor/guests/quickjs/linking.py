"""
Links quickjs.wasm with its extension libraries.

An extension is a shared library (https://github.com/WebAssembly/tool-conventions/blob/main/DynamicLinking.md): it says
in its section ``dylink.0`` how much memory and table space it needs, imports where these begin, takes addresses of
foreign symbols from ``GOT.mem`` and ``GOT.func``, and may import symbols that it exports itself. What it imports is
provided by small modules that are written in ``shims.py``, so that no call between libraries passes through Python.

Where the memory of each library lies is asked of the guest's own ``malloc`` at the first boot, which is deterministic,
and is the same in every later instance; so table indices and addresses in an image hold in every instance.
"""

from __future__ import annotations

from dataclasses import dataclass

import wasmtime

from torpor.guests.quickjs.shims import Library, environment_text, forward_text, got_text, grow_text, wasi_text
from torpor.vm.engine import Engine
from torpor.vm.wasi import MODULE as WASI

ALLOCATOR = "allocator"


@dataclass(frozen=True, slots=True)
class Layout:
    """
    What the first boot settles for every later instance.

    Attributes:
        bases: address of each library's static memory.
        pages: 64 KiB pages that memory must have before libraries are linked; 0 at the first boot.
    """

    bases: tuple[int, ...]
    pages: int


class Plan:
    """
    All modules of a linked guest, compiled; instantiates them any number of times.

    Args:
        engine: compiles.
        allocator: WebAssembly text of the allocator.
        main: quickjs.wasm.
        libraries: in link order.
        layout: where their static memory lies.
    """

    def __init__(
        self, engine: Engine, allocator: str, main: wasmtime.Module, libraries: list[Library], layout: Layout
    ) -> None:
        self._main = main
        self._grow = engine.text_module("quickjs-grow", grow_text(layout.pages)) if layout.pages else None
        self._allocator = engine.text_module("quickjs-allocator", allocator)
        self._got = engine.text_module("quickjs-got", got_text(main, libraries, layout.bases))
        self._wasi = engine.text_module("quickjs-wasi", wasi_text(libraries))
        self._steps = []
        for index, (library, base) in enumerate(zip(libraries, layout.bases, strict=True)):
            environment = environment_text(main, libraries, index, base)
            forward = forward_text(main, library)
            self._steps.append(
                (
                    library,
                    engine.text_module(f"quickjs-env-{library.name}", environment),
                    engine.text_module(f"quickjs-own-{library.name}", forward) if forward else None,
                )
            )

    def instantiate(
        self, shared: wasmtime.Linker, linker: wasmtime.Linker, store: wasmtime.Store, main: wasmtime.Instance
    ) -> dict[str, wasmtime.Instance]:
        """
        Instantiate the libraries and the allocator beside *main*, without initializing them; return them by name.

        Args:
            shared: defines WASI, for any store.
            linker: this store's own, which allows shadowing.
            store: the store of *main*.
            main: an instance of quickjs.wasm.
        """
        linker.define_instance(store, WASI, shared.instantiate(store, self._wasi))
        linker.define_instance(store, "env", main)
        if self._grow is not None:
            linker.instantiate(store, self._grow)
        got = linker.instantiate(store, self._got)
        linker.define_instance(store, "GOT.func", got)
        linker.define_instance(store, "GOT.mem", got)
        found = {ALLOCATOR: linker.instantiate(store, self._allocator)}
        for library, environment, forward in self._steps:
            linker.define_instance(store, "env", main)
            linker.define_instance(store, "env", linker.instantiate(store, environment))
            found[library.name] = linker.instantiate(store, library.module)
            if forward is not None:
                linker.define_instance(store, "own", found[library.name])
                linker.instantiate(store, forward)
        return found
