"""Blobs: content-addressed bytes."""

from __future__ import annotations

from typing import Final

from torpor.worlds.sqlite.store import Store

_LAST: Final = "\U0010ffff"
"""Greater than any character of a key."""


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    store.db.execute("INSERT OR REPLACE INTO blobs (key, data) VALUES (?, ?)", (key, data))
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    row = store.db.execute("SELECT data FROM blobs WHERE key = ?", (key,)).fetchone()
    return None if row is None else bytes(row[0])


def has(store: Store, key: str) -> bool:
    """Answer :meth:`torpor.world.Blobs.has_blob`."""
    return store.db.execute("SELECT 1 FROM blobs WHERE key = ?", (key,)).fetchone() is not None


def delete(store: Store, key: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.delete_blob`."""
    store.db.execute("DELETE FROM blobs WHERE key = ?", (key,))
    return None, None


def sizes(store: Store, prefix: str) -> dict[str, int]:
    """Answer :meth:`torpor.world.Blobs.blob_sizes`."""
    query = "SELECT key, length(data) FROM blobs WHERE key >= ? AND key < ? ORDER BY key"
    return dict(store.db.execute(query, (prefix, prefix + _LAST)).fetchall())
