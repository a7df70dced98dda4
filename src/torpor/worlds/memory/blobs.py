"""Blobs of a memory world."""

from __future__ import annotations

from torpor.worlds.memory.store import Store


def put(store: Store, key: str, data: bytes) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.put_blob`."""
    store.blobs[key] = bytes(data)
    return None, None


def get(store: Store, key: str) -> bytes | None:
    """Answer :meth:`torpor.world.Blobs.blob`."""
    return store.blobs.get(key)


def has(store: Store, key: str) -> bool:
    """Answer :meth:`torpor.world.Blobs.has_blob`."""
    return key in store.blobs


def delete(store: Store, key: str) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Blobs.delete_blob`."""
    store.blobs.pop(key, None)
    return None, None


def sizes(store: Store, prefix: str) -> dict[str, int]:
    """Answer :meth:`torpor.world.Blobs.blob_sizes`."""
    return {key: len(data) for key, data in sorted(store.blobs.items()) if key.startswith(prefix)}
