"""
Names of keys, and the order of queues as bytes.

All keys of a world begin with its name in braces, so that Redis Cluster would keep them in one slot: what a script
changes must lie together. Rows are fields of hashes; sorted sets are ways to find them, and say nothing that the rows
do not.
"""

from __future__ import annotations

import struct
from typing import Final

import msgspec

SEP: Final = b"\0"
"""Between the parts of a member: no id has it."""

_PLACE: Final = struct.Struct(">IQQI")
_PRIORITY_ZERO: Final = 1 << 31


class Route(msgspec.Struct, frozen=True, array_like=True):
    """
    Where something waits for a worker.

    Attributes:
        kind: ``t`` for turns, ``s`` for step tasks.
        app, queue: whose, and in which queue.
        what: the guest of turns, the name of steps.
        key_id: of the key that their payloads are encrypted under.
        lane: it waits for a slot of the queue, with others of its key.
    """

    kind: str
    app: str
    queue: str
    what: str
    key_id: str
    lane: bool


class Keys:
    """
    Names of the keys of one world.

    Args:
        name: of the world.
    """

    def __init__(self, name: str) -> None:
        self.prefix: Final = b"{%s}:" % name.encode()
        self.created: Final = self.prefix + b"created"
        self.runs: Final = self.prefix + b"runs"
        self.ids: Final = self.prefix + b"ids"
        self.ended: Final = self.prefix + b"ended"
        self.deadlines: Final = self.prefix + b"deadlines"
        self.giving_up: Final = self.prefix + b"giving-up"
        self.tokens: Final = self.prefix + b"tokens"
        self.reserved: Final = self.prefix + b"reserved"
        self.resumed: Final = self.prefix + b"resumed"
        self.routes: Final = self.prefix + b"routes"
        self.queues: Final = self.prefix + b"queues"
        self.taking: Final = self.prefix + b"taking"
        self.workers: Final = self.prefix + b"workers"
        self.beats: Final = self.prefix + b"beats"
        self.owners: Final = self.prefix + b"owners"
        self.deployments: Final = self.prefix + b"deployments"
        self.deployed: Final = self.prefix + b"deployed"
        self.tenants: Final = self.prefix + b"tenants"
        self.schedules: Final = self.prefix + b"schedules"
        self.blobs: Final = self.prefix + b"blobs"
        self.format: Final = self.prefix + b"format"
        self.news: Final = self.prefix + b"news"
        self.here: Final = self.prefix + b"here:"

    def of(self, kind: str, *about: str | bytes) -> bytes:
        """Return the key of a kind of thing of something."""
        return self.prefix + kind.encode() + b":" + SEP.join(map(_bytes, about))

    def told(self, key: bytes) -> tuple[str, str]:
        """Return for people which of the world's keys one is, and of which run, "" for none's."""
        kind, _, about = key.removeprefix(self.prefix).partition(b":")
        run_id = about.partition(SEP)[0].decode(errors="replace") if kind.decode(errors="replace") in OF_RUN else ""
        return f"key {kind.decode(errors='replace')}", run_id


OF_RUN: Final = {
    "run": "hash",
    "log": "list",
    "steps": "hash",
    "progress": "hash",
    "inputs": "hash",
    "waits": "hash",
    "hooks": "hash",
    "lines": "hash",
    "snapshot": "hash",
    "watchers": "hash",
    "usage": "hash",
    "messages": "hash",
    "resumed-by": "hash",
    "reserved-by": "hash",
    "children": "hash",
    "streams": "hash",
    "chunks": "hash",
    "writers": "hash",
}
"""Kinds of keys that belong to the run that they name first, and of which type they are."""

SHARED: Final = {
    "format": "string",
    "created": "string",
    "runs": "zset",
    "ids": "zset",
    "ended": "zset",
    "status": "zset",
    "deadlines": "zset",
    "giving-up": "zset",
    "routes": "zset",
    "keys": "zset",
    "ready": "zset",
    "later": "zset",
    "deployed": "zset",
    "deployments": "hash",
    "workers": "hash",
    "beats": "hash",
    "owners": "hash",
    "claims": "hash",
    "slots": "hash",
    "queues": "hash",
    "taking": "hash",
    "tokens": "hash",
    "reserved": "hash",
    "resumed": "hash",
    "schedules": "hash",
    "tenants": "hash",
    "used": "hash",
    "notes": "hash",
    "blobs": "zset",
    "blob": "string",
    "blob-writing": "string",
    "blob-whole": "hash",
}
"""The others."""


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def joined(*parts: str) -> bytes:
    """Return texts as one member or field."""
    return SEP.join(part.encode() for part in parts)


def parted(member: bytes) -> tuple[str, str]:
    """Return the two texts that :func:`joined` has joined; of what is none of ours they are nobody's names."""
    first, _, second = member.partition(SEP)
    return text(first), text(second)


def text(name: bytes) -> str:
    """Return a name as text; of what is none of ours it is nobody's."""
    return name.decode(errors="replace")


def member(priority: int, queued_at: int, n: int, seq: int, run_id: str, step_id: str = "") -> bytes:
    """Return what stands for a turn or a task in the sets of its route, which sort by bytes: the first comes first."""
    return _PLACE.pack(_PRIORITY_ZERO - priority, max(0, queued_at), n, seq) + joined(run_id, step_id)


def is_place(found: bytes) -> bool:
    """Return whether something may be a member."""
    return len(found) > _PLACE.size


def place_of(found: bytes) -> tuple[tuple[int, int, int, int], str, str]:
    """Return rank, time, number and seq of a member, its run's id, and its step's."""
    priority, queued_at, n, seq = _PLACE.unpack_from(found)
    run_id, step_id = parted(found[_PLACE.size :])
    return (priority - _PRIORITY_ZERO, queued_at, n, seq), run_id, step_id
