"""
The boot image as a file that all processes of a machine map.

Its note says where the image keeps its values and how later instances are linked. It has the image's own hash, too: an
image of a program that is evaluated per run is this one, wherever it was made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from torpor.guests.quickjs.boot import Booted
from torpor.guests.quickjs.instance import Handles
from torpor.guests.quickjs.linking import Layout
from torpor.vm.boot_file import boot_file
from torpor.vm.layers import FileImage
from torpor.vm.progress import Progress


class _Note(msgspec.Struct, frozen=True):
    """What the file says besides memory; see :class:`torpor.guests.quickjs.boot.Booted`."""

    hash: str
    stack_pointer: int
    layout: Layout
    handles: Handles


def booted_from(path: Path, boot: Callable[[], Booted], progress: Progress) -> Booted:
    """
    Return what a boot yields, from its file; boot, and keep it there, where there is none.

    Args:
        path: the file.
        boot: boots the guest.
        progress: told when another process boots.

    Raises:
        VmError: the guest does not boot.
        HostError: the system lacks memory or descriptors.
    """

    def first_boot() -> tuple[memoryview, bytes]:
        booted = boot()
        image = booted.image
        note = _Note(image.hash, image.stack_pointer, booted.layout, booted.handles)
        return image.view, msgspec.json.encode(note)

    found = boot_file(path, first_boot, progress)
    note = msgspec.json.decode(found.note.rstrip(b"\0"), type=_Note)
    image = FileImage(found.fd, found.memory, 0, note.stack_pointer, note.hash)
    return Booted(image, note.layout, note.handles)
