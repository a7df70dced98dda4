"""The codec of one run: what it writes it reads, and every way to tamper is found."""

from __future__ import annotations

import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from torpor import codec
from torpor.codec.crypto.encryption import encrypt_for
from torpor.codec.crypto.keys import Keyring, generate
from torpor.codec.crypto.run_codec import PLAIN, RunCodec
from torpor.errors import DecryptionError, KeyMissingError, LimitExceededError, SerializationError
from torpor.limits import MIB, PAYLOAD_BYTES_MAX, SNAPSHOT_BYTES_MAX

DEPLOYMENT_KEY = bytes(range(32))
RUN = "wrun_01K00000000000000000000000"

KEYRING = Keyring([DEPLOYMENT_KEY])


@pytest.fixture
def run_codec() -> RunCodec:
    """Pack and unpack for one run."""
    return KEYRING.run(RUN, KEYRING.current)


def test_a_value_comes_back(run_codec: RunCodec) -> None:
    """Small or compressed, as a value or a text, as bytes or words."""
    long = ["text that shrinks " * 500]

    assert run_codec.loads(run_codec.dumps({"a": (1, 2)})) == {"a": (1, 2)}
    assert run_codec.loads(run_codec.dumps(long)) == long
    assert run_codec.unpack_devalue(run_codec.pack_devalue('devl["x"]')) == 'devl["x"]'
    assert run_codec.unpack_binary(run_codec.pack_binary(bytes(1000))) == bytes(1000)
    assert run_codec.unpack_text(run_codec.pack_text("words \ud800 ä")) == "words \ud800 ä"


def test_encryption_is_the_outermost_layer(run_codec: RunCodec) -> None:
    """Compressed first, so that size is saved, and then encrypted."""
    data = run_codec.dumps("text that shrinks " * 500)

    assert data.startswith(b"encr")
    assert len(data) < 200
    assert run_codec.decrypt(data).startswith(b"zstd")


def test_equal_values_are_different_bytes(run_codec: RunCodec) -> None:
    """Every nonce and every ephemeral key is new."""
    outside = Keyring().run(RUN, KEYRING.current, run_codec.public)

    assert len({run_codec.dumps(1) for _ in range(100)}) == 100
    assert len({outside.dumps(1)[4:36] for _ in range(100)}) == 100


def test_many_threads_share_a_run_codec(run_codec: RunCodec) -> None:
    """Turns and steps of one run work at once."""

    def there_and_back(n: int) -> bool:
        return all(run_codec.loads(run_codec.dumps([n, i])) == [n, i] for i in range(300))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(there_and_back, range(16)))


# ── Tampering ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("layer", ["encr", "encp"])
def test_no_bit_can_be_changed(run_codec: RunCodec, layer: str) -> None:
    """Prefix, ephemeral key, nonce, ciphertext and tag: one flipped bit of any byte is found."""
    data = run_codec.dumps("a word") if layer == "encr" else encrypt_for(run_codec.public, codec.dumps("a word"))
    assert data.startswith(layer.encode())
    for at in range(len(data)):
        # The last bit of an X25519 public key has no meaning in the exchange; the derivation has the bytes themselves.
        for bit in (1, 128):
            changed = bytearray(data)
            changed[at] ^= bit
            with pytest.raises(DecryptionError):
                run_codec.unpack_devalue(bytes(changed), from_outside=True)


@pytest.mark.parametrize("layer", ["encr", "encp"])
def test_nothing_can_be_cut_off_or_added(run_codec: RunCodec, layer: str) -> None:
    """Any other length is found."""
    data = run_codec.dumps(1) if layer == "encr" else encrypt_for(run_codec.public, codec.dumps(1))
    for end in range(len(data)):
        with pytest.raises(DecryptionError):
            run_codec.unpack_devalue(data[:end], from_outside=True)
    with pytest.raises(DecryptionError):
        run_codec.unpack_devalue(data + b"\0", from_outside=True)


def test_a_payload_belongs_to_its_run(run_codec: RunCodec) -> None:
    """Under the same deployment key, another run's payload does not open, and the message names run and key."""
    other = KEYRING.run("wrun_other", KEYRING.current)

    with pytest.raises(DecryptionError, match=f"run wrun_other, key {KEYRING.current}: .* belongs to something else"):
        other.loads(run_codec.dumps(1))


def test_a_blob_is_what_its_name_says() -> None:
    """A program that was put in the place of another does not open, nor does a run's payload."""
    one, two = (KEYRING.blob(name, KEYRING.current) for name in ("program/1", "program/2"))

    assert one.unpack_binary(one.pack_binary(b"source")) == b"source"
    with pytest.raises(DecryptionError, match="blob program/2"):
        two.unpack_binary(one.pack_binary(b"source"))
    with pytest.raises(DecryptionError):
        KEYRING.run("program/1", KEYRING.current).unpack_binary(one.pack_binary(b"source"))


def test_plain_data_is_not_taken_for_encrypted(run_codec: RunCodec) -> None:
    """Where everything is encrypted, somebody without the key can put nothing in its place."""
    with pytest.raises(DecryptionError, match="is not encrypted"):
        run_codec.loads(codec.dumps(["forged"]))
    with pytest.raises(DecryptionError, match="not encrypted, or is damaged"):
        run_codec.unpack_text("forged words!")


