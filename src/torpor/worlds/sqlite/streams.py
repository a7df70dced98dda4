"""Streams and their chunks: rows ↔ values, storing what the rule decided, and reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from torpor.errors import DamagedError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Chunk, Stream, StreamEnd, StreamPage, StreamWriter
from torpor.worlds import requests as ask
from torpor.worlds.requests import StaleError
from torpor.worlds.sqlite import tenants
from torpor.worlds.sqlite.rows import MASK, SHIFT, Row
from torpor.worlds.sqlite.sound import NonsenseError, Shape, check_numbers, reading
from torpor.worlds.sqlite.store import Store
from torpor.worlds.streams import StreamChanges, first_index

STREAM_COLUMNS: Final = (
    "s.k, s.name, s.type, s.count, s.size, s.created_at, s.written_at, "
    "s.end_writer, s.end_attempt, s.end_n, s.end_tag, s.end_at"
)
_CHUNKS: Final = (
    f"SELECT c.k & {MASK}, c.data, c.tag, w.id, c.attempt, c.n, c.at, w.attempt "
    "FROM chunks c LEFT JOIN writers w ON w.k = c.writer WHERE c.k >= ? AND c.k < ? ORDER BY c.k"
)

_STREAM: Final = Shape(
    k=int,
    name=str,
    type=str,
    count=int,
    size=int,
    created_at=int,
    written_at=int,
    end_writer=str | None,
    end_attempt=int,
    end_n=int,
    end_tag=bytes,
    end_at=int,
)
_WRITER: Final = Shape(id=str, attempt=int, sent=int)
_CHUNK: Final = Shape(
    index=int, data=bytes, tag=bytes, writer=str | None, attempt=int, n=int, at=int, newest=int | None
)
_TYPES: Final = ("", "bytes")

_OF_RUN: Final = f"SELECT {STREAM_COLUMNS} FROM streams s WHERE s.run = ? ORDER BY s.name"
_NAMED: Final = f"SELECT {STREAM_COLUMNS} FROM streams s WHERE s.run = ? AND s.name = ?"
_CHANGING: Final = ("count", "size", "written_at", "end_writer", "end_attempt", "end_n", "end_tag", "end_at")
_ADD: Final = (
    f"INSERT INTO streams (run, name, type, created_at, {', '.join(_CHANGING)}) "
    f"VALUES (?, ?, ?, ?, {', '.join('?' * len(_CHANGING))}) RETURNING k"
)
_PUT: Final = f"UPDATE streams SET {', '.join(f'{name} = ?' for name in _CHANGING)} WHERE k = ?"
_PUT_WRITER: Final = (
    "INSERT INTO writers (stream, id, attempt, sent) VALUES (?, ?, ?, ?) "
    "ON CONFLICT DO UPDATE SET attempt = excluded.attempt, sent = excluded.sent RETURNING k"
)
_ADD_CHUNK: Final = "INSERT INTO chunks (k, writer, attempt, n, at, tag, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SIZES: Final = "SELECT k, length(data) FROM chunks WHERE k >= ? AND k < ? ORDER BY k LIMIT ?"
_NO_LIMIT: Final = -1


# Rows and values


def stream_of(row: Row, run_id: str) -> Stream:
    """
    Return the value of a row of :data:`STREAM_COLUMNS`.

    Raises:
        DamagedError: it makes no sense.
    """
    with reading(f"stream {row[1]!r:.80}", run_id):
        _STREAM.check(row)
        _, name, kind, count, size, created_at, written_at, writer, attempt, n, tag, at = row
        check_numbers((count, size, created_at, written_at), "count size created_at written_at")
        check_numbers((attempt, n, at), "end_attempt end_n end_at")
        check_numbers((count,), "count", MASK)
        if kind not in _TYPES:
            raise NonsenseError(f"its type is {kind!r}; it is one of {_TYPES}")
        is_open = (writer, attempt, n, tag, at) == (None, 0, 0, b"", 0)
        if not is_open and not (writer and at):
            raise NonsenseError(f"it is closed by {writer!r} at {at}; it is open without either, or closed by somebody")
        end = None if writer is None else StreamEnd(writer, attempt, n, tag, at)
        return Stream(run_id, name, kind, count, size, created_at, written_at, end)


def chunks_of(rows: Iterable[Row], stream: Stream) -> list[Chunk]:
    """
    Return the values of rows of :data:`_CHUNKS`, of one stream.

    Raises:
        DamagedError: one makes no sense, or lacks.
    """
    found: list[Chunk] = []
    for index, data, tag, writer, attempt, n, at, newest in rows:
        row = index, data, tag, writer, attempt, n, at, newest
        with reading(f"chunk {index} of stream {stream.name}", stream.run_id):
            _CHUNK.check(row)
            check_numbers((attempt, n, at), "attempt n at")
            if writer is None or newest is None:
                raise NonsenseError("its writer is not there")
            if attempt > newest:
                raise NonsenseError(f"it is of attempt {attempt}, and the newest one is {newest}")
        found.append(Chunk(index, data, tag, writer, attempt, n, at, attempt == newest))
    return found


# Writing


def state(store: Store, request: ask.StreamOf) -> ask.StreamState | None:
    """Answer :class:`torpor.worlds.requests.StreamOf`."""
    run = store.rowid(request.run_id)
    if run is None:
        return None
    row = store.db.execute(_NAMED, (run, request.name)).fetchone()
    if row is None:
        return ask.StreamState()
    query = "SELECT id, attempt, sent FROM writers WHERE stream = ? AND id = ?"
    its = store.db.execute(query, (row[0], request.writer)).fetchone()
    if its is None:
        return ask.StreamState(stream_of(row, request.run_id))
    with reading(f"writer {request.writer} of stream {request.name}", request.run_id):
        _WRITER.check(its)
        check_numbers(its[1:], "attempt sent")
    return ask.StreamState(stream_of(row, request.run_id), StreamWriter(*its))


def put(store: Store, changes: StreamChanges) -> None:
    """
    Store what a batch changes.

    Raises:
        StaleError: the stream is not as it was any more; nothing was stored.
    """
    db, stream, writer = store.db, changes.stream, changes.writer
    run = store.rowid(stream.run_id)
    row = db.execute(_NAMED, (run, stream.name)).fetchone()
    if run is None or (row and stream_of(row, stream.run_id)) != changes.before:
        raise StaleError
    if row is None:
        about = (run, stream.name, stream.type, stream.created_at)
        (k,) = db.execute(_ADD, (*about, *_changing(stream))).fetchone()
    else:
        k = row[0]
        db.execute(_PUT, (*_changing(stream), k))
    (writer_k,) = db.execute(_PUT_WRITER, (k, writer.id, writer.attempt, writer.sent)).fetchone()
    db.executemany(
        _ADD_CHUNK,
        [
            (k << SHIFT | chunk.index, writer_k, chunk.attempt, chunk.n, chunk.at, chunk.tag, chunk.data)
            for chunk in changes.chunks
        ],
    )
    tenants.count_chunks(store, run, changes)


def _changing(stream: Stream) -> tuple[Any, ...]:
    end = stream.end
    its = (None, 0, 0, b"", 0) if end is None else (end.writer, end.attempt, end.n, end.tag, end.at)
    return stream.count, stream.size, stream.written_at, *its


# Reading


def page(store: Store, run_id: str, name: str, start: int, limit: int | None, bytes_max: int | None) -> StreamPage:
    """Answer :meth:`torpor.world.Streams.read_stream`."""
    k, run = store.run(run_id)
    ended = run.status in RUN_TERMINAL
    row = store.db.execute(_NAMED, (k, name)).fetchone()
    if row is None:
        return StreamPage((), max(0, start), None, ended)
    stream = stream_of(row, run_id)
    at = first_index(start, stream.count)
    end = min(stream.count, _end(store, row[0], at, limit, bytes_max))
    key = row[0] << SHIFT
    chunks = chunks_of(store.rows(_CHUNKS, key + at, key + end), stream) if at < end else []
    if at < end and not _are_dense(chunks, at, end):
        raise DamagedError(f"stream {name}", f"chunks between {at} and {end} are not there", run_id=run_id)
    return StreamPage(tuple(chunks), at, stream, ended)


def _are_dense(chunks: list[Chunk], at: int, end: int) -> bool:
    return len(chunks) == end - at and all(chunk.index == at + n for n, chunk in enumerate(chunks))


def _end(store: Store, k: int, at: int, limit: int | None, bytes_max: int | None) -> int:
    """Return the index behind the last chunk of a page; sizes are told by headers, before any content is read."""
    if limit is None and bytes_max is None:
        return MASK
    if bytes_max is None:
        return at + (limit or 0)
    size = 0
    last = at
    low = (k << SHIFT) + at
    most = _NO_LIMIT if limit is None else limit
    for key, length in store.db.execute(_SIZES, (low, (k + 1) << SHIFT, most)):
        size += length
        if last > at and size > bytes_max:
            break
        last = (key & MASK) + 1
    return last


def of_run(store: Store, run_id: str) -> list[Stream]:
    """Answer :meth:`torpor.world.Streams.streams`."""
    return [stream_of(row, run_id) for row in store.rows(_OF_RUN, store.existing(run_id))]


def check(store: Store, k: int, run_id: str) -> None:
    """
    Look at a stream and all its rows, but for what its frames hold.

    Raises:
        DamagedError: something makes no sense.
    """
    (row,) = store.rows(f"SELECT {STREAM_COLUMNS} FROM streams s WHERE s.k = ?", k)
    stream = stream_of(row, run_id)
    for its in store.rows("SELECT id, attempt, sent FROM writers WHERE stream = ?", k):
        with reading(f"writer {its[0]!r:.80} of stream {stream.name}", run_id):
            _WRITER.check(its)
            check_numbers(its[1:], "attempt sent")
    rows = store.rows(
        _CHUNKS.replace("c.data", "iif(typeof(c.data) = 'blob', x'', c.data)"), k << SHIFT, (k + 1) << SHIFT
    )
    chunks = chunks_of(rows, stream)
    if not _are_dense(chunks, 0, stream.count):
        raise DamagedError(f"stream {stream.name}", f"it has {len(chunks)} of {stream.count} chunks", run_id=run_id)
