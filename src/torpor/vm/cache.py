"""
Compiled WebAssembly on disk.

Machine code is run only from files that nobody but this user or root can have written (``cache_folders.py``) and that
are what their seals say (``cache_files.py``); else it is compiled anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import wasmtime

from torpor.vm.cache_files import file_lock, keep_sealed, sealed
from torpor.vm.cache_folders import NOWHERE, choose_folders
from torpor.vm.host import host_error, is_scarcity, needs_host
from torpor.vm.progress import Progress, say_on_stderr, telling


class ModuleCache:
    """
    Compiles modules, or takes them from disk.

    Args:
        engine: what compiles.
        config: everything beside the wasmtime version that compiled code depends on.
        directory: keep code only here; without it see :func:`torpor.vm.cache_folders.choose_folders`. Where nothing can
            be written, code is compiled in memory.
        progress: told about what takes longer than a second, and about folders that are not trusted.

    Attributes:
        directory: where new entries go.
        progress: told about what takes long.
    """

    def __init__(
        self, engine: wasmtime.Engine, config: str, directory: Path | None = None, progress: Progress = say_on_stderr
    ) -> None:
        self._engine = engine
        self._config = f"wasmtime {version('wasmtime')} {config}"
        self._readable, self.directory = choose_folders(progress, directory)
        self.progress = progress

    def path_of(self, name: str) -> Path:
        """Return where the entry of that file name is kept, or would be."""
        for folder in self._readable:
            if sealed(folder / name) is not None:
                return folder / name
        return self.directory / name

    def module(self, name: str, wasm: bytes) -> wasmtime.Module:
        """
        Return the compiled module.

        Args:
            name: what to call it in messages and file names.
            wasm: its binary.

        Raises:
            wasmtime.WasmtimeError: not a valid module.
            HostError: the system lacks memory or descriptors.
        """
        key = hashlib.sha256(self._config.encode() + b"\0" + wasm).hexdigest()
        path = self.path_of(f"{name}-{key[:32]}.cwasm")
        found = self._kept(path)
        if found is None:
            found = self._compile(name, wasm)
            self._store(path, bytes(found.serialize()))
        return found

    def large_module(self, name: str, content: str, read: Callable[[], bytes]) -> wasmtime.Module:
        """
        Return the compiled module of a binary that takes long to compile, or even to read.

        One process compiles; others that want the same module wait for it.

        Args:
            name: what to call it in messages and file names.
            content: what the binary depends on; another content is another entry.
            read: returns the binary.

        Raises:
            wasmtime.WasmtimeError: not a valid module.
            HostError: the system lacks memory or descriptors.
        """
        path = self.large_module_path(name, content)
        found = self._kept(path)
        if found is None:
            with file_lock(path, self.progress):
                found = self._kept(path)
                if found is None:
                    found = self._compile(name, read())
                    self._store(path, bytes(found.serialize()))
        return found

    def large_module_path(self, name: str, content: str) -> Path:
        """Return where the compiled module is kept, or would be."""
        key = hashlib.sha256(self._config.encode() + b"\0" + content.encode()).hexdigest()
        return self.path_of(f"{name}-{key[:32]}.cwasm")

    def _kept(self, path: Path) -> wasmtime.Module | None:
        if sealed(path) is None:
            return None
        try:
            return wasmtime.Module.deserialize_file(self._engine, str(path))
        except wasmtime.WasmtimeError as problem:  # made by a wasmtime that calls itself by the same version
            if is_scarcity(problem):  # then compiling, which needs more, would fail too
                raise host_error(f"mapping compiled code, {path}", problem) from problem
            return None

    def _compile(self, name: str, wasm: bytes) -> wasmtime.Module:
        what = f"compiling {name} ({len(wasm) / 1e6:.1f} MB of WebAssembly), once on this machine"
        with telling(what, self.progress), needs_host(f"compiling {name}"):
            return wasmtime.Module(self._engine, wasm)

    def _store(self, path: Path, code: bytes) -> None:
        try:
            keep_sealed(self.directory / path.name, code)
        except OSError as problem:
            if len(code) > 16e6:  # only worth a word when the next start will be slow
                where = "nowhere" if self.directory == NOWHERE else f"not in {self.directory} ({problem})"
                self.progress(f"torpor: compiled code can be kept {where}; set TORPOR_CACHE to a folder of your own")
