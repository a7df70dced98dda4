"""
A booted guest's memory on disk, beside the compiled code: a fresh process maps it instead of booting.

The file holds the memory and a last page of what else a guest wants to know of it. All processes of a machine share its
pages. Its seal says its hash.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torpor.vm import posix
from torpor.vm.cache_files import file_lock, keep_sealed, sealed
from torpor.vm.host import needs_host
from torpor.vm.image import keep_bytes
from torpor.vm.progress import Progress


@dataclass(frozen=True, slots=True)
class BootFile:
    """
    Memory after a boot, as a file.

    Attributes:
        fd: the file, which nobody changes, or None where there can be none; closed by whoever takes it.
        memory: the bytes of memory.
        note: what was written of them: a page.
        digest: SHA-256 of all of it.
    """

    fd: int | None
    memory: memoryview
    note: bytes
    digest: str


Boot = Callable[[], tuple[bytes | memoryview, bytes]]
"""Boots a guest; returns whole pages of memory, and a note of less than a page."""


def boot_file(path: Path, boot: Boot, progress: Progress) -> BootFile:
    """
    Return what a guest's boot yields, from its file; boot, and keep it there, where there is none.

    Args:
        path: the file.
        boot: boots the guest.
        progress: told when another process boots.

    Raises:
        VmError: the guest does not boot.
        HostError: the system lacks memory or descriptors.
    """
    if (found := _mapped(path)) is not None:
        return found
    with file_lock(path, progress):
        if (found := _mapped(path)) is not None:
            return found
        memory, note = boot()
        assert len(note) < posix.PAGE, "a note is less than a page"
        data = b"".join([memory, note.ljust(posix.PAGE, b"\0")])
        with suppress(OSError):  # where nothing can be kept, the next process boots again
            keep_sealed(path, data)
    return _mapped(path) or _held(data)


def _mapped(path: Path) -> BootFile | None:
    digest = sealed(path)
    if digest is None:
        return None
    with needs_host("mapping a boot image"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed meanwhile
            return None
        try:
            view = memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))
        except BaseException:
            os.close(fd)
            raise
    return _file(fd, view, digest)


def _held(data: bytes) -> BootFile:
    fd, view = keep_bytes([data])
    return _file(fd, view, hashlib.sha256(data).hexdigest())


def _file(fd: int | None, view: memoryview, digest: str) -> BootFile:
    size = len(view) - posix.PAGE
    return BootFile(fd, view[:size], bytes(view[size:]), digest)
