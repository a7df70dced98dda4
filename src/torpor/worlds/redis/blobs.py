"""
Blobs. A large one is written and read in pieces: the server does one thing at a time, and others wait meanwhile.

It is written elsewhere and put in place when it is whole.
"""

from __future__ import annotations

import secrets
from typing import Final

from torpor.worlds.redis.store import Store

PIECE_BYTES: Final = 1_000_000
_LEFT_SECONDS: Final = 3_600
"""After so long what somebody did not finish writing is forgotten."""


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    keys, connection = store.keys, store.connection
    place = keys.of("blob", key)
    elsewhere = keys.of("blob-writing", key, secrets.token_hex(8))
    for at in range(0, max(1, len(data)), PIECE_BYTES):
        connection.ask(("SETRANGE", elsewhere, at, data[at : at + PIECE_BYTES]), ("EXPIRE", elsewhere, _LEFT_SECONDS))
    store.draft.write("SET" if not data else "RENAME", *((place, b"") if not data else (elsewhere, place)))
    store.draft.write("PERSIST", place)
    store.draft.add(keys.blobs, 0, key.encode())
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    place = store.keys.of("blob", key)
    exists, size = store.connection.ask(("EXISTS", place), ("STRLEN", place))
    if not exists:
        return None
    pieces = [
        store.connection.ask(("GETRANGE", place, at, min(size, at + PIECE_BYTES) - 1))[0]
        for at in range(0, size, PIECE_BYTES)
    ]
    return b"".join(pieces)


def has(store: Store, key: str) -> bool:
    """Answer :meth:`torpor.world.Blobs.has_blob`."""
    return bool(store.connection.ask(("EXISTS", store.keys.of("blob", key)))[0])


def delete(store: Store, key: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.delete_blob`."""
    store.draft.unlink([store.keys.of("blob", key)])
    store.draft.remove(store.keys.blobs, key.encode())
    return None, None


def sizes(store: Store, prefix: str) -> dict[str, int]:
    """Answer :meth:`torpor.world.Blobs.blob_sizes`."""
    low = b"[" + prefix.encode()
    [found] = store.connection.ask(("ZRANGEBYLEX", store.keys.blobs, low, low + b"\xff" if prefix else b"+"))
    lengths = store.connection.ask(*(("STRLEN", store.keys.of("blob", key)) for key in found)) if found else []
    return {key.decode(): length for key, length in zip(found, lengths, strict=True)}
