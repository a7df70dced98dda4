"""
The boot image on disk, beside the compiled code: a fresh process maps it instead of booting.

The file holds the memory behind the stack, and a last page that says where the guest's function is. All processes of a
machine share its pages. The seal's hash of it is the image's hash, so that an image that came out otherwise, though
nothing should make it, would be another image.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torpor.guests.cpython.boot import Booted
from torpor.vm import posix
from torpor.vm.cache_files import file_lock, keep_sealed, sealed
from torpor.vm.host import needs_host
from torpor.vm.image import MemoryImage, keep_bytes
from torpor.vm.layers import FileImage
from torpor.vm.progress import Progress

_TURN = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class BootImage:
    """
    Where every VM begins.

    Attributes:
        image: memory after boot.
        turn: address of the guest's function that takes the host's messages.
    """

    image: MemoryImage
    turn: int


def boot_image(path: Path, stack_bytes: int, boot: Callable[[], Booted], progress: Progress) -> BootImage:
    """
    Return the boot image from its file; boot, and keep the image there, where there is none.

    Args:
        path: the file.
        stack_bytes: of memory's beginning, which is zero and not in the file.
        boot: boots the guest.
        progress: told when another process boots.

    Raises:
        VmError: the guest does not boot.
        HostError: the system lacks memory or descriptors.
    """
    if (found := _mapped(path, stack_bytes)) is not None:
        return found
    with file_lock(path, progress):
        if (found := _mapped(path, stack_bytes)) is not None:
            return found
        booted = boot()
        data = booted.memory + _TURN.pack(booted.turn).ljust(posix.PAGE, b"\0")
        with suppress(OSError):  # where nothing can be kept, the next process boots again
            keep_sealed(path, data)
    return _mapped(path, stack_bytes) or _held(data, stack_bytes)


def _mapped(path: Path, stack_bytes: int) -> BootImage | None:
    digest = sealed(path)
    if digest is None:
        return None
    with needs_host("mapping the boot image"):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # removed meanwhile
            return None
        try:
            view = memoryview(mmap.mmap(fd, 0, access=mmap.ACCESS_READ))
        except BaseException:
            os.close(fd)
            raise
    return _image(fd, view, stack_bytes, digest)


def _held(data: bytes, stack_bytes: int) -> BootImage:
    fd, view = keep_bytes(data)
    return _image(fd, view, stack_bytes, hashlib.sha256(data).hexdigest())


def _image(fd: int | None, view: memoryview, stack_bytes: int, digest: str) -> BootImage:
    size = len(view) - posix.PAGE
    (turn,) = _TURN.unpack_from(view, size)
    return BootImage(FileImage(fd, view[:size], stack_bytes, 0, digest), turn)
