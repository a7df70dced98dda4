"""
The boot image as a file that all processes of a machine map.

The file holds the memory behind the stack, and says where the guest's function is. Its hash is the image's hash, so
that an image that came out otherwise, though nothing should make it, would be another image.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torpor.guests.cpython.boot import Booted
from torpor.vm.boot_file import boot_file
from torpor.vm.image import MemoryImage
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

    def first_boot() -> tuple[bytes, bytes]:
        booted = boot()
        return booted.memory, _TURN.pack(booted.turn)

    found = boot_file(path, first_boot, progress)
    (turn,) = _TURN.unpack_from(found.note)
    return BootImage(FileImage(found.fd, found.memory, stack_bytes, 0, found.digest), turn)
