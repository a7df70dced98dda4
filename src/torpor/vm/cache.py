"""
Compiled WebAssembly on disk.

An entry is two files: the machine code and a seal beside it (size, modification time, SHA-256). Machine code that does
not match its seal is never run: it is compiled anew. Hashing 260 MB at every start would cost more than all the rest,
so contents are hashed only when size or time differ from the seal's. Writers put complete files in place by rename;
whichever of two processes comes last wins, and both have written the same.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import msgspec
import wasmtime

SLOW_SECONDS = 1.0
"""A compilation that takes longer than this is told to the user."""

Progress = Callable[[str], None]
"""Takes one line about something that takes long."""


class Seal(msgspec.Struct, frozen=True):
    """What machine code must be to be run: its size, its modification time when it was last hashed, its hash."""

    size: int
    modified_ns: int
    sha256: str


def default_directory() -> Path:
    """Return ``TORPOR_CACHE``, or ``torpor`` in the user's cache directory."""
    if chosen := os.environ.get("TORPOR_CACHE"):
        return Path(chosen)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "torpor"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torpor"


def replace_file(path: Path, data: bytes) -> None:
    """
    Put a complete file in place, and its directory where there is none.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def say_on_stderr(line: str) -> None:
    """Tell the user at the terminal."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


class ModuleCache:
    """
    Compiles modules, or takes them from disk.

    Args:
        engine: what compiles.
        config: everything beside the wasmtime version that compiled code depends on.
        directory: where to keep code; one that cannot be written means compiling in memory.
        progress: told when a compilation takes longer than a second.
    """

    def __init__(
        self, engine: wasmtime.Engine, config: str, directory: Path | None = None, progress: Progress = say_on_stderr
    ) -> None:
        self._engine = engine
        self._config = f"wasmtime {version('wasmtime')} {config}"
        self._directory = directory or default_directory()
        self._progress = progress

    def module(self, name: str, wasm: bytes) -> wasmtime.Module:
        """
        Return the compiled module.

        Args:
            name: what to call it in messages and file names.
            wasm: its binary.

        Raises:
            wasmtime.WasmtimeError: not a valid module.
        """
        key = hashlib.sha256(self._config.encode() + b"\0" + wasm).hexdigest()
        path = self._directory / f"{name}-{key[:32]}.cwasm"
        if _is_sealed(path):
            try:
                return wasmtime.Module.deserialize_file(self._engine, str(path))
            except wasmtime.WasmtimeError:  # made by a wasmtime that calls itself by the same version
                pass
        module = self._compile(name, wasm)
        self._store(path, bytes(module.serialize()))
        return module

    def _compile(self, name: str, wasm: bytes) -> wasmtime.Module:
        line = f"torpor: compiling {name} ({len(wasm) / 1e6:.1f} MB of WebAssembly), once on this machine …"
        notice = threading.Timer(SLOW_SECONDS, self._progress, [line])
        notice.daemon = True
        notice.start()
        try:
            return wasmtime.Module(self._engine, wasm)
        finally:
            notice.cancel()

    def _store(self, path: Path, code: bytes) -> None:
        try:
            replace_file(path, code)
            _write_seal(path, hashlib.sha256(code).hexdigest())
        except OSError as problem:
            if len(code) > 16e6:  # only worth a word when the next start will be slow
                self._progress(f"torpor: {self._directory} cannot be written ({problem}); set TORPOR_CACHE")


def _is_sealed(path: Path) -> bool:
    try:
        seal = msgspec.json.decode(_seal_of(path).read_bytes(), type=Seal)
        have = path.stat()
        if have.st_size != seal.size:
            return False
        if have.st_mtime_ns == seal.modified_ns:
            return True
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != seal.sha256:
                return False
        _write_seal(path, seal.sha256)
    except (OSError, msgspec.DecodeError):
        return False
    return True


def _write_seal(path: Path, sha256: str) -> None:
    have = path.stat()
    replace_file(_seal_of(path), msgspec.json.encode(Seal(have.st_size, have.st_mtime_ns, sha256)))


def _seal_of(path: Path) -> Path:
    return path.with_suffix(".seal")
