"""Streams and their chunks."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Chunk, Stream, StreamPage, StreamWriter
from torpor.worlds import refusals
from torpor.worlds import requests as ask
from torpor.worlds.redis import tenants
from torpor.worlds.redis.rows import pack, unpack
from torpor.worlds.redis.store import NUMBER, Store
from torpor.worlds.requests import StaleError
from torpor.worlds.streams import StreamChanges, first_index

_TOGETHER: Final = 64
"""How many chunks are read at once where nobody knows how large they are."""


def state(store: Store, request: ask.StreamOf) -> ask.StreamState | None:
    """Answer :class:`torpor.worlds.requests.StreamOf`."""
    run_id, keys, draft = request.run_id, store.keys, store.draft
    name, writer = request.name.encode(), request.writer.encode()
    streams, writers = keys.of("streams", run_id), keys.of("writers", run_id, name)
    n, row, wrote = store.connection.ask_of_one_moment(
        ("HGET", store.run_key(run_id), NUMBER), ("HGET", streams, name), ("HGET", writers, writer)
    )
    draft.expect(store.run_key(run_id), NUMBER, n)
    if n is None:
        return None
    stream, found = draft.field(streams, name, row), draft.field(writers, writer, wrote)
    return ask.StreamState(
        None if stream is None else unpack(stream, Stream, f"stream {request.name}", run_id),
        None if found is None else unpack(found, StreamWriter, f"stream {request.name}", run_id),
    )


def put(store: Store, changes: StreamChanges) -> None:
    """
    Put what a batch changes into the draft.

    Raises:
        StaleError: the stream is not as it was any more.
    """
    stream, keys, draft = changes.stream, store.keys, store.draft
    name = stream.name.encode()
    streams = keys.of("streams", stream.run_id)
    row = draft.get(streams, name)
    if (None if row is None else unpack(row, Stream, "a stream", stream.run_id)) != changes.before:
        raise StaleError
    draft.put(streams, {name: pack(stream)})
    draft.put(keys.of("writers", stream.run_id, name), {changes.writer.id.encode(): pack(changes.writer)})
    chunks = {b"%d" % chunk.index: pack(replace(chunk, last=False)) for chunk in changes.chunks}
    draft.put(keys.of("chunks", stream.run_id, name), chunks)
    tenants.count_chunks(store, changes)


def page(store: Store, run_id: str, name: str, start: int, limit: int | None, bytes_max: int | None) -> StreamPage:
    """Answer :meth:`torpor.world.Streams.read_stream`."""
    run, row, found = store.connection.ask_of_one_moment(
        store.asked_run(run_id),
        ("HGET", store.keys.of("streams", run_id), name.encode()),
        ("HGETALL", store.keys.of("writers", run_id, name)),
    )
    its = store.run_found(run_id, run)
    if its is None:
        raise refusals.run_not_found(run_id, store.url)
    ended = its.run.status in RUN_TERMINAL
    if row is None:
        return StreamPage((), max(0, start), None, ended)
    stream = unpack(row, Stream, f"stream {name}", run_id)
    at = first_index(start, stream.count)
    end = stream.count if limit is None else min(stream.count, at + limit)
    newest = {writer.id: writer.attempt for writer in writers_of(run_id, found)}
    taken: list[Chunk] = []
    size = 0
    for first in range(at, end, _TOGETHER):
        for chunk in chunks(store, run_id, name, first, min(end, first + _TOGETHER)):
            size += len(chunk.data)
            if taken and bytes_max is not None and size > bytes_max:
                return StreamPage(tuple(taken), at, stream, ended)
            taken.append(replace(chunk, last=chunk.attempt == newest.get(chunk.writer)))
    return StreamPage(tuple(taken), at, stream, ended)


def chunks(store: Store, run_id: str, name: str, at: int, end: int) -> list[Chunk]:
    """Return chunks from one index up to another."""
    if at >= end:
        return []
    fields = [b"%d" % index for index in range(at, end)]
    [found] = store.connection.ask(("HMGET", store.keys.of("chunks", run_id, name), *fields))
    return [unpack(row or b"", Chunk, f"a chunk of stream {name}", run_id) for row in found]


def writers_of(run_id: str, found: dict[bytes, bytes]) -> list[StreamWriter]:
    """Return who has written to a stream, in the order of their ids."""
    writers = [unpack(row, StreamWriter, "a writer of a stream", run_id) for row in found.values()]
    return sorted(writers, key=lambda writer: writer.id)


def of_run(store: Store, run_id: str) -> list[Stream]:
    """Answer :meth:`torpor.world.Streams.streams`."""
    store.run(run_id)
    [found] = store.connection.ask(("HVALS", store.keys.of("streams", run_id)))
    streams = [unpack(row, Stream, "a stream", run_id) for row in found]
    return sorted(streams, key=lambda stream: stream.name)
