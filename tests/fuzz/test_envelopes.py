"""Envelopes, encrypted and plain: damaged ones are refused with the errors that are documented, and no others."""

from __future__ import annotations

import contextlib
import gzip
import resource
import subprocess
import sys
import textwrap

import pytest
import zstandard
from hypothesis import given

from tests.fuzz.damage import anything, bounded, damaged
from torpor import codec
from torpor.codec.crypto.encryption import Key, encrypt_for
from torpor.errors import DecryptionError, LimitExceededError, SerializationError

KEY = Key(bytes(range(32)))
TEXT = codec.unpack_devalue(codec.dumps({"records": [{"id": at, "at": 2.5 * at} for at in range(200)]})).encode()
ENVELOPES = [
    b"devl[[1,2],1,2]",
    TEXT,
    codec.pack_devalue(TEXT.decode()),
    b"gzip" + gzip.compress(TEXT, mtime=0),
    b"zstd" + zstandard.ZstdCompressor(write_content_size=False).compress(TEXT),
    b"zstd" + zstandard.ZstdCompressor().compress(b"gzip" + gzip.compress(TEXT, mtime=0)),
    codec.pack_binary(bytes(5_000)),
]
# Random nonces would make every run another one; what is inside does not matter to the reader that refuses it.
ENCRYPTED = [b"encr" + bytes(range(60)), b"encp" + bytes(range(100)), *ENVELOPES]


@bounded
@given(anything(ENVELOPES))
def test_a_damaged_envelope_is_read_or_refused(data: bytes) -> None:
    """As text and as a value."""
    for read in (codec.loads, codec.unpack_devalue):
        with contextlib.suppress(SerializationError, LimitExceededError):
            read(data)


@bounded
@given(anything(ENVELOPES))
def test_a_damaged_envelope_of_raw_bytes_is_read_or_refused(data: bytes) -> None:
    """As a snapshot is."""
    with contextlib.suppress(SerializationError, LimitExceededError):
        codec.unpack_binary(data)


@bounded
@given(anything(ENCRYPTED))
def test_what_was_not_encrypted_with_the_key_is_refused(data: bytes) -> None:
    """Nothing that somebody made without the key is ever decrypted."""
    with pytest.raises(DecryptionError):
        KEY.decrypt(data)


@pytest.mark.parametrize("layer", [KEY.encrypt, lambda data: encrypt_for(KEY.public, data)], ids=["encr", "encp"])
def test_every_changed_byte_of_an_encrypted_payload_is_noticed(layer: object) -> None:
    """Prefix, public key, nonce, ciphertext and tag."""
    assert callable(layer)
    data = layer(TEXT[:100])
    assert KEY.decrypt_any(data) == TEXT[:100]
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x40
        with pytest.raises(DecryptionError):
            KEY.decrypt_any(bytes(changed))


PATH = ":".join(filter(None, sys.path))
MEMORY_SPARE_BYTES = 192 * 2**20
BOMBS = textwrap.dedent(
    """
    import gzip, io, resource, struct, zlib
    import zstandard
    from torpor import codec
    from torpor.errors import LimitExceededError, SerializationError
    from torpor.limits import MIB

    def zstd(size, tells_size):
        compressor = zstandard.ZstdCompressor(level=1, write_content_size=tells_size)
        piece = bytes(MIB)
        target = io.BytesIO()
        with compressor.stream_writer(target, size=size if tells_size else -1, closefd=False) as writer:
            for _ in range(size // MIB):
                writer.write(piece)
        return target.getvalue()

    def gzipped(size):
        inflater = zlib.compressobj(1, wbits=31)
        return b"".join([*(inflater.compress(bytes(MIB)) for _ in range(size // MIB)), inflater.flush()])

    bombs = [
        b"zstd" + zstd(512 * MIB, True), b"zstd" + zstd(512 * MIB, False), b"gzip" + gzipped(512 * MIB),
        b"zstd" + zstandard.ZstdCompressor().compress(b"gzip" + gzipped(512 * MIB)),
        # A frame that promises little and gives much, and one that promises more than there is.
        b"zstd\\x28\\xb5\\x2f\\xfd\\xa0\\x00\\x00\\x10\\x00" + zstd(64 * MIB, False)[6:],
        b"zstd\\x28\\xb5\\x2f\\xfd\\xe0" + struct.pack("<Q", 2**63) + bytes(20),
    ]
    # Raw bytes may have 512 MiB, so a few bytes may claim that much, as content or as what the writer looks back to.
    claims = [
        b"zstd\\x28\\xb5\\x2f\\xfd\\xe0" + struct.pack("<Q", 500 * MIB) + bytes(20),
        b"zstd\\x28\\xb5\\x2f\\xfd\\xa0" + struct.pack("<I", 500 * MIB) + b"\\x01\\x00\\x00",
        b"zstd\\x28\\xb5\\x2f\\xfd\\x80\\x88" + struct.pack("<I", 500 * MIB) + b"\\x01\\x00\\x00",
    ]
    codec.loads(codec.dumps(["x" * 100_000]))
    with open("/proc/self/statm") as statm:
        used = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + SPARE, used + SPARE))
    for bomb in bombs:
        for read in (codec.loads, codec.unpack_devalue):
            try:
                read(bomb)
            except (SerializationError, LimitExceededError) as refused:
                print(type(refused).__name__)
    for claim in claims:
        try:
            codec.unpack_binary(claim)
        except (SerializationError, LimitExceededError) as refused:
            print(type(refused).__name__)
    """
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of address space is Linux's")
def test_bombs_are_refused_in_bounded_memory() -> None:
    """Fifteen readings of what unpacks to hundreds of megabytes, or says so, in a process without room for that."""
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY

    program = BOMBS.replace("SPARE", str(MEMORY_SPARE_BYTES))
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": PATH},
    )

    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 15
    assert set(done.stdout.split()) <= {"SerializationError", "LimitExceededError"}


@bounded
@given(damaged([TEXT]))
def test_a_damaged_text_is_a_value_or_refused(data: bytes) -> None:
    """Whatever the value is, it can be written again."""
    try:
        value = codec.loads(data)
    except (SerializationError, LimitExceededError):
        return
    codec.dumps(value)
