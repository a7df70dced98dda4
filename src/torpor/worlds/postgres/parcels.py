"""Reading all of a run, as one moment has it."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Final

from torpor.model import Chunk, Parcel, Snapshot, StreamWriter, WholeStream
from torpor.worlds import refusals
from torpor.worlds.draft import MAILBOX
from torpor.worlds.parcels import check_streams
from torpor.worlds.postgres import streams
from torpor.worlds.postgres.rows import CHUNKS, LINES, STREAMS, chunks_of, events_of, lines_of, stream_of
from torpor.worlds.postgres.store import LOG_OF, SNAPSHOT_OF, Store

_RECEIVED: Final = "SELECT token, resume_id FROM torpor.resumes WHERE run = %s ORDER BY token, resume_id"
_RESERVED: Final = "SELECT token, until FROM torpor.reservations WHERE run = %s ORDER BY token"
_WRITERS: Final = "SELECT stream, id, attempt, sent FROM torpor.writers WHERE run = %s ORDER BY stream, id"
_CHUNKS: Final = f"{CHUNKS.replace('SELECT ', 'SELECT c.stream, ', 1)} WHERE c.run = %s ORDER BY c.stream, c.index"


def parcel(store: Store, run_id: str) -> Parcel:
    """Answer :meth:`torpor.world.Parcels.parcel`."""
    check_streams(run_id, streams.of_run(store, run_id))  # before any of them is read
    of_run = (run_id,)
    found = store.connection.ask_of_one_moment(
        *store.entities_asked(run_id),
        (LOG_OF, (run_id, 0, None)),
        (f"{LINES} WHERE run = %s ORDER BY n", of_run),
        (SNAPSHOT_OF, of_run),
        (_RECEIVED, of_run),
        (_RESERVED, of_run),
        (f"{STREAMS} WHERE run = %s ORDER BY name", of_run),
        (_WRITERS, of_run),
        (_CHUNKS, of_run),
    )
    log, lines, snapshots, received, reserved, heads, writers, chunks = found[-8:]
    entities = store.entities_found(found[:-8])
    if entities is None:
        raise refusals.run_not_found(run_id, store.url)
    its_writers = {name: [row[1:] for row in rows] for name, rows in groupby(writers, itemgetter(0))}
    its_chunks: dict[str, tuple[Chunk, ...]] = {
        name: chunks_of(row[1:] for row in rows) for name, rows in groupby(chunks, itemgetter(0))
    }
    return Parcel(
        entities,
        tuple(events_of(log)),
        tuple(lines_of(lines)),
        Snapshot(*snapshots[0]) if snapshots else None,
        tuple(resume_id for token, resume_id in received if token == MAILBOX),
        tuple((token, resume_id) for token, resume_id in received if token != MAILBOX),
        dict(reserved),
        tuple(
            WholeStream(
                stream,
                tuple(StreamWriter(*row) for row in its_writers.get(stream.name, ())),
                its_chunks.get(stream.name, ()),
            )
            for stream in map(stream_of, heads)
        ),
    )
