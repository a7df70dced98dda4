"""
Streams of runs: as pages, as server-sent events, and as raw bytes; followed while they are written.

A server-sent event has the chunk's index as its id, so that a browser which was cut off goes on behind the last one
that it has; whoever reads raw bytes goes on behind so many bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from torpor.engine.stream_reading import Attempts, Part, StreamChunk
from torpor.engine.streams import StreamInfo
from torpor.errors import StreamTypeError, TorporError
from torpor.http.problems import BadRequestError, ForbiddenError, problem_of
from torpor.http.routing import Call, Router
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.service import Service
from torpor.inspection.streams import chunk_data, stream_data
from torpor.limits import STREAM_BATCH_CHUNKS_MAX
from torpor.stream_names import stored_name

router = Router("streams")

EVENTS: Final = "text/event-stream"
BYTES: Final = "application/octet-stream"

KEEP_ALIVE_SECONDS: float = 15.0
"""A connection on which nothing is said for so long gets a comment, which tells whether somebody is there."""

_AHEAD: Final = 16
"""Chunks that are read before the reader has taken those before them."""

Name = Annotated[str, msgspec.Meta(max_length=256)]


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """A stream; see :class:`torpor.engine.streams.StreamInfo`. Times are ISO 8601."""

    name: str
    stored_name: str
    type: str
    count: int
    size: int
    created_at: str | None
    written_at: str | None
    closed: bool


class ChunkView(msgspec.Struct, frozen=True, kw_only=True):
    """A chunk; see :class:`torpor.engine.stream_reading.StreamChunk`. Bytes are ``base64:…``, times ISO 8601."""

    index: int
    value: Any
    writer: str
    attempt: int | None
    is_last_attempt: bool
    at: str | None


class ChunkPage(msgspec.Struct, frozen=True):
    """
    Some chunks.

    Attributes:
        chunks: in their order.
        next: index that the next page begins at.
        done: whether the stream is closed, and nothing comes after these.
    """

    chunks: list[ChunkView]
    next: int
    done: bool


class WhichChunks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What of which stream.

    Attributes:
        name: of the stream, empty for the run's default one.
        start: index of the first chunk; a negative one counts from the end.
        limit: how many at most.
        attempts: ``all`` chunks, or not those of attempts that another one had replaced: ``last``.
    """

    name: Name = ""
    start: Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=STREAM_BATCH_CHUNKS_MAX)] = 100
    attempts: Attempts = "all"


class WhichEvents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of which stream is followed; ``Last-Event-ID`` comes before *start*. See :class:`WhichChunks`."""

    name: Name = ""
    start: Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)] = 0
    attempts: Attempts = "all"


class WhichBytes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What of which stream of bytes.

    Attributes:
        name: of the stream, empty for the run's default one.
        offset: how many bytes are left out, because they have been read.
        attempts: as of chunks.
    """

    name: Name = ""
    offset: Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)] = 0
    attempts: Attempts = "all"


@router.get("/v1/runs/{run}/streams", "read")
async def list_streams(call: Call) -> list[StreamView]:
    """List the streams of a run, those that somebody has written to."""
    info = await known_run(call)
    found: list[StreamInfo] = await call.service.client.streams.of_run(info.id)
    return [StreamView(**stream_data(each)) for each in found]


@router.get("/v1/runs/{run}/stream", "read")
async def read_page(call: Call, query: WhichChunks) -> ChunkPage:
    """Return chunks of a stream that are there now."""
    info = await known_run(call)
    client, name = call.service.client, stored_name(info.id, query.name)
    stored = await client.world.read_stream(info.id, name, start=query.start, limit=query.limit)
    if not stored.chunks:
        return ChunkPage([], stored.next, stored.is_last)
    part = Part(start=stored.start, stop=stored.next, until="now", attempts=query.attempts)
    reader = call.service.reader(decrypt=call.opens(info))
    chunks = [_view(chunk) async for chunk in reader.stream(info.id, query.name, part)]
    return ChunkPage(chunks, stored.next, stored.is_last)


