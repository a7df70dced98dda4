"""Reading all of a run, and keeping one as it is to be looked at."""

from __future__ import annotations

from collections.abc import Mapping

from torpor.model import Parcel, WholeStream
from torpor.worlds.memory import streams
from torpor.worlds.memory.store import Store, StreamRows
from torpor.worlds.parcels import check_streams, stored


def parcel(store: Store, run_id: str) -> Parcel:
    """Answer :meth:`torpor.world.Parcels.parcel`."""
    rows = store.existing(run_id)
    check_streams(run_id, [each.stream for each in rows.streams.values()])
    return Parcel(
        rows.entities(rows.steps.values()),
        tuple(rows.log),
        tuple(line for _, line in sorted(rows.lines.items())),
        rows.snapshot,
        tuple(sorted(rows.messages)),
        tuple(sorted(known for known, receiver in store.resumed.items() if receiver == run_id)),
        {token: until for token, (owner, until) in sorted(store.reserved.items()) if owner == run_id},
        tuple(
            WholeStream(
                each.stream,
                tuple(writer for _, writer in sorted(each.writers.items())),
                streams.page(store, run_id, name, 0, None, None).chunks,
            )
            for name, each in sorted(rows.streams.items())
        ),
    )


def keep(store: Store, parcel: Parcel, blobs: Mapping[str, bytes]) -> None:
    """Put a run into a world as it was elsewhere, claims and all, for people to look at: it cannot go on like that."""
    run_id = parcel.run.id
    store.apply(stored(parcel, parcel.entities))
    store.blobs.update(blobs)
    rows = store.runs[run_id]
    rows.messages.update(parcel.messages)
    store.resumed |= dict.fromkeys(parcel.resumed, run_id)
    store.reserved |= {token: (run_id, until) for token, until in parcel.reserved.items()}
    for whole in parcel.streams:
        writers = {writer.id: writer for writer in whole.writers}
        rows.streams[whole.stream.name] = StreamRows(whole.stream, list(whole.chunks), writers)
