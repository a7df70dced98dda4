"""Reading streams."""

from __future__ import annotations

from msgspec.structs import replace

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Chunk, Stream, StreamPage
from torpor.worlds.memory.store import Store, StreamRows
from torpor.worlds.streams import first_index


def page(store: Store, run_id: str, name: str, start: int, limit: int | None, bytes_max: int | None) -> StreamPage:
    """Answer :meth:`torpor.world.Streams.read_stream`."""
    rows = store.existing(run_id)
    ended = rows.run.status in RUN_TERMINAL
    found = rows.streams.get(name)
    if found is None:
        return StreamPage((), max(0, start), None, ended)
    at = first_index(start, found.stream.count)
    end = len(found.chunks) if limit is None else at + limit
    return StreamPage(tuple(_within(found, at, end, bytes_max)), at, found.stream, ended)


def of_run(store: Store, run_id: str) -> list[Stream]:
    """Answer :meth:`torpor.world.Streams.streams`."""
    found = store.existing(run_id).streams.values()
    return sorted((each.stream for each in found), key=lambda stream: stream.name)


def _within(found: StreamRows, at: int, end: int, bytes_max: int | None) -> list[Chunk]:
    taken: list[Chunk] = []
    size = 0
    for chunk in found.chunks[at:end]:
        size += len(chunk.data)
        if taken and bytes_max is not None and size > bytes_max:
            break
        taken.append(replace(chunk, last=chunk.attempt == found.writers[chunk.writer].attempt))
    return taken
