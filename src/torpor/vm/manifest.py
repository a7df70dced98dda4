"""
What a guest is made of, in a form that travels with its snapshots.

A *manifest* lists everything that the memory of an image depends on, beside the program: small texts as they are, large
files by their hash. Its SHA-256 is the guest's *build*. Whoever has the manifest and the files can make the guest: a
later Torpor, another wasmtime, another machine. What is made from them is left out, because it comes out the same: the
boot image to the byte, compiled code for each wasmtime.

Beside these parts a guest has a half that stays at home, the code of its package. What the two halves agree on
(messages, cells of the driver, what host functions answer, how libraries are linked) has a number, the manifest's
*protocol*.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

from torpor.errors import ConfigurationError
from torpor.vm.cache_files import keep_sealed, sealed
from torpor.vm.host import needs_host


class FileEntry(msgspec.Struct, frozen=True):
    """A file of a build: its SHA-256 in hexadecimal, and its bytes."""

    sha256: str
    size: int

    @classmethod
    def of(cls, data: bytes) -> FileEntry:
        """Return the entry of a file with these contents."""
        return cls(hashlib.sha256(data).hexdigest(), len(data))


class Manifest(msgspec.Struct, frozen=True):
    """
    What every guest's manifest says; each guest adds what it is made of.

    Attributes:
        guest: name of the guest.
        protocol: what the host half must speak.
        files: the large parts by name.
        hears: types of deliveries that the guest understands beside those that every guest does, which answer its ops.
    """

    guest: str
    protocol: int
    files: dict[str, FileEntry]
    hears: list[str] = []


HEARS: Final = ("run_cancelling", "run_forked")
"""What the guests of this version understand; see :attr:`Manifest.hears`."""

M = TypeVar("M", bound=Manifest)
Fetch = Callable[[FileEntry], bytes]
"""Returns the bytes of a file that is not on this machine; called in whatever thread needs them."""


class StoredBuild(NamedTuple):
    """
    A build that came from elsewhere.

    Attributes:
        manifest: its bytes.
        fetch: gets its files.
        beside: a build that is here already, whose files serve both where they are the same.
    """

    manifest: bytes
    fetch: Fetch
    beside: PresentBuild | None = None


class PresentBuild(Protocol):
    """What a guest says of what it is made of."""

    @property
    def manifest(self) -> bytes: ...

    @property
    def files(self) -> BuildFiles: ...


class BuildFiles(Protocol):
    """Where the files of a build are."""

    def read(self, name: str) -> memoryview:
        """
        Return a file that is needed once, checked.

        Raises:
            ConfigurationError: it is damaged.
            HostError: it cannot be read.
        """
        ...

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """
        Yield a file in pieces of *size* bytes, checked before the first; at no time is more of it in memory.

        Raises:
            ConfigurationError: it is damaged.
            HostError: it cannot be read.
        """
        ...

    def map(self, name: str) -> memoryview:
        """
        Return a file that stays in use. Where possible it is read from disk when it is looked at, and shared by all
        processes; who needs to know whether an installed file is sound calls :meth:`read`.

        Raises:
            HostError: it cannot be read.
        """
        ...


def manifest_bytes(manifest: Manifest) -> bytes:
    """Return the form that is stored and hashed: JSON with sorted keys."""
    return msgspec.json.encode(manifest, order="sorted")


def build_of(manifest: bytes) -> str:
    """Return the build that the bytes of a manifest describe."""
    return hashlib.sha256(manifest).hexdigest()


def read_manifest(data: bytes, kind: type[M], guest: str, protocols: Collection[int]) -> M:
    """
    Return a guest's manifest.

    Args:
        data: its bytes.
        kind: the guest's class of manifests.
        guest: its name.
        protocols: which the host half here speaks.

    Raises:
        ConfigurationError: it is no manifest of this guest, or of a protocol that is not spoken here.
    """
    try:
        head = msgspec.json.decode(data, type=Manifest)
        if head.guest == guest and head.protocol not in protocols:
            raise ConfigurationError(
                f"guest build {build_of(data)} of {guest} speaks protocol {head.protocol}, this version of torpor "
                f"{', '.join(map(str, sorted(protocols)))}; let a worker of the version that made it take its runs"
            )
        if head.guest == guest:
            return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError(f"the manifest of guest build {build_of(data)} cannot be read: {problem}") from problem
    raise ConfigurationError(f"guest build {build_of(data)} is one of {head.guest}, not of {guest}")


class InstalledFiles:
    """
    Files of an installation.

    Args:
        paths: where they are, by name.
        entries: what they must be.
        remedy: what to do about a damaged one.
    """

    def __init__(self, paths: Mapping[str, Path], entries: Mapping[str, FileEntry], remedy: str) -> None:
        self._paths, self._entries, self._remedy = paths, entries, remedy

    def read(self, name: str) -> memoryview:
        data = self.map(name)
        self._check(name, hashlib.sha256(data).hexdigest())
        return data

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        path = self._paths[name]
        with needs_host(f"reading {path.name}"), path.open("rb") as file:
            self._check(name, hashlib.file_digest(file, "sha256").hexdigest())
            file.seek(0)
            while piece := file.read(size):
                yield piece

    def _check(self, name: str, found: str) -> None:
        expected = self._entries[name].sha256
        if found != expected:
            raise ConfigurationError(f"{self._paths[name]} is damaged: SHA-256 {found}, not {expected}; {self._remedy}")

    def map(self, name: str) -> memoryview:
        return _mapped(self._paths[name])


class StoredFiles:
    """
    Files of a build that came from elsewhere. What stays in use is kept beside the compiled code.

    Args:
        entries: what they must be, by name.
        stored: the build.
        path_of: tells where the cache of compiled code has a file of some name, or would have it.
    """

    def __init__(self, entries: Mapping[str, FileEntry], stored: StoredBuild, path_of: Callable[[str], Path]) -> None:
        self._entries, self._fetch, self._path_of = entries, stored.fetch, path_of
        self._beside: dict[str, tuple[BuildFiles, str]] = {}  # by hash
        if stored.beside is not None:
            present = msgspec.json.decode(stored.beside.manifest, type=Manifest).files
            self._beside = {entry.sha256: (stored.beside.files, name) for name, entry in present.items()}

    def read(self, name: str) -> memoryview:
        if beside := self._beside.get(self._entries[name].sha256):
            files, known_as = beside
            return files.read(known_as)
        return self._kept(name) or self._fetched(name)

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        data = self.read(name)
        for at in range(0, len(data), size):
            yield bytes(data[at : at + size])

    def map(self, name: str) -> memoryview:
        if beside := self._beside.get(self._entries[name].sha256):
            files, known_as = beside
            return files.map(known_as)
        found = self._kept(name)
        if found is None:
            found = self._fetched(name)
            with suppress(OSError):  # where nothing can be kept, it is held
                keep_sealed(self._path(name), found)
        return self._kept(name) or found

    def _path(self, name: str) -> Path:
        return self._path_of(f"file-{self._entries[name].sha256}.part")

    def _kept(self, name: str) -> memoryview | None:
        path = self._path(name)
        return _mapped(path) if sealed(path) == self._entries[name].sha256 else None

    def _fetched(self, name: str) -> memoryview:
        entry = self._entries[name]
        data = self._fetch(entry)
        found = hashlib.sha256(data).hexdigest()
        if found != entry.sha256:
            raise ConfigurationError(f"{name} of a stored guest build is damaged: SHA-256 {found}, not {entry.sha256}")
        return memoryview(data)


def _mapped(path: Path) -> memoryview:
    with needs_host(f"mapping {path.name}"), path.open("rb") as file:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
