"""
An image: the memory of a booted VM and the little machine state beside it, identified by its hash.

Where the system allows, the bytes live in a sealed memory file, so that any number of VMs may map them copy-on-write.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import mmap
import os
import struct
import weakref
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from torpor.errors import SnapshotError
from torpor.vm.host import is_scarcity, needs_host
from torpor.vm.limits import WASM_PAGE

IMAGE_VERSION = 1

_MAGIC = b"TORPIMG\0"
_PREFIX = struct.Struct("<8sII")  # magic, version, bytes of the JSON header
_CHECKSUM_BYTES = 32

_F_ADD_SEALS, _SEALS = 1033, 0x1 | 0x2 | 0x4 | 0x8  # seal, shrink, grow, write: <linux/fcntl.h>
_SEALINGS_MAX = 10


class ImageHeader(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What an image's bytes say about themselves.

    Attributes:
        build: the guest build that made it.
        program: SHA-256 of the program that is loaded in it.
        stack_pointer: the guest's, between turns.
        per_run: see :attr:`torpor.vm.guest.Image.per_run`.
        pages: 64 KiB pages of memory.
        base: hash of the image that this one changes: what follows are records of a delta. ``""`` when all of memory
            follows.
    """

    build: str
    program: str
    stack_pointer: int
    per_run: str | None
    pages: int
    base: str = ""

    def require(self, build: str, program: str) -> None:
        """
        Check that the image is of this guest build and has this program in it, given by its SHA-256.

        Raises:
            SnapshotError: it is not, or has not.
        """
        if self.build != build:
            raise SnapshotError(
                f"the image was made by guest build {self.build[:12]}…, this is {build[:12]}…; load the program again"
            )
        if self.program != program:
            raise SnapshotError("the image holds another program; load the program again")


class Piece(NamedTuple):
    """
    A part of an image.

    Attributes:
        at: where it begins in memory.
        size: its bytes; at and size are whole pages of 4 KiB.
        view: the bytes, or None when all are zero.
        fd: file that holds the bytes, or None where there is none.
        offset: where they begin in that file.
    """

    at: int
    size: int
    view: memoryview | None
    fd: int | None = None
    offset: int = 0


class MemoryImage:
    """
    Bytes of an image, read-only.

    Attributes:
        hash: SHA-256 of memory and machine state, hexadecimal.
        stack_pointer: the guest's stack pointer in this state.
        size: bytes of memory.
        fd: a memory file that holds the bytes, or None where there are none.
    """

    def __init__(self, memory: bytes | memoryview, stack_pointer: int) -> None:
        self.size = len(memory)
        self.stack_pointer = stack_pointer
        self.hash = hashlib.sha256(struct.pack("<Q", stack_pointer) + memory).hexdigest()
        self.fd, self._view = keep_bytes([memory])
        if self.fd is not None:
            weakref.finalize(self, os.close, self.fd)

    @property
    def view(self) -> memoryview:
        """The bytes."""
        return self._view

    @property
    def pieces(self) -> Sequence[Piece]:
        """What to lay into memory, in this order; later ones hide earlier ones, and together they cover all."""
        return [Piece(0, self.size, self._view, self.fd)]


def keep_bytes(parts: Sequence[bytes | memoryview]) -> tuple[int | None, memoryview]:
    """
    Return a sealed memory file of these bytes, one part after another, or None where there can be none, and a view.

    Raises:
        HostError: no memory, or too many files are open.
    """
    if not hasattr(os, "memfd_create"):
        return None, memoryview(b"".join(parts))
    with needs_host("keeping an image in a memory file"):
        try:
            fd = os.memfd_create("torpor-image", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError as problem:
            if is_scarcity(problem):
                raise
            return None, memoryview(b"".join(parts))  # a sandbox without memory files
        try:
            for part in parts:
                rest = memoryview(part)
                while rest:
                    rest = rest[os.write(fd, rest) :]
            _seal(fd)
            return fd, memoryview(mmap.mmap(fd, sum(map(len, parts)), mmap.MAP_SHARED, mmap.PROT_READ))
        except BaseException:
            os.close(fd)
            raise


def _seal(fd: int) -> None:
    """Seal a memory file; the kernel refuses while it holds one of its pages itself, after it has waited for 0.15 s."""
    for _ in range(_SEALINGS_MAX - 1):
        try:
            fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
        except OSError as problem:
            if problem.errno != errno.EBUSY:
                raise
        else:
            return
    fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)


def pack_image(header: ImageHeader, memory: memoryview | bytes) -> bytes:
    """Return the bytes that :func:`unpack_image` takes."""
    text = msgspec.json.encode(header)
    body = b"".join([_PREFIX.pack(_MAGIC, IMAGE_VERSION, len(text)), text, memory])
    return body + hashlib.sha256(body).digest()


def unpack_image(data: bytes) -> tuple[ImageHeader, memoryview]:
    """
    Return header and memory, or the records of a delta when the header names a base.

    Raises:
        SnapshotError: damaged bytes or an unknown version.
    """
    if len(data) < _PREFIX.size + _CHECKSUM_BYTES:
        raise SnapshotError(f"an image of {len(data)} bytes is cut short; load the program again")
    magic, version, size = _PREFIX.unpack_from(data)
    if magic != _MAGIC:
        raise SnapshotError("these bytes are not an image; load the program again")
    body, checksum = memoryview(data)[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if hashlib.sha256(body).digest() != checksum:
        raise SnapshotError("the image is damaged (its checksum does not match); load the program again")
    if version != IMAGE_VERSION:
        raise SnapshotError(f"the image has format {version}, not {IMAGE_VERSION}; load the program again")
    try:
        header = msgspec.json.decode(body[_PREFIX.size : _PREFIX.size + size], type=ImageHeader)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise SnapshotError(f"the image's header is damaged ({problem}); load the program again") from problem
    memory = body[_PREFIX.size + size :]
    if not header.base and len(memory) != header.pages * WASM_PAGE:
        raise SnapshotError(f"the image holds {len(memory)} bytes, its header says {header.pages} pages")
    return header, memory
