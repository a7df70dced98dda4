"""Notices on a connection that stays: each behind its length, and nothing for a while is an empty one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.errors import WorldError
from torpor.model import Notice

MEDIA: Final = "application/vnd.torpor.notices"
PING_SECONDS: Final = 10.0
"""After so long a silence the server sends an empty frame; a client that hears nothing for longer connects anew."""

ANYTHING: Final = Notice(None, work=True, ended=True, written=True, hooked=True, cancelling=True)
"""For who may have missed some."""

_LENGTH_BYTES: Final = 2

_decoder: Final = msgspec.msgpack.Decoder(Notice)


def frame(notice: Notice | None) -> bytes:
    """Return a notice as bytes, without the ending that only its own process is told; None is the empty frame."""
    body = b"" if notice is None else msgspec.msgpack.encode(replace(notice, ending=None))
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


async def notices(pieces: AsyncIterator[bytes]) -> AsyncIterator[Notice | None]:
    """
    Return what is in pieces of bytes, which may end anywhere: notices, and None for an empty frame. The first one is
    empty: from then on none is missed.

    Raises:
        WorldError: they are none.
    """
    waiting = bytearray()
    async for piece in pieces:
        waiting += piece
        for body in _taken(waiting):
            try:
                yield _decoder.decode(body) if body else None
            except msgspec.DecodeError as error:
                raise WorldError(f"what the server sent is no notice: {error}") from error


def _taken(waiting: bytearray) -> Iterator[bytes]:
    """Take whole frames from the beginning."""
    while len(waiting) >= _LENGTH_BYTES:
        end = _LENGTH_BYTES + int.from_bytes(waiting[:_LENGTH_BYTES], "big")
        if len(waiting) < end:
            return
        body = bytes(waiting[_LENGTH_BYTES:end])
        del waiting[:end]
        yield body
