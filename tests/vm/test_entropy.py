"""A run's randomness is one stream that can be entered anywhere."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor.vm.entropy import BLOCK_BYTES, Entropy

SEED = bytes(range(32))


@given(st.lists(st.integers(0, 3000), max_size=8))
def test_pieces_make_the_whole(sizes: list[int]) -> None:
    """
    However the stream is drawn, the bytes are those of one draw.
    """
    pieces, whole = Entropy(SEED), Entropy(SEED)

    drawn = b"".join(pieces.draw(size) for size in sizes)

    assert drawn == whole.draw(sum(sizes))
    assert pieces.position == sum(sizes)


@given(st.integers(0, 10_000), st.integers(0, 2000))
def test_the_stream_goes_on_from_a_position(position: int, size: int) -> None:
    """
    A stream that begins at a position gives what an earlier one would have given next.
    """
    earlier = Entropy(SEED)
    earlier.draw(position)

    assert Entropy(SEED, position).draw(size) == earlier.draw(size)


def test_seeds_do_not_share_bytes() -> None:
    """
    Seeds that differ in one bit give streams that agree nowhere for long.
    """
    one = Entropy(SEED).draw(4 * BLOCK_BYTES)
    other = Entropy(bytes([SEED[0] ^ 1]) + SEED[1:]).draw(4 * BLOCK_BYTES)

    assert not any(one[at : at + 8] == other[at : at + 8] for at in range(len(one)))


def test_derived_bytes_are_apart_from_the_stream() -> None:
    """
    Bytes for a purpose depend on it, do not move the stream and do not occur in it.
    """
    entropy = Entropy(SEED)

    derived = entropy.derive("one", 16)

    assert entropy.position == 0
    assert derived != entropy.derive("another", 16)
    assert derived not in entropy.draw(64 * BLOCK_BYTES)


def test_the_stream_is_what_recorded_snapshots_expect() -> None:
    """
    The stream of a seed never changes: parked runs go on in it.
    """
    first = Entropy(SEED).draw(64)

    assert first == hashlib.shake_256(b"torpor entropy 1\0" + SEED + bytes(8)).digest(64)
    assert first[:16].hex() == "1aec78a4625ec4ef2210b57f94288401"


def test_a_short_seed_is_refused() -> None:
    """
    A seed has 32 bytes.
    """
    with pytest.raises(ValueError, match="32 bytes, this one has 5"):
        Entropy(b"short")
