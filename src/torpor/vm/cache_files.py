"""
Files of the cache: complete or not there, and what their seals say.

A *seal* beside a file says its size, its modification time and its SHA-256. Hashing 260 MB at every start would cost
more than all the rest, so contents are hashed only when size or time differ from the seal's. The seal's own time tells
when the file was last used. Writers put complete files in place by rename; whichever of two processes comes last wins,
and both have written the same.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from torpor.clock import SystemClock
from torpor.vm.cache_folders import distrusted_folder, is_trusted_file
from torpor.vm.host import host_error, is_scarcity
from torpor.vm.progress import Progress, telling

UNUSED_DAYS_MAX = 30
"""Entries that no process has used for so long are removed by :func:`prune`."""

_DAY_MS = 86_400_000
_FOLDER_MODE, _FILE_MODE, _PRIVATE_MODE = 0o755, 0o644, 0o600

_used: dict[Path, bool] = {}
"""Sealed files that this process has used → whether it made them."""


class Seal(msgspec.Struct, frozen=True):
    """What a file must be to be used: its size, its modification time when it was last hashed, its hash."""

    size: int
    modified_ns: int
    sha256: str


class Pruned(NamedTuple):
    """An entry that was removed: its name, and its bytes."""

    name: str
    size: int


def replace_file(path: Path, data: bytes | memoryview, *, private: bool = True) -> None:
    """
    Put a complete file in place, and its directory where there is none.

    Args:
        path: the file.
        data: its contents.
        private: only this user may read it, rather than everybody.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    import tempfile  # noqa: PLC0415  # costs 8 ms, and most processes find their files made

    path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".tmp")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            os.fchmod(fd, _PRIVATE_MODE if private else _FILE_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def keep_sealed(path: Path, data: bytes | memoryview) -> str:
    """
    Put a complete file and its seal in place, for everybody to read, and return its SHA-256.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(path, data, private=False)
    # Whole seconds, as archives and layers of containers keep them: copies need not be hashed again.
    seconds = path.stat().st_mtime_ns // 10**9
    os.utime(path, (seconds, seconds))
    sha256 = hashlib.sha256(data).hexdigest()
    _write_seal(path, sha256)
    _used[path] = True
    return sha256


def sealed(path: Path) -> str | None:
    """
    Return the SHA-256 of a file that is what its seal says and that nobody else can have written, or None.

    Raises:
        HostError: the system lacks descriptors or memory to find out.
    """
    seal_path = _seal_of(path)
    if distrusted_folder(path.parent) or not (is_trusted_file(path) and is_trusted_file(seal_path)):
        return None
    try:
        seal = msgspec.json.decode(seal_path.read_bytes(), type=Seal)
        have = path.stat()
        if have.st_size != seal.size:
            return None
        if have.st_mtime_ns != seal.modified_ns:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != seal.sha256:
                    return None
            with suppress(OSError):  # a folder that others have made; it is hashed every time then
                _write_seal(path, seal.sha256)
    except msgspec.DecodeError:
        return None
    except OSError as problem:
        if is_scarcity(problem):
            raise host_error(f"reading {path}", problem) from problem
        return None
    note_use(seal_path)
    _used.setdefault(path, False)
    return seal.sha256


def used_files() -> dict[Path, bool]:
    """Return the sealed files that this process has used → whether it made them."""
    return dict(_used)


def note_use(path: Path) -> None:
    """Let a file's time tell, to the day, that it is used; who cannot change it will not remove it either."""
    with suppress(OSError):
        if SystemClock().now() - path.stat().st_mtime_ns // 1_000_000 > _DAY_MS:
            os.utime(path)


@contextmanager
def file_lock(path: Path, progress: Progress) -> Iterator[None]:
    """
    Let one process at a time make the file *path*; what earlier ones left half written is removed.

    Where no lock can be had, all go ahead: each puts a complete file in place.
    """
    try:
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
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


def prune(folder: Path, *, all_unused: bool = False) -> list[Pruned]:
    """
    Remove what no process has used for :data:`UNUSED_DAYS_MAX` days: code of former versions, for the most part.

    Args:
        folder: of the cache.
        all_unused: remove also what only this process has not used; other versions then make theirs again.

    Returns:
        What was removed; what cannot be removed stays.
    """
    oldest = SystemClock().now() - UNUSED_DAYS_MAX * _DAY_MS
    removed = []
    ours = {_seal_of(path) for path in _used}
    for seal in sorted(folder.glob("*.seal")):
        if seal in ours or not (all_unused or _is_older(seal, oldest)):
            continue
        names = sorted(path for path in folder.glob(f"{seal.stem}.*") if path != seal)
        removed += _removed(names)  # the seal last: a file without one is never believed
        _removed([seal])
    for text in sorted(folder.glob("typescript/*.json")):
        if _is_older(text, oldest):
            removed += _removed([text])
    return removed


def _removed(paths: Iterable[Path]) -> list[Pruned]:
    removed = []
    for path in paths:
        with suppress(OSError):
            size = path.stat().st_size
            path.unlink()
            if size:
                removed.append(Pruned(path.name, size))
    return removed


def _is_older(path: Path, at_ms: int) -> bool:
    try:
        return path.stat().st_mtime_ns // 1_000_000 < at_ms
    except OSError:
        return False


def _write_seal(path: Path, sha256: str) -> None:
    have = path.stat()
    seal = Seal(have.st_size, have.st_mtime_ns, sha256)
    replace_file(_seal_of(path), msgspec.json.encode(seal), private=False)


def _seal_of(path: Path) -> Path:
    return path.with_suffix(".seal")