def test_what_anybody_can_write_is_not_taken_for_our_own(run_codec: RunCodec) -> None:
    """The public half is readable on disk; with it somebody can write to a hook, but forge no result and no line."""
    outside = Keyring().run(RUN, run_codec.key_id, run_codec.public)
    for read in (run_codec.loads, run_codec.unpack_devalue, run_codec.unpack_binary):
        with pytest.raises(DecryptionError, match="which anybody can do"):
            read(outside.dumps(["forged"]))
    with pytest.raises(DecryptionError, match="which anybody can do"):
        run_codec.unpack_text(outside.pack_text("forged"))
    assert run_codec.unpack_devalue(run_codec.dumps("own"), from_outside=True) == 'devl["own"]'


def test_encrypted_data_is_not_taken_for_plain(run_codec: RunCodec) -> None:
    """A run that is not encrypted has no payload that is."""
    with pytest.raises(SerializationError, match=r"encrypted \(encr\), and there is no key"):
        PLAIN.loads(run_codec.dumps(1))


def test_a_point_of_low_order_is_refused(run_codec: RunCodec) -> None:
    """A sender's key that would make the shared secret known to all is no key; nor is such a recipient."""
    with pytest.raises(DecryptionError, match="no public key of its sender"):
        run_codec.unpack_devalue(b"encp" + bytes(32) + bytes(12) + bytes(20), from_outside=True)
    with pytest.raises(SerializationError, match="public key is damaged"):
        encrypt_for(bytes(32), b"devl[1]")


def test_without_the_key_nothing_opens(run_codec: RunCodec) -> None:
    """Reading names the key that is missing; writing works if the public half is known, and else says the same."""
    outside = Keyring().run(RUN, run_codec.key_id, run_codec.public)
    unknown = Keyring().run(RUN, run_codec.key_id)

    assert run_codec.unpack_devalue(outside.dumps("in"), from_outside=True) == 'devl["in"]'
    assert run_codec.unpack_text(outside.pack_text("in"), from_outside=True) == "in"
    for attempt in (
        lambda: outside.loads(run_codec.dumps(1)),
        lambda: outside.unpack_text("x"),
        lambda: outside.seed(b""),
        lambda: outside.digest(b"", 8),
        lambda: unknown.dumps(1),
    ):
        with pytest.raises(
            KeyMissingError, match=f"{RUN}: encrypted under key {run_codec.key_id}.*TORPOR_KEYS"
        ) as caught:
            attempt()
        assert caught.value.key_id == run_codec.key_id


@pytest.mark.parametrize("pack", [zstandard.ZstdCompressor().compress, gzip.compress])
def test_a_bomb_inside_encryption_does_not_go_off(run_codec: RunCodec, pack: object) -> None:
    """Limits hold behind the encryption as before it."""
    assert callable(pack)
    name = b"gzip" if pack is gzip.compress else b"zstd"
    bomb = name + pack(b"devl" + bytes(PAYLOAD_BYTES_MAX + MIB))
    with pytest.raises(LimitExceededError, match="not unpacked"):
        run_codec.loads(run_codec.encrypt(bomb))
    with pytest.raises(LimitExceededError, match="not unpacked"):
        run_codec.unpack_binary(run_codec.encrypt(b"zstd" + zstandard.compress(bytes(SNAPSHOT_BYTES_MAX + 1))))


def test_messages_show_no_plaintext(run_codec: RunCodec) -> None:
    """Neither what was to be read nor any key."""
    with pytest.raises(DecryptionError) as caught:
        KEYRING.run("wrun_other", KEYRING.current).loads(run_codec.dumps("a secret word"))
    shown = repr(caught.value) + repr(caught.value.__cause__) + repr(run_codec) + repr(KEYRING)
    assert "secret" not in shown
    assert DEPLOYMENT_KEY.hex() not in shown


def test_digests_differ_between_runs(run_codec: RunCodec) -> None:
    """The same input has another digest in another run and without encryption: it cannot be guessed and compared."""
    other = KEYRING.run("wrun_other", KEYRING.current)

    assert len({each.digest(b"devl[1]", 8) for each in (run_codec, other, PLAIN)}) == 3
    assert run_codec.digest(b"devl[1]", 8) == KEYRING.run(RUN, KEYRING.current).digest(b"devl[1]", 8)
    assert len(run_codec.digest(b"", 16)) == 16


def test_a_public_half_is_of_its_run() -> None:
    """It is a point on the curve, the same each time, and another for each run and key."""
    rings = (KEYRING, Keyring([generate()]))
    halves = [ring.run(run_id, ring.current).public for ring in rings for run_id in ("wrun_1", "wrun_2")]

    assert len({*halves}) == 4
    assert all(X25519PublicKey.from_public_bytes(half) for half in halves)
    assert halves[0] == Keyring([DEPLOYMENT_KEY]).run("wrun_1", KEYRING.current).public


@given(st.sampled_from([b"encr", b"encp", b"zstd", b"gzip", b"devl", b""]), st.binary(max_size=200))
def test_any_bytes_are_an_error_and_nothing_else(prefix: bytes, body: bytes) -> None:
    """Whatever is found in a database, reading it ends with the one error."""
    run_codec = KEYRING.run(RUN, KEYRING.current)
    for read in (run_codec.loads, run_codec.unpack_devalue, run_codec.unpack_binary):
        with pytest.raises(DecryptionError):
            read(prefix + body)


@given(st.binary(max_size=200))
def test_any_bytes_inside_encryption_are_an_error_of_the_format(body: bytes) -> None:
    """A holder of the key may have stored something else than an envelope."""
    run_codec = KEYRING.run(RUN, KEYRING.current)
    if not body.startswith(b"devl"):
        with pytest.raises(SerializationError):
            run_codec.unpack_devalue(run_codec.encrypt(body))
