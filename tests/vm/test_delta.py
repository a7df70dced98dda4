"""The snapshot format refuses what it cannot hold true."""

from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torpor.errors import SnapshotError
from torpor.vm.delta import Delta, pack_delta, unpack_delta

IMAGE = "ab" * 32

RECORDED = (
    "544f525001000000abababababababababababababababababababababababababababababababab3a0000000000100028000000000000"
    "0000505c18a30100004c000000000000000101000001000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000000000000eeffc0000000000042a1ad55"
)

deltas = st.builds(
    Delta,
    image=st.just(IMAGE),
    pages=st.integers(0, 2**32 - 1),
    stack_pointer=st.integers(0, 2**32 - 1),
    entropy=st.integers(0, 2**64 - 1),
    clock=st.integers(-(2**63), 2**63 - 1),
    body=st.binary(max_size=9000),
)


def sealed(data: bytes) -> bytes:
    """Return *data* with its last four bytes replaced by the right checksum."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


@given(deltas)
def test_a_delta_comes_back_as_it_was(delta: Delta) -> None:
    """
    Unpacking gives every field that was packed.
    """
    found = unpack_delta(pack_delta(delta), IMAGE)

    assert bytes(found.body) == delta.body
    assert found.pages == delta.pages
    assert found.stack_pointer == delta.stack_pointer
    assert found.entropy == delta.entropy
    assert found.clock == delta.clock


def test_every_changed_byte_is_noticed() -> None:
    """
    Whichever single byte of a snapshot changes, to whatever, it is refused as damaged.
    """
    data = pack_delta(Delta(IMAGE, 58, 1_048_576, 40, 1_800_000_000_000, bytes(range(256)) * 20))

    for at in range(len(data)):
        for change in (1, 0x80, 0xFF):
            damaged = bytearray(data)
            damaged[at] ^= change
            with pytest.raises(SnapshotError, match="damaged"):
                unpack_delta(bytes(damaged), IMAGE)


@given(deltas, st.data())
def test_a_cut_snapshot_is_refused(delta: Delta, data: st.DataObject) -> None:
    """
    A snapshot that ends early is refused, wherever it ends.
    """
    whole = pack_delta(delta)
    size = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(SnapshotError, match=r"cut short|damaged"):
        unpack_delta(whole[:size], IMAGE)


def test_another_image_is_named() -> None:
    """
    The error for a foreign snapshot names both images.
    """
    data = pack_delta(Delta(IMAGE, 1, 0, 0, 0, b""))

    with pytest.raises(SnapshotError, match=r"belongs to image abababababab…, not to cdcdcdcdcdcd…"):
        unpack_delta(data, "cd" * 32)


def test_another_version_is_named() -> None:
    """
    An intact snapshot of a later format is refused for its version, not as damaged.
    """
    data = bytearray(pack_delta(Delta(IMAGE, 1, 0, 0, 0, b"")))
    struct.pack_into("<H", data, 4, 9)

    with pytest.raises(SnapshotError, match="has format 9, this Torpor reads 1"):
        unpack_delta(sealed(bytes(data)), IMAGE)


def test_other_bytes_are_no_snapshot() -> None:
    """
    Intact bytes of another kind are refused.
    """
    data = bytearray(pack_delta(Delta(IMAGE, 1, 0, 0, 0, b"")))
    data[:4] = b"ELSE"

    with pytest.raises(SnapshotError, match="not a snapshot"):
        unpack_delta(sealed(bytes(data)), IMAGE)


def test_a_wrong_length_is_refused() -> None:
    """
    A head that promises another length than the body has is refused, even with a right checksum.
    """
    data = bytearray(pack_delta(Delta(IMAGE, 1, 0, 0, 0, b"")))
    data[-4:-4] = b"more"

    with pytest.raises(SnapshotError, match="holds 4 bytes, its head says 0"):
        unpack_delta(sealed(bytes(data)), IMAGE)


def test_a_recorded_snapshot_is_still_read() -> None:
    """
    The first format stays readable: parked runs hold it.
    """
    data = bytes.fromhex(RECORDED)

    delta = unpack_delta(data, IMAGE)

    assert (delta.pages, delta.stack_pointer, delta.entropy, delta.clock) == (58, 1 << 20, 40, 1_800_000_000_000)
    assert bytes(delta.body) == struct.pack("<I64sQ", 257, b"\1", 0xC0FFEE)