@router.get("/v1/runs/{run}/stream/events", "read", media=(EVENTS,), headers=("Last-Event-ID",))
async def follow(call: Call, query: WhichEvents) -> Response:
    """
    Follow a stream as server-sent events: ``chunk`` for each, its index as the id, and ``end`` behind the last one.

    Where the connection is cut, a browser comes back with ``Last-Event-ID`` and goes on behind that chunk. An error
    that comes late is a ``problem``.
    """
    info = await known_run(call)
    start = query.start
    if known := call.request.headers.get("last-event-id"):
        if not (known.isascii() and known.isdigit() and len(known) < len(str(NUMBER_MAX))):
            raise BadRequestError(f"Last-Event-ID {known:.50} is no index of a chunk")
        start = int(known) + 1
    reader = call.service.reader(decrypt=call.opens(info))
    stored_name(info.id, query.name)  # refuses what can be no name, before the answer begins
    chunks = reader.stream(info.id, query.name, Part(start=start, attempts=query.attempts))
    return StreamingResponse(_events(call, chunks), media_type=EVENTS)


@router.get("/v1/runs/{run}/stream/bytes", "read", media=(BYTES,))
async def follow_bytes(call: Call, query: WhichBytes) -> Response:
    """Follow a stream of bytes; whoever was cut off goes on behind the ``offset`` bytes that he has."""
    info = await known_run(call)
    if info.key_id and not call.opens(info):
        raise ForbiddenError("the stream is encrypted, and its bytes are nothing without: this takes the role decrypt")
    found = await call.service.client.streams.look(info.id, stored_name(info.id, query.name))
    if found.count and found.type != "bytes":
        raise StreamTypeError(f"stream {query.name!r} of run {info.id} carries values: read its /stream or its events")
    reader = call.service.reader(decrypt=bool(info.key_id))
    chunks = reader.stream(info.id, query.name, Part(attempts=query.attempts))
    return StreamingResponse(_bytes(call.service, chunks, query.offset), media_type=BYTES)


async def _events(call: Call, chunks: AsyncIterator[StreamChunk]) -> AsyncIterator[bytes]:
    service = call.service
    try:
        async with aclosing(batches(service.stopping, chunks)) as coming:
            async for batch in coming:
                told = zip(batch, await call.shown([_view(chunk) for chunk in batch]), strict=True)
                yield b"".join(_event(chunk.index, view) for chunk, view in told) or b": nothing new\n\n"
    except TorporError as error:
        yield b"event: problem\ndata: %b\n\n" % msgspec.json.encode(problem_of(error))
        return
    if not service.stopping.is_set():  # else the reader comes back, here or elsewhere
        yield b"event: end\ndata: {}\n\n"


async def _bytes(service: Service, chunks: AsyncIterator[StreamChunk], offset: int) -> AsyncIterator[bytes]:
    """Yield bytes; what cannot be read, or is none, breaks the connection off, so that nobody takes it for the end."""
    async with aclosing(batches(service.stopping, chunks)) as coming:
        async for batch in coming:
            for chunk in batch:
                if not isinstance(chunk.value, bytes):
                    raise StreamTypeError(f"chunk {chunk.index} is a value")
                if offset < len(chunk.value):
                    yield chunk.value[offset:]
                offset = max(0, offset - len(chunk.value))
    if service.stopping.is_set():
        raise ConnectionAbortedError("the server stops, and the stream goes on")


async def batches(stop: asyncio.Event, chunks: AsyncIterator[StreamChunk]) -> AsyncGenerator[list[StreamChunk], None]:
    """
    Yield the chunks that are there, together; an empty list after :data:`KEEP_ALIVE_SECONDS` without any; end with the
    chunks, or when *stop* is set.
    """
    ahead: asyncio.Queue[StreamChunk] = asyncio.Queue(_AHEAD)

    async def read() -> None:
        async for chunk in chunks:
            await ahead.put(chunk)

    reading = asyncio.ensure_future(read())
    stopping = asyncio.ensure_future(stop.wait())
    try:
        while not stopping.done():
            coming = asyncio.ensure_future(ahead.get())
            try:
                await asyncio.wait(
                    {coming, reading, stopping}, timeout=KEEP_ALIVE_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                batch = [coming.result()] if coming.done() else []
            finally:
                coming.cancel()
            while not ahead.empty():
                batch.append(ahead.get_nowait())
            is_over = reading.done() and ahead.empty()
            if batch or not (is_over or stopping.done()):
                yield batch
            if is_over:
                reading.result()  # or what it raised
                return
    finally:
        for task in (reading, stopping):
            task.cancel()
        await asyncio.wait((reading, stopping))


def _event(index: int, view: Any) -> bytes:
    return b"id: %d\nevent: chunk\ndata: %b\n\n" % (index, msgspec.json.encode(view))


def _view(chunk: StreamChunk) -> ChunkView:
    return ChunkView(**chunk_data(chunk))
