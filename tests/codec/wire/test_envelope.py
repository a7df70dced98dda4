"""Envelopes: prefixes, compression, and what is refused."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from inspect import signature

import pytest
import zstandard

from torpor.codec.wire.envelope import pack, pack_binary, unpack, unpack_binary
from torpor.errors import LimitExceededError, SerializationError
from torpor.limits import KIB, MIB, PAYLOAD_BYTES_MAX, SNAPSHOT_BYTES_MAX

TEXT = b'devl["' + b"x" * 5000 + b'"]'


def zstd(data: bytes) -> bytes:
    """Return data in a zstd layer."""
    return b"zstd" + zstandard.compress(data)


def streamed_zstd(data: bytes) -> bytes:
    """Return data in a zstd layer that does not tell its size."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return b"zstd" + compressor.compress(data) + compressor.flush()


def test_a_small_text_is_not_compressed() -> None:
    """Below 1 KiB, prefix included, the envelope is the text."""
    text = b"devl" + b"x" * 1019

    assert pack(text) == text


def test_a_larger_text_is_compressed() -> None:
    """From 1 KiB on a text is wrapped in zstd."""
    packed = pack(b"devl" + b"x" * 1020)

    assert packed.startswith(b"zstd\x28\xb5\x2f\xfd")
    assert len(packed) < 50


def test_a_text_that_does_not_shrink_is_left_alone() -> None:
    """Saving no more than 5 % is not worth the work of reading."""
    text = b"devl" + os.urandom(4 * KIB)

    assert pack(text) == text


@pytest.mark.parametrize(
    "data", [TEXT, zstd(TEXT), streamed_zstd(TEXT), b"gzip" + gzip.compress(TEXT, mtime=0), zstd(zstd(TEXT))]
)
def test_layers_are_peeled_off(data: bytes) -> None:
    """Whatever the order, the text is inside."""
    assert unpack(data) == TEXT


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "begins with b'', which is no format prefix"),
        (b"dev", "begins with b'dev', which is no format prefix"),
        (b"[1]", "begins with b'\\[1\\]'"),
        (b"DEVL[1]", "begins with b'DEVL'"),
        (b"\x28\xb5\x2f\xfd....", "no format prefix"),
        (b"cbor\1\2", "has the format 'cbor', which this version cannot read"),
        (b"encr" + bytes(40), r"encrypted \(encr\), and there is no key"),
        (b"encp" + bytes(80), r"encrypted \(encp\), and there is no key"),
        (b"zstd", "zstd data is damaged"),
        (b"zstdnonsense", "zstd data is damaged"),
        (zstd(TEXT)[:-3], "zstd data is damaged"),
        (zstd(TEXT) + b"more", "zstd data is damaged"),
        (streamed_zstd(TEXT)[:-3], "zstd data is damaged"),
        (streamed_zstd(TEXT) + b"more", "zstd data is damaged"),
        (streamed_zstd(TEXT) + bytes(1000), "zstd data is damaged"),
        (b"gzip", "gzip data is damaged"),
        (b"gzipnonsense", "gzip data is damaged"),
        (b"gzip" + gzip.compress(TEXT, mtime=0)[:-3], "gzip data is damaged"),
        (b"gzip" + gzip.compress(TEXT, mtime=0) + b"more", "gzip data is damaged"),
        (zstd(b"nope!"), "has the format 'nope'"),
        (zstd(zstd(zstd(zstd(zstd(TEXT))))), "more than 4 layers"),
    ],
)
def test_what_is_no_envelope_is_refused(data: bytes, complaint: str) -> None:
    """The message says what is wrong; no bytes get through as something else."""
    with pytest.raises(SerializationError, match=complaint):
        unpack(data)


def test_a_text_beyond_the_limit_is_refused_when_writing() -> None:
    """The message has size, limit and a way out."""
    with pytest.raises(
        LimitExceededError, match=r"has 16,777,217 bytes, the limit .* 16,777,216; store large data elsewh"
    ):
        pack(b"devl" + bytes(PAYLOAD_BYTES_MAX - 3))


@pytest.mark.parametrize(
    "bomb",
    [
        zstd(bytes(PAYLOAD_BYTES_MAX + 1)),
        streamed_zstd(bytes(PAYLOAD_BYTES_MAX + 1)),
        b"gzip" + gzip.compress(bytes(PAYLOAD_BYTES_MAX + 1)),
        zstd(zstd(bytes(300 * MIB))),
        b"zstd" + bytes.fromhex("28b52ffde0ffffffffffffff7f010000"),
        b"devl" + bytes(PAYLOAD_BYTES_MAX),
    ],
    ids=["zstd", "streamed zstd", "gzip", "nested", "a frame that claims 9 EB", "not compressed"],
)
def test_a_bomb_is_not_unpacked(bomb: bytes) -> None:
    """Neither what a frame claims nor what it holds can take more memory than a payload may."""
    with pytest.raises(LimitExceededError, match="unpacks to more than the limit of 16,777,216 bytes"):
        unpack(bomb)


@pytest.mark.parametrize("data", [b"", b"x", bytes(110_000), os.urandom(10_000), b"zstd", TEXT])
def test_binary_data_comes_back(data: bytes) -> None:
    """Snapshots and images are always compressed, whatever is in them."""
    packed = pack_binary(data)

    assert packed.startswith(b"zstd")
    assert unpack_binary(packed) == data


def test_a_binary_bomb_is_not_unpacked() -> None:
    """The limit is that of snapshots, and lower where somebody says so, as here, so that the bomb is small."""
    with pytest.raises(LimitExceededError, match="1,048,576"):
        unpack_binary(zstd(bytes(2 * MIB)), MIB)
    assert signature(unpack_binary).parameters["most"].default == SNAPSHOT_BYTES_MAX


@pytest.mark.parametrize("data", [b"", b"devl[1]", b"zstd???", b"encr" + bytes(40)])
def test_binary_data_in_another_form_is_refused(data: bytes) -> None:
    """Nothing but a compressed body is taken for one."""
    with pytest.raises(SerializationError):
        unpack_binary(data)


def test_threads_do_not_share_a_compressor() -> None:
    """Many threads at once pack and unpack without damage."""
    texts = [b"devl" + bytes([65 + at]) * (2000 + at) for at in range(16)]

    def work(text: bytes) -> bool:
        return all(unpack(pack(text)) == text and unpack_binary(pack_binary(text)) == text for _ in range(50))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(work, texts))
