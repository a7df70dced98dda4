"""
The line to a process of Node: messages both ways over one socket, as ``js/steps/channel.mjs`` has them.

A message is a header in JSON and a body of bytes, with the lengths of both before them, four bytes each.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

_LENGTHS_BYTES: Final = 8

Header = dict[str, Any]


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
        head = json.dumps(header).encode()
        self._writer.write(len(head).to_bytes(4) + len(body).to_bytes(4) + head + body)

    async def messages(self) -> AsyncIterator[tuple[Header, bytes]]:
        """Yield what arrives, until the other end is gone."""
        try:
            while True:
                lengths = await self._reader.readexactly(_LENGTHS_BYTES)
                head = json.loads(await self._reader.readexactly(int.from_bytes(lengths[:4])))
                yield head, await self._reader.readexactly(int.from_bytes(lengths[4:]))
        except (asyncio.IncompleteReadError, ConnectionError):
            return

    def close(self) -> None:
        """End the line; the process at its other end ends, too."""
        self._writer.close()
