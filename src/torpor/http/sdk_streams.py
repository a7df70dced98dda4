"""
Streams as the World of the TypeScript Workflow SDK has them: chunks are frames, as they are stored.

A frame is four bytes that say how long the rest is, and one envelope or raw bytes; nobody opens it on its way.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

import msgspec
from starlette.responses import Response, StreamingResponse

from torpor.codec.frames import bodies_of, frame
from torpor.engine.stream_reading import Part, StreamChunk
from torpor.http.problems import ForbiddenError
from torpor.http.routing import Call, Router
from torpor.http.runs import NUMBER_MAX, known_run
from torpor.http.streams import BYTES, batches
from torpor.limits import STREAM_BATCH_CHUNKS_MAX
from torpor.stream_names import stored_name

router = Router("sdk")

_VALUE = b"devl"


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    Where to begin.

    Attributes:
        start: index of the first chunk; a negative one counts from the end.
    """

    start: Annotated[int, msgspec.Meta(ge=-NUMBER_MAX, le=NUMBER_MAX)] = 0


class Some(Place, frozen=True, forbid_unknown_fields=True):
    """
    Which chunks.

    Attributes:
        limit: how many at most.
    """

    limit: Annotated[int, msgspec.Meta(ge=1, le=STREAM_BATCH_CHUNKS_MAX)] = 100


class FramedChunk(msgspec.Struct, frozen=True):
    """A chunk: its place, and its frame."""

    index: int
    data: bytes


class FramedPage(msgspec.Struct, frozen=True, rename="camel"):
    """
    Some chunks that are there now.

    Attributes:
        data: they.
        next: index that the next page begins at.
        has_more: whether there are others behind them now.
        done: whether the stream is closed.
        tail_index: index of the last chunk that is there, -1 without any.
    """

    data: list[FramedChunk]
    next: int
    has_more: bool
    done: bool
    tail_index: int


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What comes behind.

    Attributes:
        close: whether the stream ends there.
    """

    close: bool = False


@router.get("/v1/sdk/runs/{run}/streams/{stream}", "read", media=(BYTES,))
async def follow_frames(call: Call, query: Place) -> Response:
    """Follow a stream as its frames; whoever was cut off goes on behind as many chunks as he has."""
    run_id, name = await _which(call)
    return StreamingResponse(_frames(call, _bodies(call, run_id, name, Part(start=query.start))), media_type=BYTES)


@router.get("/v1/sdk/runs/{run}/streams/{stream}/chunks", "read")
async def list_frames(call: Call, query: Some) -> FramedPage:
    """Return chunks of a stream that are there now, as their frames."""
    run_id, name = await _which(call)
    client = call.service.client
    page = await client.world.read_stream(run_id, name, start=query.start, limit=query.limit)
    found = (
        []
        if not page.chunks
        else [
            FramedChunk(chunk.index, frame(chunk.value))
            async for chunk in _bodies(call, run_id, name, Part(start=page.start, stop=page.next, until="now"))
        ]
    )
    stream = page.stream
    count = 0 if stream is None else stream.count
    return FramedPage(found, page.next, page.next < count, stream is not None and stream.end is not None, count - 1)


@router.post("/v1/sdk/runs/{run}/streams/{stream}", "operate", status=204, carries=True)
async def write_frames(call: Call, query: Ending) -> None:
    """Write the frames of the body to a stream, and end it if that is wanted; this answers once they are stored."""
    run_id, name = await _which(call)
    streams = call.service.client.streams
    bodies = bodies_of(await call.bytes())
    there = await streams.look(run_id, name)
    is_bytes = there.type == "bytes" if there.count else bool(bodies) and not bodies[0].startswith(_VALUE)
    sink = streams.own_sink(run_id, name, "bytes" if is_bytes else "")
    for body in bodies:
        await sink.write_body(body)
    if query.close:
        await sink.close()
    await sink.flush()


async def _which(call: Call) -> tuple[str, str]:
    """
    Return the run and the stored name of the stream that the path names.

    Raises:
        RunNotFoundError: as :func:`torpor.http.runs.known_run`.
        ForbiddenError: it is encrypted, and who asks may not decrypt.
    """
    info = await known_run(call)
    if info.key_id and not call.opens(info):
        raise ForbiddenError("the run is encrypted, as are its streams: this takes the role decrypt")
    return info.id, stored_name(info.id, call.part("stream"))


def _bodies(call: Call, run_id: str, name: str, part: Part) -> AsyncIterator[StreamChunk]:
    return call.service.client.streams.read(run_id, name, part, lambda body: body)


async def _frames(call: Call, chunks: AsyncIterator[StreamChunk]) -> AsyncIterator[bytes]:
    """Yield frames; where this server stops, the connection is broken off, so that nobody takes it for the end."""
    async with aclosing(batches(call.service.stopping, chunks)) as coming:
        async for batch in coming:
            for chunk in batch:
                yield frame(await call.shown(chunk.value))
    if call.service.stopping.is_set():
        raise ConnectionAbortedError("the server stops, and the stream goes on")
