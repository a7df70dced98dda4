"""Reading all of a run, as one moment has it."""

from __future__ import annotations

from torpor.model import Entities, Event, LogEntry, Parcel, Stream, WholeStream
from torpor.worlds import refusals
from torpor.worlds.parcels import check_streams
from torpor.worlds.redis import streams
from torpor.worlds.redis.keys import parted
from torpor.worlds.redis.rows import unpack
from torpor.worlds.redis.store import Store, events_of, hooks_of, snapshot_of, steps_of, waits_of


def parcel(store: Store, run_id: str) -> Parcel:
    """Answer :meth:`torpor.world.Parcels.parcel`."""
    keys = store.keys
    while True:
        its_streams = streams.of_run(store, run_id)
        check_streams(run_id, its_streams)  # before any of them is read
        names = [stream.name for stream in its_streams]
        kinds = ("steps", "progress", "inputs", "waits", "hooks", "reserved-by")
        run, log, lines, snapshot, messages, resumed, heads, *found = store.connection.ask_of_one_moment(
            store.asked_run(run_id),
            ("LRANGE", keys.of("log", run_id), 0, -1),
            ("HVALS", keys.of("lines", run_id)),
            ("HMGET", keys.of("snapshot", run_id), b"about", b"data"),
            ("HKEYS", keys.of("messages", run_id)),
            ("HKEYS", keys.of("resumed-by", run_id)),
            ("HGETALL", keys.of("streams", run_id)),
            *(("HGETALL", keys.of(kind, run_id)) for kind in kinds),
            *(("HGETALL", keys.of("writers", run_id, name)) for name in names),
        )
        row = store.run_found(run_id, run)
        if row is None:
            raise refusals.run_not_found(run_id, store.url)
        if sorted(heads) == sorted(name.encode() for name in names):
            break
    steps, progress, inputs, waits, hooks, reserved = found[:6]
    its_lines = [unpack(line, LogEntry, "a log line", run_id) for line in lines]
    logged: list[Event] = events_of(run_id, log)
    received = [parted(known) for known in resumed]
    return Parcel(
        Entities(row.run, steps_of(run_id, steps, progress, inputs), waits_of(run_id, waits), hooks_of(run_id, hooks)),
        tuple(logged),
        tuple(sorted(its_lines, key=lambda line: line.n)),
        snapshot_of(run_id, snapshot),
        tuple(sorted(message.decode() for message in messages)),
        tuple(sorted((token, resume_id) for token, resume_id in received)),
        {token.decode(): int(until) for token, until in sorted(reserved.items())},
        tuple(
            _whole(store, run_id, unpack(heads[name.encode()], Stream, f"stream {name}", run_id), writers)
            for name, writers in zip(names, found[6:], strict=True)
        ),
    )


def _whole(store: Store, run_id: str, stream: Stream, writers: dict[bytes, bytes]) -> WholeStream:
    page = streams.page(store, run_id, stream.name, 0, stream.count, None)
    return WholeStream(stream, tuple(streams.writers_of(run_id, writers)), page.chunks)
