"""Blobs: content-addressed bytes."""

from __future__ import annotations

import pytest

from torpor.errors import LimitExceededError
from torpor.testing.worlds.suite import Suite
from torpor.world import World

_MIB = 1 << 20
_LARGEST_TRIED = 2_000 * _MIB


class BlobsSuite(Suite):
    """The ``Blobs`` protocol."""

    @pytest.mark.parametrize("data", [b"", b"\0", bytes(range(256)) * 20_000], ids=["empty", "zero", "5 MB"])
    async def test_a_blob_comes_back(self, world: World, data: bytes) -> None:
        """Byte for byte, whatever its size."""
        await world.put_blob("key", data)
        assert await world.blob("key") == data

    async def test_a_missing_blob_is_none(self, world: World) -> None:
        """Asking for it is no error."""
        assert await world.blob("key") is None

    async def test_a_key_means_the_same_bytes_for_ever(self, world: World) -> None:
        """Storing it again is harmless."""
        await world.put_blob("key", b"bytes")
        await world.put_blob("key", b"bytes")
        assert await world.blob("key") == b"bytes"

    async def test_keys_are_apart(self, world: World) -> None:
        """Each has its own bytes."""
        await world.put_blob("one", b"1")
        await world.put_blob("two", b"2")
        assert (await world.blob("one"), await world.blob("two")) == (b"1", b"2")

    async def test_a_blob_that_is_too_large_is_refused(self, world: World) -> None:
        """The world's own limit is kept, and the error names it."""
        limit = world.capabilities.blob_bytes_max
        if limit > _LARGEST_TRIED:
            pytest.skip("the limit is beyond what a test can allocate")
        with pytest.raises(LimitExceededError, match=str(limit)):
            await world.put_blob("key", bytes(limit + 1))  # zero pages, which take no memory until they are touched
        assert await world.blob("key") is None

    async def test_a_damaged_blob_can_be_replaced(self, world: World) -> None:
        """Who stores it again means the same bytes, and knows them better than what is there."""
        await world.put_blob("key", b"b?tes")
        await world.put_blob("key", b"bytes")
        assert await world.blob("key") == b"bytes"

    async def test_a_blob_can_be_asked_for_without_reading_it(self, world: World) -> None:
        """An empty one is there too."""
        await world.put_blob("key", b"")
        assert (await world.has_blob("key"), await world.has_blob("other")) == (True, False)

    async def test_a_blob_can_be_forgotten(self, world: World) -> None:
        """Doing it again is harmless, and others stay."""
        for key in ("one", "two"):
            await world.put_blob(key, b"bytes")
        await world.delete_blob("one")
        await world.delete_blob("one")
        assert (await world.has_blob("one"), await world.blob("two")) == (False, b"bytes")

    async def test_keys_are_listed_by_prefix(self, world: World) -> None:
        """In order, with the sizes of what they stand for; the prefix is text, whatever it looks like."""
        for key in ("build/b", "build/a", "build", "builds/c", "build_d", "b%", "bü"):
            await world.put_blob(key, key.encode())
        assert list((await world.blob_sizes("build/")).items()) == [("build/a", 7), ("build/b", 7)]
        assert await world.blob_sizes("build_") == {"build_d": 7}
        assert await world.blob_sizes("b%") == {"b%": 2}
        assert len(await world.blob_sizes("")) == 7
        assert await world.blob_sizes("none") == {}
