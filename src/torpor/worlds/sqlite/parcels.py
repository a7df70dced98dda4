"""Reading all of a run, in one transaction."""

from __future__ import annotations

from typing import Final

from torpor.model import Parcel, StreamWriter, WholeStream
from torpor.worlds import refusals
from torpor.worlds.draft import MAILBOX
from torpor.worlds.parcels import check_streams
from torpor.worlds.sqlite import streams
from torpor.worlds.sqlite.sound import Shape, check_numbers, reading
from torpor.worlds.sqlite.store import Store

_RECEIVED: Final = "SELECT token, resume_id FROM resumes WHERE run = ? ORDER BY token, resume_id"
_RESERVED: Final = "SELECT token, until FROM reservations WHERE run = ? ORDER BY token"
_WRITERS: Final = (
    "SELECT w.id, w.attempt, w.sent FROM writers w JOIN streams s ON s.k = w.stream "
    "WHERE s.run = ? AND s.name = ? ORDER BY w.id"
)
_OF_RECEIVED: Final = Shape(token=str, resume_id=str)
_OF_RESERVED: Final = Shape(token=str, until=int)
_OF_WRITER: Final = Shape(id=str, attempt=int, sent=int)


def parcel(store: Store, run_id: str) -> Parcel:
    """Answer :meth:`torpor.world.Parcels.parcel`."""
    found = store.entities(run_id, "stored")
    if found is None:
        raise refusals.run_not_found(run_id, store.url)
    k, entities = found
    its_streams = streams.of_run(store, run_id)
    check_streams(run_id, its_streams)
    received, reserved = store.rows(_RECEIVED, k), store.rows(_RESERVED, k)
    with reading("what it has received and reserved", run_id):
        for row in received:
            _OF_RECEIVED.check(row)
        for row in reserved:
            _OF_RESERVED.check(row)
    return Parcel(
        entities,
        tuple(store.events(k, 0)),
        tuple(store.lines(run_id, None)),
        store.snapshot(k),
        tuple(resume_id for token, resume_id in received if token == MAILBOX),
        tuple((token, resume_id) for token, resume_id in received if token != MAILBOX),
        dict(reserved),
        tuple(
            WholeStream(
                stream,
                _writers(store, k, run_id, stream.name),
                streams.page(store, run_id, stream.name, 0, None, None).chunks,
            )
            for stream in its_streams
        ),
    )


def _writers(store: Store, k: int, run_id: str, name: str) -> tuple[StreamWriter, ...]:
    found = store.rows(_WRITERS, k, name)
    for row in found:
        with reading(f"writer {row[0]!r:.80} of stream {name}", run_id):
            _OF_WRITER.check(row)
            check_numbers(row[1:], "attempt sent")
    return tuple(StreamWriter(*row) for row in found)
