"""A wall clock that jumps for all processes at once: its offset stands in a file that each of them has mapped."""

from __future__ import annotations

import asyncio
import mmap
import struct
from pathlib import Path

from torpor.clock import SystemClock

_OFFSET = struct.Struct("<q")
_LOOK_SECONDS = 0.1


class SharedClock(SystemClock):
    """
    The machine's clock, set wrong on purpose; its steady time is the machine's.

    Args:
        path: the file with the offset; made if there is none.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(_OFFSET.pack(0))
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), _OFFSET.size)

    def now(self) -> int:
        return super().now() + self.ahead_ms

    @property
    def ahead_ms(self) -> int:
        """By how much it is wrong."""
        (ahead,) = _OFFSET.unpack_from(self._offset)
        return int(ahead)

    def set(self, ahead_ms: int) -> None:
        """Set it for everybody."""
        _OFFSET.pack_into(self._offset, 0, ahead_ms)

    async def wait_until(self, at: int) -> None:
        while (left := at - self.now()) > 0:  # noqa: ASYNC110  # nobody tells when it is set
            await asyncio.sleep(min(left / 1000, _LOOK_SECONDS))


def set_wrong(path: Path) -> None:
    """Let the clock of this process be wrong from now on by what a file says, which its owner may change."""
    right, wrong = SystemClock.now, SharedClock(path)
    SystemClock.now = lambda self: right(self) + wrong.ahead_ms  # type: ignore[method-assign]  # the point of it
