"""
What a batch of chunks does to a stream: the rule that every world obeys, as a pure function.

A stream is append-only and outlives its run's end, as long as the run is kept. Each writer counts its own chunks, so
that a batch which is sent again, because its answer was lost, is stored once. A step writes by attempts: a newer one
begins to count anew, and an older one, whose worker was presumed dead, may write nothing any more. Only a retry of the
step that has closed a stream may take that back: else no attempt could follow one that failed behind its close.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from torpor.model import Chunk, Stream, StreamBatch, StreamEnd, StreamWriter
from torpor.worlds import refusals


class StreamChanges(msgspec.Struct, frozen=True):
    """
    What is to be stored of a stream, all of it or nothing.

    Attributes:
        before: the stream as it was: the stored one must still be so; None when there must be none.
        stream: as it will be.
        writer: who has written, as it will be.
        chunks: to be added.
    """

    before: Stream | None
    stream: Stream
    writer: StreamWriter
    chunks: tuple[Chunk, ...]


def write(stream: Stream | None, writer: StreamWriter | None, batch: StreamBatch, now: int) -> StreamChanges | None:
    """
    Return what a batch changes, None when all of it is stored already.

    Args:
        stream: as it stands, None before the first batch.
        writer: what its writer has written to it, None before its first batch.
        batch: the chunks, and the end if it closes the stream.
        now: the world's time.

    Raises:
        StreamClosedError: the stream has ended.
        StreamTypeError: it carries something else.
        LeaseLostError: a newer attempt of the step writes.
        EntityConflictError: what the writer has written before is not there.
    """
    before = stream
    known = (
        writer
        if writer is not None and writer.attempt >= batch.attempt
        else StreamWriter(batch.writer, batch.attempt, 0)
    )
    if known.attempt > batch.attempt:
        raise refusals.stream_of_newer_attempt(batch, known.attempt)
    if batch.first > known.sent:
        raise refusals.stream_lacks_chunks(batch, known.sent)
    fresh = batch.chunks[known.sent - batch.first :]
    if stream is not None and stream.end is not None and _may_reopen(stream.end, batch):
        stream = replace(stream, end=None)
    if stream is None:
        stream = Stream(batch.run_id, batch.name, batch.type, 0, 0, now, now)
    is_closed = stream.end is not None
    if before is not None and not fresh and (batch.end is None or is_closed):
        return None
    if is_closed:
        raise refusals.stream_closed(batch)
    if fresh and stream.type != batch.type:
        raise refusals.stream_carries(batch, stream.type)
    sent = known.sent + len(fresh)
    end = None if batch.end is None else StreamEnd(batch.writer, batch.attempt, sent, batch.end, now)
    chunks = tuple(
        Chunk(stream.count + n, new.data, new.tag, batch.writer, batch.attempt, known.sent + n, now)
        for n, new in enumerate(fresh)
    )
    size = stream.size + sum(len(chunk.data) for chunk in chunks)
    written = replace(
        stream, count=stream.count + len(chunks), size=size, written_at=max(stream.written_at, now), end=end
    )
    return StreamChanges(before, written, replace(known, sent=sent), chunks)


def _may_reopen(end: StreamEnd, batch: StreamBatch) -> bool:
    return end.writer == batch.writer and end.attempt < batch.attempt


def first_index(start: int, count: int) -> int:
    """Return the index that reading begins at; a negative *start* counts from the end, not beyond the beginning."""
    return start if start >= 0 else max(0, count + start)
