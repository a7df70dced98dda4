"""
Reading streams: pages as they are stored, decrypted and checked, and waiting for what is written next.

One subscription to the world serves all who follow streams in this process. A reader asks for a page, and when there is
nothing new waits until it is told that its run's streams, or those of any run in another process, were written to.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import msgspec

from torpor.codec.crypto.run_codec import RunCodec
from torpor.codec.frames import Place, body_of
from torpor.codec.large import in_thread_if, is_large_payload
from torpor.errors import DecryptionError
from torpor.limits import STREAM_BATCH_BYTES_MAX, STREAM_BATCH_CHUNKS_MAX
from torpor.model import Chunk, Notice, Stream, StreamPage
from torpor.world import World

_LOOK_AGAIN_SECONDS: Final = 5.0
_PAUSES_SECONDS: Final = (0, 0.001, 0.002, 0.004, 0.008, 0.016)
"""Before looks that nobody has good reasons for: another process is busy, and each look so far was in vain."""

Until = Literal["end", "close", "now"]
"""
When a reader stops: ``end`` when the stream is closed, or its run has ended and all is read; ``close`` only when it is
closed; ``now`` when all is read that is there.
"""

Attempts = Literal["all", "last"]
"""Whose chunks a reader gets: of all attempts of steps, or not of those that another one had replaced when it read."""


class StreamChunk(msgspec.Struct, frozen=True):
    """
    A chunk of a stream, as its readers see it.

    Attributes:
        index: its place in the stream, from 0.
        value: what was written.
        writer: id of the step that wrote it, or of whoever else held the stream.
        attempt: of the step, 0 for others.
        is_last_attempt: whether no newer attempt of the step had written when it was read.
        at: when it was stored, epoch milliseconds.
    """

    index: int
    value: Any
    writer: str
    attempt: int
    is_last_attempt: bool
    at: int


class Part(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What of a stream is read. Its fields travel in the handle of the stream.

    Attributes:
        start: index of the first chunk, a negative one counts from the end.
        stop: index behind the last one, None for no such bound; whoever sets it knows that they are there.
        writer, attempt: only chunks of this attempt of this step, ``""`` for all.
        until: when to stop.
        attempts: whose chunks.
    """

    start: int = msgspec.field(default=0, name="startIndex")  # as the SDK calls it
    stop: int | None = None
    writer: str = ""
    attempt: int = 0
    until: Until = "end"
    attempts: Attempts = "all"

    def fields(self) -> dict[str, Any]:
        """Return those that say something."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def has(self, chunk: Chunk) -> bool:
        """Return whether a chunk belongs to it."""
        if self.writer and (chunk.writer, chunk.attempt) != (self.writer, self.attempt):
            return False
        return chunk.last or self.attempts == "all"


class Follower:
    """
    Somebody who follows a run's streams.

    Attributes:
        news: set when there may be something.
        is_sure: whether it was said that there is something of this run.
    """

    __slots__ = ("is_sure", "news")

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.is_sure = False

    def forget(self) -> None:
        """Begin to wait anew."""
        self.news.clear()
        self.is_sure = False


class News:
    """
    Who follows a world's streams, and is told when they are written to.

    Args:
        world: an open world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._following: dict[str, list[Follower]] = {}
        self._unsubscribe: Callable[[], None] | None = None

    @contextmanager
    def of(self, run_id: str) -> Iterator[Follower]:
        """Tell the follower, in the block, whenever a stream of the run may have been written to, or it has ended."""
        follower = Follower()
        if self._unsubscribe is None:
            self._unsubscribe = self._world.subscribe(self._notice)
        self._following.setdefault(run_id, []).append(follower)
        try:
            yield follower
        finally:
            self._following[run_id].remove(follower)
            if not self._following[run_id]:
                del self._following[run_id]
            if not self._following and self._unsubscribe is not None:
                self._unsubscribe()
                self._unsubscribe = None

    def _notice(self, notice: Notice) -> None:
        if not (notice.written or notice.ended):
            return
        runs = self._following if notice.run_id is None else [notice.run_id]
        for run_id in runs:
            for follower in self._following.get(run_id, ()):
                follower.is_sure |= notice.run_id is not None
                follower.news.set()


