"""Blobs: content-addressed bytes."""

from __future__ import annotations

from torpor.worlds.sqlite.store import Store


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    store.db.execute("INSERT OR IGNORE INTO blobs VALUES (?, ?)", (key, data))
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    row = store.db.execute("SELECT data FROM blobs WHERE key = ?", (key,)).fetchone()
    return None if row is None else bytes(row[0])
