"""
Blobs. A large one is written and read in pieces: the server does one thing at a time, and others wait meanwhile.

It is written elsewhere and put in place when it is whole.
"""

from __future__ import annotations

import secrets
from typing import Final

from torpor.worlds.redis.store import Store

PIECE_BYTES: Final = 2**20
_IS_WHOLE: Final = b"whole"
_LEFT_SECONDS: Final = 3_600
"""After so long what somebody did not finish writing is forgotten."""


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    place = store.keys.of("blob", key)
    if len(data) <= PIECE_BYTES:
        store.draft.write("SET", place, data)
    else:
        elsewhere, whole = _written(store, key, data)
        store.draft.expect(whole, _IS_WHOLE, b"1")
        store.draft.write("RENAME", elsewhere, place)
        store.draft.write("PERSIST", place)
        store.draft.unlink([whole])
    store.draft.add(store.keys.blobs, 0, key.encode())
    return None, None


def _written(store: Store, key: str, data: bytes) -> tuple[bytes, bytes]:
    """
    Write a blob in pieces; return where, and what is only there when none of them is missing.

    A server that takes over may lack some of them, but not one that came before another that it has.
    """
    keys, connection = store.keys, store.connection
    while True:
        made, token = connection.made, secrets.token_hex(8)
        elsewhere, whole = keys.of("blob-writing", key, token), keys.of("blob-whole", key, token)
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            connection.ask(("SETRANGE", elsewhere, at, piece), ("EXPIRE", elsewhere, _LEFT_SECONDS))
        connection.ask(("HSET", whole, _IS_WHOLE, b"1"), ("EXPIRE", whole, _LEFT_SECONDS))
        if connection.made == made:
            return elsewhere, whole


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