class Decoder:
    """
    Makes values of a stream's chunks, in their order, and checks that they are its writers'.

    Args:
        run_codec: the run's.
        run_id, name: which stream.
        loads: makes a value of an envelope.
    """

    def __init__(self, run_codec: RunCodec, run_id: str, name: str, loads: Callable[[bytes], Any]) -> None:
        self._run_codec = run_codec
        self._run_id, self._name = run_id, name
        self._loads = loads
        self._places: dict[tuple[str, int], Place] = {}
        self._seen: dict[tuple[str, int], int] = {}  # number of the next chunk of each attempt
        self._from_start = False

    def begin(self, page: StreamPage) -> None:
        """Learn where reading begins: behind the beginning nobody knows what came before."""
        self._from_start = page.start == 0

    async def value(self, stream: Stream, chunk: Chunk) -> Any:
        """
        Return what was written.

        Raises:
            KeyMissingError: the run's key is not here.
            DecryptionError: it is not what a holder of the key has written there.
            SerializationError: it cannot be read here.
        """
        body = self._run_codec.decrypt(body_of(chunk.data))
        if stream.type == "bytes":
            return body
        return await in_thread_if(is_large_payload(body), self._loads, body)

    def check(self, chunk: Chunk) -> None:
        """
        Check that a chunk is its writer's next one; every chunk of a page, whoever asked for it.

        Raises:
            DecryptionError: it is not.
        """
        if not self._run_codec.key_id:
            return
        who = chunk.writer, chunk.attempt
        self._place(*who).check(chunk.n, chunk.data, chunk.tag)
        wanted = self._seen.get(who, 0 if self._from_start else chunk.n)
        self._seen[who] = chunk.n + 1
        if chunk.n != wanted:
            raise self._astray(f"chunk {chunk.index} is number {chunk.n} of {chunk.writer}, and {wanted} was to follow")

    def check_end(self, stream: Stream) -> None:
        """
        Check that the stream was ended where it ends.

        Raises:
            DecryptionError: it was not.
        """
        end = stream.end
        if end is None or not self._run_codec.key_id:
            return
        who = end.writer, end.attempt
        self._place(*who).check_end(end.n, end.tag)
        wanted = self._seen.get(who, 0 if self._from_start else end.n)
        if end.n != wanted:
            raise self._astray(f"{end.writer} ended it behind {end.n} chunks of its own, and {wanted} are there")

    def _place(self, writer: str, attempt: int) -> Place:
        place = self._places.get((writer, attempt))
        if place is None:
            place = self._places[writer, attempt] = Place(self._run_codec, self._name, writer, attempt)
        return place

    def _astray(self, problem: str) -> DecryptionError:
        return DecryptionError(f"stream {self._name} of run {self._run_id}: {problem}; chunks were taken out or moved")


async def pages(world: World, news: News, run_id: str, name: str, part: Part) -> AsyncIterator[StreamPage]:
    """
    Yield a stream's pages as they are written, until the part is read.

    Raises:
        RunNotFoundError: no such run.
    """
    start = part.start
    in_vain = 0
    with news.of(run_id) as follower:
        while True:
            follower.forget()  # before the look, so that nothing is missed between the two
            page = await world.read_stream(
                run_id, name, start=start, limit=_limit(part, start), bytes_max=STREAM_BATCH_BYTES_MAX
            )
            # Before anything is written a place that is counted from the end is the beginning, and no other one yet.
            start = page.next if page.stream is not None or start >= 0 else start
            if page.chunks or page.is_last:
                yield page
            if page.is_last or (part.stop is not None and start >= part.stop):
                return
            if page.chunks:
                in_vain = 0
                continue
            if part.until == "now" or (part.until == "end" and page.run_ended):
                return
            try:  # notices are hints; a look from time to time makes a lost one harmless
                async with asyncio.timeout(_LOOK_AGAIN_SECONDS):
                    await follower.news.wait()
            except TimeoutError:
                continue
            if not follower.is_sure:
                await asyncio.sleep(_PAUSES_SECONDS[min(in_vain, len(_PAUSES_SECONDS) - 1)])
                in_vain += 1


def _limit(part: Part, start: int) -> int:
    if part.stop is None:
        return STREAM_BATCH_CHUNKS_MAX
    return max(0, min(STREAM_BATCH_CHUNKS_MAX, part.stop - start))
