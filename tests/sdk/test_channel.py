"""The line to Node: both of its ends, with messages of every size, which come in whatever pieces the socket makes."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator

import pytest

from torpor.programs.javascript.sdk_project import node, scripts
from torpor.sdk.channel import Channel, Header, Message

_ECHO = """
const { Channel } = await import(process.argv[1]);
const channel = new Channel(Number(process.argv[2]), (header, body) => {
  const half = body.length >> 1;
  channel.send(header, body.subarray(0, half), body.subarray(half));
});
"""
SIZES = [0, 1, 7, 70_000, 0, 262_144, 3_000_000, 2, 65_536, 65_537, *range(200)]


class Echo:
    """A process of Node that sends every message back, its body in two parts."""

    def __init__(self) -> None:
        self.come: list[Message] = []
        self.channel = Channel(self._take)
        self._wanted = 0
        self._has_come = asyncio.Event()

    def _take(self, header: Header, body: bytes) -> None:
        self.come.append((header, body))
        if len(self.come) == self._wanted:
            self._has_come.set()

    async def sent(self, messages: list[Message]) -> list[Message]:
        """Send messages, all at once, and return what has come back."""
        self._wanted = len(messages)
        for header, body in messages:
            self.channel.send(header, body)
        await self._has_come.wait()
        return self.come


@pytest.fixture
async def echo() -> AsyncIterator[Echo]:
    """Yield one that is connected; it ends with the line."""
    ours, theirs = socket.socketpair()
    file = scripts() / "channel.mjs"
    with theirs:
        process = await asyncio.create_subprocess_exec(
            *(node(), "--input-type=module", "-e", _ECHO, file.as_uri(), str(theirs.fileno())),
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
        )
    echo = Echo()
    await echo.channel.connect(ours)
    yield echo
    echo.channel.close()
    await echo.channel.ended
    assert await process.wait() == 0


async def test_messages_come_whole_and_in_their_order(echo: Echo) -> None:
    """Empty ones, those of a few bytes, and those that are larger than any buffer on the way."""
    messages: list[Message] = [
        ({"number": number, "text": "größer" * (number % 3)}, bytes((number % 251,)) * size)
        for number, size in enumerate(SIZES)
    ]
    assert await echo.sent(messages) == messages


async def test_a_header_may_be_larger_than_its_body(echo: Echo) -> None:
    """It may be larger than the buffer, too."""
    messages: list[Message] = [({"text": "x" * 1_000_000}, b"body"), ({}, b"behind it")]
    assert await echo.sent(messages) == messages


async def test_a_header_may_have_half_a_character(echo: Echo) -> None:
    """As what V8 says of a text that is no JSON and begins with an emoji: no step ends the line by its error."""
    messages: list[Message] = [({"told": "Unexpected token '\ud83d'", "whole": "😀"}, b"body"), ({}, b"behind it")]
    assert await echo.sent(messages) == messages


async def test_the_end_of_the_other_end_is_told() -> None:
    """Whatever is sent then is lost."""
    ours, theirs = socket.socketpair()
    channel = Channel(lambda *_: None)
    await channel.connect(ours)
    theirs.close()
    await channel.ended
    channel.send({"type": "late"})
    channel.close()
