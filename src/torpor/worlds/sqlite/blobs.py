"""Blobs: content-addressed bytes. A row that holds anything else is none, and is stored anew by who has its content."""

from __future__ import annotations

from typing import Final

from torpor.worlds.sqlite.store import Store

_IS_BLOB: Final = "typeof(data) = 'blob'"
_LAST: Final = "\U0010ffff"
"""Greater than any character of a key."""


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    store.db.execute("INSERT OR REPLACE INTO blobs (key, data) VALUES (?, ?)", (key, data))
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    row = store.db.execute(f"SELECT data FROM blobs WHERE key = ? AND {_IS_BLOB}", (key,)).fetchone()
    return None if row is None else bytes(row[0])


def has(store: Store, key: str) -> bool:
    """Answer :meth:`torpor.world.Blobs.has_blob`."""
    return store.db.execute(f"SELECT 1 FROM blobs WHERE key = ? AND {_IS_BLOB}", (key,)).fetchone() is not None


def delete(store: Store, key: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.delete_blob`."""
    store.db.execute("DELETE FROM blobs WHERE key = ?", (key,))
    return None, None


def sizes(store: Store, prefix: str) -> dict[str, int]:
    """Answer :meth:`torpor.world.Blobs.blob_sizes`."""
    query = f"SELECT key, length(data) FROM blobs WHERE key >= ? AND key < ? AND {_IS_BLOB} ORDER BY key"
    return dict(store.db.execute(query, (prefix, prefix + _LAST)).fetchall())
