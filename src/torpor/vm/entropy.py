"""
A run's randomness: one endless stream of bytes, a function of the run's secret seed.

Block *i* is ``SHAKE-256(label ‖ seed ‖ i)``: any position can be reached at once, and a snapshot keeps only that.
"""

from __future__ import annotations

import hashlib

SEED_BYTES = 32
BLOCK_BYTES = 1024

ENTROPY_BYTES_MAX = 2**53
"""More is drawn by no run: at 100 MB a second it would take three years of CPU time."""

_LABEL = b"torpor entropy 1\0"


class Entropy:
    """
    The stream of one seed and a position in it.

    Attributes:
        position: bytes drawn so far.
    """

    __slots__ = ("_block", "_index", "_seed", "position")

    def __init__(self, seed: bytes, position: int = 0) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, this one has {len(seed)}")
        self._seed = seed
        self._index = -1
        self._block = b""
        self.position = position

    def draw(self, count: int) -> bytes:
        """Return the next *count* bytes."""
        out = bytearray()
        while len(out) < count:
            index, offset = divmod(self.position, BLOCK_BYTES)
            if index != self._index:
                self._index, self._block = index, self._make(index)
            piece = self._block[offset : offset + count - len(out)]
            self.position += len(piece)
            out += piece
        return bytes(out)

    def derive(self, purpose: str, count: int) -> bytes:
        """Return *count* bytes for a named purpose of their own, apart from the stream."""
        return hashlib.shake_256(_LABEL + self._seed + purpose.encode()).digest(count)

    def _make(self, index: int) -> bytes:
        return hashlib.shake_256(_LABEL + self._seed + index.to_bytes(8, "little")).digest(BLOCK_BYTES)
