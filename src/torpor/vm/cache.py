"""
Compiled WebAssembly on disk.

An entry is two files: the machine code and a seal beside it (size, modification time, SHA-256). Machine code that does
not match its seal is never run: it is compiled anew. Hashing 260 MB at every start would cost more than all the rest,
so contents are hashed only when size or time differ from the seal's. Writers put complete files in place by rename;
whichever of two processes comes last wins, and both have written the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import msgspec
import wasmtime

from torpor.vm.host import host_error, is_scarcity, needs_host
from torpor.vm.progress import Progress, say_on_stderr, telling


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


def replace_file(path: Path, data: bytes | memoryview) -> None:
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


class ModuleCache:
    """
    Compiles modules, or takes them from disk.

    Args:
        engine: what compiles.
        config: everything beside the wasmtime version that compiled code depends on.
        directory: where to keep code; one that cannot be written means compiling in memory.
        progress: told about what takes longer than a second.

    Attributes:
        directory: where code is kept.
        progress: told about what takes long.
    """

    def __init__(
        self, engine: wasmtime.Engine, config: str, directory: Path | None = None, progress: Progress = say_on_stderr
    ) -> None:
        self._engine = engine
        self._config = f"wasmtime {version('wasmtime')} {config}"
        self.directory = directory or default_directory()
        self.progress = progress

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
        path = self.directory / f"{name}-{key[:32]}.cwasm"
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
        """Return where the compiled module is kept."""
        key = hashlib.sha256(self._config.encode() + b"\0" + content.encode()).hexdigest()
        return self.directory / f"{name}-{key[:32]}.cwasm"

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
            keep_sealed(path, code)
        except OSError as problem:
            if len(code) > 16e6:  # only worth a word when the next start will be slow
                self.progress(f"torpor: {self.directory} cannot be written ({problem}); set TORPOR_CACHE")


@contextmanager
def file_lock(path: Path, progress: Progress) -> Iterator[None]:
    """
    Let one process at a time make the file *path*; what earlier ones left half written is removed.

    Where no lock can be had, all go ahead: each puts a complete file in place.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_suffix(".lock").open("ab")
    except OSError as problem:
        if is_scarcity(problem):
            raise host_error(f"locking {path}", problem) from problem
        yield  # a cache that cannot be written
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with telling(f"waiting for another process that is making {path.name}", progress):
                fcntl.flock(lock, fcntl.LOCK_EX)
        for left in path.parent.glob(f"{path.stem}*.tmp"):
            left.unlink(missing_ok=True)
        yield


def keep_sealed(path: Path, data: bytes | memoryview) -> str:
    """
    Put a complete file and its seal in place and return its SHA-256.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(path, data)
    sha256 = hashlib.sha256(data).hexdigest()
    _write_seal(path, sha256)
    return sha256


def sealed(path: Path) -> str | None:
    """
    Return the SHA-256 of a file that is what its seal says, or None.

    Raises:
        HostError: the system lacks descriptors or memory to find out.
    """
    try:
        seal = msgspec.json.decode(_seal_of(path).read_bytes(), type=Seal)
        have = path.stat()
        if have.st_size != seal.size:
            return None
        if have.st_mtime_ns == seal.modified_ns:
            return seal.sha256
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != seal.sha256:
                return None
        _write_seal(path, seal.sha256)
    except msgspec.DecodeError:
        return None
    except OSError as problem:
        if is_scarcity(problem):
            raise host_error(f"reading {path}", problem) from problem
        return None
    return seal.sha256


def _write_seal(path: Path, sha256: str) -> None:
    have = path.stat()
    replace_file(_seal_of(path), msgspec.json.encode(Seal(have.st_size, have.st_mtime_ns, sha256)))


def _seal_of(path: Path) -> Path:
    return path.with_suffix(".seal")
