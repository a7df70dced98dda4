"""Images keep their bytes, and refuse to be what they are not."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct

import pytest

from torpor.errors import HostError, SnapshotError
from torpor.vm.image import ImageHeader, MemoryImage, pack_image, unpack_image
from torpor.vm.limits import WASM_PAGE

MEMORY = bytes(range(256)) * (WASM_PAGE // 256)
HEADER = ImageHeader(build="b" * 64, program="p" * 64, stack_pointer=1024, per_run=None, pages=1)


def test_the_hash_covers_memory_and_machine_state() -> None:
    """
    One byte or another stack pointer make another image.
    """
    hashes = {
        MemoryImage(MEMORY, 1024).hash,
        MemoryImage(MEMORY, 1040).hash,
        MemoryImage(MEMORY[:-1] + b"\0", 1024).hash,
    }

    assert len(hashes) == 3
    assert MemoryImage(MEMORY, 1024).hash == hashlib.sha256(struct.pack("<Q", 1024) + MEMORY).hexdigest()


def test_the_bytes_are_sealed() -> None:
    """
    Nobody can change an image that VMs have mapped.
    """
    image = MemoryImage(MEMORY, 0)
    assert image.fd is not None

    assert bytes(image.view) == MEMORY
    with pytest.raises(PermissionError):
        os.pwrite(image.fd, b"x", 0)
    with pytest.raises(PermissionError):
        os.ftruncate(image.fd, 0)


@pytest.mark.parametrize("busy", [2, 100])
def test_a_page_that_the_kernel_holds_is_waited_for(monkeypatch: pytest.MonkeyPatch, busy: int) -> None:
    """Sealing is tried again, but not for ever: then this host cannot keep the image now."""
    seal, tries = fcntl.fcntl, 0

    def refused(fd: int, command: int, argument: int = 0) -> int:
        nonlocal tries
        tries += 1
        if tries <= busy:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        return int(seal(fd, command, argument))

    monkeypatch.setattr(fcntl, "fcntl", refused)
    if busy == 100:
        with pytest.raises(HostError, match="keeping an image in a memory file"):
            MemoryImage(MEMORY, 0)
    else:
        assert bytes(MemoryImage(MEMORY, 0).view) == MEMORY
        assert tries == busy + 1


def test_without_memory_files_the_bytes_are_kept_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A sandbox that refuses memory files gets images in plain memory.
    """

    def refuse(_name: str, _flags: int) -> int:
        raise OSError("refused")

    monkeypatch.setattr(os, "memfd_create", refuse)
    image = MemoryImage(MEMORY, 0)

    assert image.fd is None
    assert bytes(image.view) == MEMORY


def test_a_forgotten_image_gives_its_file_back() -> None:
    """
    Images do not leak file descriptors.
    """
    image = MemoryImage(MEMORY, 0)
    fd = image.fd
    assert fd is not None
    del image

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_packed_bytes_come_back() -> None:
    """
    Unpacking gives header and memory.
    """
    header, memory = unpack_image(pack_image(HEADER, memoryview(MEMORY)))

    assert header == HEADER
    assert bytes(memory) == MEMORY


@pytest.mark.parametrize(("at", "complaint"), [(0, "not an image"), (8, "has format 257, not 1"), (500, "checksum")])
def test_what_is_wrong_is_told(at: int, complaint: str) -> None:
    """
    Other bytes, another format and damage are told apart.
    """
    data = bytearray(pack_image(HEADER, memoryview(MEMORY)))
    data[at + (at == 8)] ^= 1
    if at == 8:
        data[-32:] = hashlib.sha256(data[:-32]).digest()

    with pytest.raises(SnapshotError, match=complaint):
        unpack_image(bytes(data))


def test_a_header_that_promises_other_memory_is_refused() -> None:
    """
    The number of pages must be that of the bytes.
    """
    data = pack_image(HEADER, memoryview(MEMORY * 2))

    with pytest.raises(SnapshotError, match="131072 bytes, its header says 1 pages"):
        unpack_image(data)
