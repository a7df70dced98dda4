"""Streams: what steps write for others to read, in order, while they run."""

from __future__ import annotations

from typing import Literal

import msgspec

StreamType = Literal["", "bytes"]
"""What a stream carries: values, or raw bytes."""


class NewChunk(msgspec.Struct, frozen=True):
    """
    A chunk to be written.

    Attributes:
        data: one frame, see :mod:`torpor.codec.frames`.
        tag: authenticates the frame and its place, empty in runs that are not encrypted.
    """

    data: bytes
    tag: bytes = b""


class StreamBatch(msgspec.Struct, frozen=True, kw_only=True):
    """
    Chunks that one writer adds to a stream at once, and the end of the stream if it closes it.

    Attributes:
        run_id, name: which stream; the first batch makes it.
        type: what it carries.
        writer: id of the step that writes, or of whoever else holds the stream.
        attempt: of the step, 0 for others.
        first: how many chunks this attempt of the writer has written to the stream before. A batch that comes twice is
            stored once.
        chunks: in their order.
        end: authenticates the end of the stream, empty in runs that are not encrypted; None when it goes on.
    """

    run_id: str
    name: str
    type: StreamType = ""
    writer: str
    attempt: int = 0
    first: int
    chunks: tuple[NewChunk, ...] = ()
    end: bytes | None = None


class StreamEnd(msgspec.Struct, frozen=True):
    """
    The end of a stream.

    Attributes:
        writer, attempt: who has closed it.
        n: how many chunks this attempt of the writer had written to it.
        tag: authenticates the end, empty in runs that are not encrypted.
        at: when, epoch milliseconds.
    """

    writer: str
    attempt: int
    n: int
    tag: bytes
    at: int


class Stream(msgspec.Struct, frozen=True):
    """
    A stream as it stands.

    Attributes:
        run_id, name: which.
        type: what it carries.
        count: how many chunks it has; the last one's index is one less.
        size: bytes of all its frames.
        created_at, written_at: when it was first and last written to, epoch milliseconds.
        end: its end, None while it is open.
    """

    run_id: str
    name: str
    type: StreamType
    count: int
    size: int
    created_at: int
    written_at: int
    end: StreamEnd | None = None


class StreamWriter(msgspec.Struct, frozen=True):
    """
    Somebody who has written to a stream.

    Attributes:
        id: of the step, or of whoever else holds the stream.
        attempt: the newest one that has written.
        sent: how many chunks that attempt has written.
    """

    id: str
    attempt: int
    sent: int


class Chunk(msgspec.Struct, frozen=True):
    """
    A chunk of a stream.

    Attributes:
        index: its place in the stream, from 0.
        data: one frame.
        tag: authenticates the frame and its place.
        writer, attempt: who wrote it.
        n: its place among the chunks of that attempt, from 0.
        at: when it was stored, epoch milliseconds.
        last: whether no newer attempt of its writer had written to the stream when it was read.
    """

    index: int
    data: bytes
    tag: bytes
    writer: str
    attempt: int
    n: int
    at: int
    last: bool = True


class StreamPage(msgspec.Struct, frozen=True):
    """
    Some chunks of a stream, and the stream as it stood at that moment.

    Attributes:
        chunks: in their order.
        start: index of the first one, or where it would stand.
        stream: None as long as nobody has written.
        run_ended: whether the run had ended.
    """

    chunks: tuple[Chunk, ...]
    start: int
    stream: Stream | None
    run_ended: bool

    @property
    def next(self) -> int:
        """Where the next page begins."""
        return self.start + len(self.chunks)

    @property
    def is_last(self) -> bool:
        """Whether the stream is closed, and nothing comes after these chunks."""
        return self.stream is not None and self.stream.end is not None and self.next >= self.stream.count
