"""
The line to a process of Node: messages both ways over one socket, as ``js/steps/messages.mjs`` has them.

A message is a header in JSON and a body of bytes, with the lengths of both before them, four bytes each.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

LENGTHS_BYTES: Final = 8

Header = dict[str, Any]
Message = tuple[Header, bytes]


def packed(header: Header, body: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    head = json.dumps(header).encode()
    return len(head).to_bytes(4) + len(body).to_bytes(4) + head + body


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


class Channel:
    """
    Our end of the line.

    Args:
        reader, writer: of the socket.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, ours: socket.socket) -> Channel:
        """Return the channel over a connected socket, which it closes."""
        return cls(*await asyncio.open_connection(sock=ours))

    def send(self, header: Header, body: bytes = b"") -> None:
        """Send a message; what is sent to a process that has ended is lost, as it is."""
        self._writer.write(packed(header, body))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the other end is gone."""
        try:
            while True:
                lengths = await self._reader.readexactly(LENGTHS_BYTES)
                head = json.loads(await self._reader.readexactly(int.from_bytes(lengths[:4])))
                yield head, await self._reader.readexactly(int.from_bytes(lengths[4:]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def close(self) -> None:
        """End the line; the process at its other end ends, too."""
        self._writer.close()
