"""Streams and their chunks."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import astuple

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Stream, StreamPage, StreamWriter
from torpor.tenant_names import tenant_of
from torpor.worlds import refusals
from torpor.worlds import requests as ask
from torpor.worlds.postgres import tenants
from torpor.worlds.postgres.rows import CHUNKS, RUNS, STREAMS, chunks_of, run_of, stream_of
from torpor.worlds.postgres.statements import Statement
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import StaleError
from torpor.worlds.streams import StreamChanges, first_index

_RUN: Final = "SELECT 1 FROM torpor.runs WHERE id = %s FOR KEY SHARE"
"""Finds a run, which is not deleted before the transaction ends, and may change."""

_COUNTED: Final = "SELECT 1 FROM torpor.runs WHERE id = %s FOR NO KEY UPDATE"
"""The same for a run of a tenant, whose usage is changed after it: who changes the run does so in this order, too."""

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 2))"
"""A lock of the name, because there may be no row yet."""

_NAMED: Final = f"{STREAMS} WHERE run = %s AND name = %s"
_WRITER: Final = "SELECT id, attempt, sent FROM torpor.writers WHERE run = %s AND stream = %s AND id = %s"
_PUT: Final = (
    "INSERT INTO torpor.streams (run, name, type, count, size, created_at, written_at, end_writer, end_attempt, end_n, "
    "end_tag, end_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run, name) DO UPDATE SET "
    "count = excluded.count, size = excluded.size, written_at = excluded.written_at, end_writer = excluded.end_writer, "
    "end_attempt = excluded.end_attempt, end_n = excluded.end_n, end_tag = excluded.end_tag, end_at = excluded.end_at"
)
_PUT_WRITER: Final = (
    "INSERT INTO torpor.writers (run, stream, id, attempt, sent) VALUES (%s, %s, %s, %s, %s) "
    "ON CONFLICT (run, stream, id) DO UPDATE SET attempt = excluded.attempt, sent = excluded.sent"
)
_ADD_CHUNK: Final = (
    "INSERT INTO torpor.chunks (run, stream, index, data, tag, writer, attempt, n, at) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
)
_SIZES: Final = (
    "SELECT index, length(data) FROM torpor.chunks WHERE run = %s AND stream = %s AND index >= %s ORDER BY index"
)
_CHUNKS: Final = f"{CHUNKS} WHERE c.run = %s AND c.stream = %s AND c.index >= %s AND c.index < %s ORDER BY c.index"


def state(store: Store, request: ask.StreamOf) -> ask.StreamState | None:
    """Answer :class:`torpor.worlds.requests.StreamOf`."""
    which = (request.run_id, request.name)
    run, _, streams, writers = store.connection.ask(
        (_COUNTED if tenant_of(request.run_id) else _RUN, (request.run_id,)),
        (_LOCK, ("//".join(which),)),
        (_NAMED, which),
        (_WRITER, (*which, request.writer)),
    )
    if not run:
        return None
    stream = stream_of(streams[0]) if streams else None
    return ask.StreamState(stream, StreamWriter(*writers[0]) if writers else None)


def put(store: Store, changes: StreamChanges) -> None:
    """
    Store what a batch changes.

    Raises:
        StaleError: the stream is not as it was any more; nothing was stored.
    """
    stream, writer = changes.stream, changes.writer
    which = (stream.run_id, stream.name)
    row = store.connection.row(_NAMED, *which)
    if (stream_of(row) if row else None) != changes.before:
        raise StaleError
    statements: list[Statement] = [(_PUT, _row(stream)), (_PUT_WRITER, (*which, *astuple(writer)))]
    statements += [(_ADD_CHUNK, (*which, *astuple(chunk)[:-1])) for chunk in changes.chunks]
    statements += tenants.chunks_counted(changes)
    store.connection.prove(lambda: False)  # who writes it again finds out
    store.connection.store(statements)


def _row(stream: Stream) -> tuple[Any, ...]:
    *fields, end = astuple(stream)
    return (*fields, *((None,) * 5 if end is None else astuple(end)))


def page(store: Store, run_id: str, name: str, start: int, limit: int | None, bytes_max: int | None) -> StreamPage:
    """Answer :meth:`torpor.world.Streams.read_stream`."""
    runs, streams = store.connection.ask_of_one_moment((f"{RUNS} WHERE r.id = %s", (run_id,)), (_NAMED, (run_id, name)))
    if not runs:
        raise refusals.run_not_found(run_id, store.url)
    ended = run_of(runs[0]).status in RUN_TERMINAL
    if not streams:
        return StreamPage((), max(0, start), None, ended)
    stream = stream_of(streams[0])
    at = first_index(start, stream.count)
    end = min(stream.count, _end(store, stream, at, limit, bytes_max))
    rows = store.connection.rows(_CHUNKS, run_id, name, at, end) if at < end else []
    return StreamPage(chunks_of(rows), at, stream, ended)


def _end(store: Store, stream: Stream, at: int, limit: int | None, bytes_max: int | None) -> int:
    """Return the index behind the last chunk of a page; sizes are looked at before any content is read."""
    end = stream.count if limit is None else at + limit
    if bytes_max is None:
        return end
    size, last = 0, at
    for index, length in store.connection.rows(f"{_SIZES} LIMIT %s", stream.run_id, stream.name, at, max(0, end - at)):
        size += length
        if last > at and size > bytes_max:
            break
        last = index + 1
    return last


def of_run(store: Store, run_id: str) -> list[Stream]:
    """Answer :meth:`torpor.world.Streams.streams`."""
    store.run(run_id)
    return [stream_of(row) for row in store.connection.rows(f"{STREAMS} WHERE run = %s ORDER BY name", run_id)]
