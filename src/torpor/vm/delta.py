"""
The format of a snapshot: how a VM's memory differs from its image.

::

    magic "TORP", version u16, 0 u16, image hash 32 bytes, memory pages u32, stack pointer u32,
    entropy position u64, clock i64 (epoch milliseconds), body bytes u64,
    body: for each 4 KiB page that differs, in order: page u32, 512 bits that say which 8-byte words differ
          (64 bytes, lowest bit first), those words
    CRC-32 of all before

Little-endian. Beyond the image, words that are not zero differ. Words that differ are stored as they are: XORed with
the image's they would compress worse, since much of what is overwritten is garbage. Not compressed: the codec does
that. The checksum is against damage; against forgery the codec encrypts.
"""

from __future__ import annotations

import struct
import zlib

import msgspec

from torpor.errors import SnapshotError

DELTA_VERSION = 1

_MAGIC = b"TORP"
_HEAD = struct.Struct("<4sHH32sIIQqQ")
_CRC = struct.Struct("<I")
_CHUNK = 4096  # zlib gives the GIL away for more than 5 KiB, and getting it back may take long


class Delta(msgspec.Struct, frozen=True):
    """
    A snapshot, taken apart.

    Attributes:
        image: hash of the image, hexadecimal.
        pages: 64 KiB pages of memory.
        stack_pointer: the guest's.
        entropy: bytes drawn of the run's entropy.
        clock: the guest's clock, epoch milliseconds.
        body: the pages that differ.
    """

    image: str
    pages: int
    stack_pointer: int
    entropy: int
    clock: int
    body: bytes | memoryview


def pack_delta(delta: Delta) -> bytes:
    """Return the bytes that :func:`unpack_delta` takes."""
    head = _HEAD.pack(
        _MAGIC,
        DELTA_VERSION,
        0,
        bytes.fromhex(delta.image),
        delta.pages,
        delta.stack_pointer,
        delta.entropy,
        delta.clock,
        len(delta.body),
    )
    data = head + delta.body
    return data + _CRC.pack(_checksum(memoryview(data)))


def unpack_delta(data: bytes, image: str) -> Delta:
    """
    Take a snapshot apart and check that it belongs to *image*.

    Raises:
        SnapshotError: damaged bytes, another format version, another image; in this order.
    """
    if len(data) < _HEAD.size + _CRC.size:
        raise SnapshotError(f"a snapshot of {len(data)} bytes is cut short; recover the run from its log")
    whole = memoryview(data)
    if _CRC.unpack_from(data, len(data) - _CRC.size)[0] != _checksum(whole[: -_CRC.size]):
        raise SnapshotError("the snapshot is damaged (its checksum does not match); recover the run from its log")
    magic, version, _, digest, pages, stack_pointer, entropy, clock, size = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise SnapshotError("these bytes are not a snapshot; recover the run from its log")
    if version != DELTA_VERSION:
        raise SnapshotError(
            f"the snapshot has format {version}, this Torpor reads {DELTA_VERSION}; recover the run from its log"
        )
    if digest.hex() != image:
        raise SnapshotError(
            f"the snapshot belongs to image {digest.hex()[:12]}…, not to {image[:12]}…; recover the run from its log"
        )
    body = whole[_HEAD.size : -_CRC.size]
    if len(body) != size:
        raise SnapshotError(f"the snapshot holds {len(body)} bytes, its head says {size}; recover the run from its log")
    return Delta(image, pages, stack_pointer, entropy, clock, body)


def _checksum(data: memoryview) -> int:
    crc = 0
    for at in range(0, len(data), _CHUNK):
        crc = zlib.crc32(data[at : at + _CHUNK], crc)
    return crc
