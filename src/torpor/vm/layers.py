"""
Images that share what they have in common.

A large guest's boot image lies in a file that all processes map, and a program's image is only what the program has
changed in it. So an image costs little in memory, less in storage, and its hash need not be one of megabytes.
"""

from __future__ import annotations

import hashlib
import os
import struct
import weakref
from collections.abc import Sequence
from itertools import pairwise

from torpor.vm import posix
from torpor.vm.image import MemoryImage, Piece, keep_bytes

RUNS_MAX = 64
"""
Separate ranges of memory that a layer covers. Each is a mapping of its own in every VM, of which a process may have
65 530; so pages that lie near each other are covered by one range, with what is between them.
"""

_RECORD_HEAD = struct.Struct("<I64s")
_WORD_BYTES = 8


class FileImage(MemoryImage):
    """
    An image whose bytes are those of a file.

    Args:
        fd: the file, which nobody changes; closed with the image.
        view: its bytes.
        at: where they begin in memory; before it are zeros. Only an image that begins at 0 has a view.
        stack_pointer: the guest's stack pointer.
        digest: the image's hash, such as that of the file.
    """

    def __init__(self, fd: int | None, view: memoryview, at: int, stack_pointer: int, digest: str) -> None:
        self.size = at + len(view)
        self.stack_pointer = stack_pointer
        self.hash, self.fd = digest, fd
        self._pieces = [Piece(0, at, None)] if at else []
        self._pieces.append(Piece(at, len(view), view, fd))
        if at == 0:
            self._view = view
        if fd is not None:
            weakref.finalize(self, os.close, fd)

    @property
    def pieces(self) -> Sequence[Piece]:
        return self._pieces


class LayeredImage(MemoryImage):
    """
    An image that is another one with some pages changed.

    Args:
        base: the other image.
        body: the records of a delta against it.
        memory: all bytes of the new image; what lies in pages without a record is the base's, or zero beyond it.

    Attributes:
        base: the other image.
        body: the records.
    """

    def __init__(self, base: MemoryImage, body: bytes, memory: memoryview) -> None:
        self.base, self.body = base, body
        self.size = len(memory)
        self.stack_pointer = base.stack_pointer
        self.hash = hashlib.sha256(b"".join([bytes.fromhex(base.hash), struct.pack("<Q", self.size), body])).hexdigest()
        runs = _runs(changed_pages(body), RUNS_MAX)
        self.fd, held = keep_bytes([memory[at : at + size] for at, size in runs]) if runs else (None, None)
        if self.fd is not None:
            weakref.finalize(self, os.close, self.fd)
        self._pieces = [*base.pieces]
        if self.size > base.size:
            self._pieces.append(Piece(base.size, self.size - base.size, None))
        offset = 0
        for at, size in runs:
            assert held is not None
            self._pieces.append(Piece(at, size, held[offset : offset + size], self.fd, offset))
            offset += size

    @property
    def pieces(self) -> Sequence[Piece]:
        return self._pieces


def changed_pages(body: bytes | memoryview) -> list[int]:
    """Return the numbers of the pages that the records of a delta change, in order."""
    pages, at = [], 0
    while at < len(body):
        page, mask = _RECORD_HEAD.unpack_from(body, at)
        pages.append(page)
        at += _RECORD_HEAD.size + _WORD_BYTES * int.from_bytes(mask, "little").bit_count()
    return pages


def _runs(pages: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Cover pages by at most *most* ranges (beginning, bytes), leaving out the widest gaps between them."""
    if not pages:
        return []
    gaps = sorted((b - a, a, b) for a, b in pairwise(pages) if b - a > 1)
    cuts = sorted((a, b) for _, a, b in gaps[max(0, len(gaps) - most + 1) :])
    begins = [pages[0], *(b for _, b in cuts)]
    ends = [*(a for a, _ in cuts), pages[-1]]
    return [(begin * posix.PAGE, (end - begin + 1) * posix.PAGE) for begin, end in zip(begins, ends, strict=True)]
