"""
The line to a process of Node: messages both ways over one socket, as ``js/steps/messages.mjs`` has them.

A message is a header in JSON and a body of bytes, with the lengths of both before them, four bytes each.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from typing import Any, Final, cast

import msgspec

from torpor.limits import MIB

LENGTHS_BYTES: Final = 8
_BUFFER_BYTES: Final = MIB // 4

Header = dict[str, Any]
Message = tuple[Header, bytes]


def packed(header: Header, body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    try:
        head = msgspec.json.encode(header)
    except UnicodeEncodeError:  # half of a character, which JavaScript's strings may have
        head = json.dumps(header).encode()
    return b"".join((len(head).to_bytes(4), len(body).to_bytes(4), head, body))


def unpacked(data: bytes) -> Iterable[Message]:
    """
    Yield the messages that stand one behind the other in some bytes.

    Raises:
        ValueError: they are none, or the last is not whole.
    """
    at = 0
    while at < len(data):
        behind_head = at + LENGTHS_BYTES + int.from_bytes(data[at : at + 4])
        end = behind_head + int.from_bytes(data[at + 4 : at + LENGTHS_BYTES])
        if end > len(data):
            raise ValueError(f"the last message ends {end - len(data)} bytes too early")
        header = json.loads(data[at + LENGTHS_BYTES : behind_head])
        if not isinstance(header, dict):
            raise ValueError("the header of a message is no object")  # noqa: TRY004  # of what was sent, not of a call
        yield header, data[behind_head:end]
        at = end


class Channel(asyncio.BufferedProtocol):
    """
    Our end of the line. What comes is read into one buffer, out of which each body is copied once.

    Args:
        take: is called with each message.

    Attributes:
        ended: once the other end is gone.
    """

    def __init__(self, take: Callable[[Header, bytes], None]) -> None:
        self._take = take
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._filled = 0
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self, ours: socket.socket) -> None:
        """Begin, over a connected socket, which is closed with the channel."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)

    def send(self, header: Header, body: bytes = b"") -> None:
        """Send a message; what is sent to a process that has ended is lost, as it is."""
        if self._transport is not None:
            self._transport.write(packed(header, body))

    def close(self) -> None:
        """End the line; the process at its other end ends, too."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Called by the event loop."""
        if not self.ended.done():
            self.ended.set_result(None)

    def get_buffer(self, _: int) -> memoryview:
        """Return room for what comes next; called by the event loop."""
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, count: int) -> None:
        """Take the messages that are whole now; called by the event loop."""
        self._filled += count
        at = wanted = 0
        with memoryview(self._buffer)[: self._filled] as data:
            while self._filled - at >= LENGTHS_BYTES:
                behind_head = at + LENGTHS_BYTES + int.from_bytes(data[at : at + 4])
                end = behind_head + int.from_bytes(data[at + 4 : at + LENGTHS_BYTES])
                if end > self._filled:
                    wanted = end - at
                    break
                self._take(_header(data[at + LENGTHS_BYTES : behind_head]), bytes(data[behind_head:end]))
                at = end
        self._keep(at, wanted)

    def _keep(self, at: int, wanted: int) -> None:
        """Move what is behind a place to the front of a buffer that has room for the message that it begins."""
        rest = self._filled - at
        size = max(_BUFFER_BYTES, wanted)
        if size > len(self._buffer) or (len(self._buffer) > _BUFFER_BYTES and not rest):
            buffer = bytearray(size)  # another one, since the event loop may hold on to the old one
            buffer[:rest] = self._buffer[at : self._filled]
            self._buffer = buffer
        elif at:
            self._buffer[:rest] = self._buffer[at : self._filled]
        self._filled = rest


def _header(head: memoryview) -> Header:
    try:
        return msgspec.json.decode(head, type=Header)
    except msgspec.DecodeError:  # half of a character, as in the message of ``JSON.parse("😀")``
        found: Header = json.loads(bytes(head))
        return found
