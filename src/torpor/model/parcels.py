"""A run with all that belongs to it, as one moment has it: what goes from world to world."""

from __future__ import annotations

import msgspec

from torpor.model.log import Event, LogEntry, Snapshot
from torpor.model.runs import Entities, Run
from torpor.model.streams import Chunk, Stream, StreamWriter


class WholeStream(msgspec.Struct, frozen=True):
    """
    A stream with all its chunks.

    Attributes:
        stream: as it stands.
        writers: who has written to it, in the order of their ids.
        chunks: in their order.
    """

    stream: Stream
    writers: tuple[StreamWriter, ...]
    chunks: tuple[Chunk, ...]


class Parcel(msgspec.Struct, frozen=True):
    """
    A run with all that belongs to it but for its program, image and guest, which are blobs.

    Attributes:
        entities: the run and what is open in it, as it was stored: claimed perhaps. Steps have their input where the
            log does not have it any more.
        log: its events after :attr:`torpor.model.Run.base`.
        lines: of its own log, in the order of ``n``.
        snapshot: the newest, None when there is none.
        messages: ids of those that it was sent, in order.
        resumed: tokens and resume ids of the payloads that it has received, in order.
        reserved: until when the tokens of hooks that are gone stay reserved for it, epoch milliseconds.
        streams: in the order of their names.
    """

    entities: Entities
    log: tuple[Event, ...]
    lines: tuple[LogEntry, ...] = ()
    snapshot: Snapshot | None = None
    messages: tuple[str, ...] = ()
    resumed: tuple[tuple[str, str], ...] = ()
    reserved: dict[str, int] = {}
    streams: tuple[WholeStream, ...] = ()

    @property
    def run(self) -> Run:
        """The run."""
        return self.entities.run
