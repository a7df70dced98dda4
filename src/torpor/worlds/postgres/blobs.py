"""Blobs: content-addressed bytes."""

from __future__ import annotations

from typing import Final

from torpor.worlds.postgres.store import Store

_PUT: Final = (
    "INSERT INTO torpor.blobs (key, data) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET data = excluded.data"
)
_SIZES: Final = "SELECT key, length(data) FROM torpor.blobs WHERE starts_with(key, %s) ORDER BY key"


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    store.connection.rows(_PUT, key, data)
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    row = store.connection.row("SELECT data FROM torpor.blobs WHERE key = %s", key)
    return None if row is None else bytes(row[0])


def has(store: Store, key: str) -> bool:
    """Answer :meth:`torpor.world.Blobs.has_blob`."""
    return store.connection.row("SELECT 1 FROM torpor.blobs WHERE key = %s", key) is not None


def delete(store: Store, key: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.delete_blob`."""
    store.connection.rows("DELETE FROM torpor.blobs WHERE key = %s", key)
    return None, None


def sizes(store: Store, prefix: str) -> dict[str, int]:
    """Answer :meth:`torpor.world.Blobs.blob_sizes`."""
    return dict(store.connection.rows(_SIZES, prefix))
