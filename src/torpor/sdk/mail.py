"""
Messages that are numbered both ways, over a way on which answers get lost: what is sent is kept until the other end
says that it has it, and what comes twice is taken once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from torpor.errors import UsageError
from torpor.limits import MIB
from torpor.sdk.channel import Header, Message, packed, unpacked

_AT_ONCE_BYTES: Final = 4 * MIB


class Mail:
    """Our end. Messages have the numbers 1, 2, … each way."""

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()  # those behind the last one of which the other end has told
        self._had = 0
        self._taken = 0
        self._more = asyncio.Event()

    def send(self, header: Header, body: bytes = b"") -> None:
        """Keep a message until it is had."""
        self._kept.append(packed(header, body))
        self._more.set()

    def behind(self, had: int) -> bytes:
        """
        Return the messages behind number *had*, one at least where there are any, and not too many at once.

        Raises:
            UsageError: the other end cannot have got so many, or had told of more before.
        """
        if not self._had <= had <= self._had + len(self._kept):
            raise UsageError(
                f"messages behind number {had} are asked for; there are those behind {self._had}, "
                f"up to {self._had + len(self._kept)}"
            )
        while self._had < had:
            self._kept.popleft()
            self._had += 1
        told = bytearray()
        for message in self._kept:
            if told and len(told) + len(message) > _AT_ONCE_BYTES:
                break
            told += message
        if not self._kept:
            self._more.clear()
        return bytes(told)

    async def more(self) -> None:
        """Wait until there is a message."""
        await self._more.wait()

    def take(self, before: int, data: bytes) -> list[Message]:
        """
        Return the messages that are new of those that the other end sends.

        Args:
            before: the number before the first of them.
            data: the messages.

        Raises:
            UsageError: they are none, or some are missing between those before and these.
        """
        if before > self._taken:
            raise UsageError(f"messages behind number {before} came before number {self._taken + 1}")
        try:
            come = list(unpacked(data))
        except ValueError as error:
            raise UsageError(f"these are no messages: {error}") from error
        new = come[self._taken - before :]
        self._taken += len(new)
        return new
