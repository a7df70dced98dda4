"""What encryption is made of, against published vectors and what the TypeScript Workflow SDK has written."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import os
from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tests.codec.node import Node
from torpor import codec
from torpor.codec.crypto.encryption import Key, derive, derive_key, encrypt_for

DEPLOYMENT_KEY = bytes(range(32))
RUN = "wrun_01K00000000000000000000000"

# Written by @workflow/core 5.0.0-beta.55 with the deployment key above, for that run of the project prj_torpor.
SDK_RUN_KEY = bytes.fromhex("b08ca0adc1e9c5075907087f8a16b929f9ed0164c27fe8b09702a07f4e26e388")
SDK_PUBLIC = bytes.fromhex("074cce60769d7348721b9ac38f5ce489898195923f100f633754af84dcf65b7f")
SDK_TEXT = 'devl[{"n":1},[2,3],1,"ä"]'.encode()
SDK_ENCR = bytes.fromhex(
    "656e6372e0cd01fd6295e2e71c8eda216b63bb9995855301998005c58c0622064869142763abb37a43b79e8335b277dcb281274e1cf4c0d33bc1"
)
SDK_ENCP = bytes.fromhex(
    "656e6370c0a694568750c30d0df06018e75236339171b22d2cb053be3acfd872d03a4663335f9af270c68cbb38606f245b06d26d644d13cbb8"
    "e101e17e6684eb91e602d4acb5d65b7f7112afba756709ae412a905e671eff4dbc"
)


def hkdf_by_hand(secret: bytes, info: bytes) -> bytes:
    """Compute HKDF-SHA256 with a salt of zeros and 32 bytes of output, from RFC 5869 alone."""
    extracted = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    return hmac.new(extracted, info + b"\x01", hashlib.sha256).digest()


# ── Published vectors ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_hkdf_agrees_with_its_rfc() -> None:
    """RFC 5869, A.3: no salt, no info."""
    published = "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"

    assert derive(b"\x0b" * 22, b"").hex() == published


@given(st.binary(min_size=1, max_size=64), st.binary(max_size=100))
def test_hkdf_agrees_with_its_definition(secret: bytes, info: bytes) -> None:
    """For any secret and purpose."""
    assert derive(secret, info) == hkdf_by_hand(secret, info)


@pytest.mark.parametrize(
    ("key", "nonce", "plain", "encrypted"),
    [
        ("00" * 32, "00" * 12, "", "530f8afbc74536b9a963b4f1c4cb738b"),
        ("00" * 32, "00" * 12, "00" * 16, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"),
        (
            "feffe9928665731c6d6a8f9467308308" * 2,
            "cafebabefacedbaddecaf888",
            (
                "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
            ),
            (
                "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
                "b094dac5d93471bdec1a502270e3cc6c"
            ),
        ),
    ],
)
def test_aes_gcm_agrees_with_its_specification(key: str, nonce: str, plain: str, encrypted: str) -> None:
    """Test cases 13 to 15 of McGrew and Viega: 256-bit keys without additional data."""
    data = b"encr" + bytes.fromhex(nonce) + bytes.fromhex(encrypted)

    assert Key(bytes.fromhex(key)).decrypt(data).hex() == plain


def test_x25519_agrees_with_its_rfc() -> None:
    """RFC 7748, 6.1: what Alice encrypts to Bob opens with the secret that the RFC says they share."""
    alice = bytes.fromhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a")
    bob_scalar = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    bob = bytes.fromhex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f")
    shared = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
    content_key = hkdf_by_hand(shared, b"workflow/encp/aes256gcm/v1" + alice + bob)
    nonce = os.urandom(12)
    key = Key(bytes(32))
    key._scalar = X25519PrivateKey.from_private_bytes(bob_scalar)

    data = b"encp" + alice + nonce + AESGCM(content_key).encrypt(nonce, b"devl[1]", None)

    assert key.public == bob
    assert key.decrypt_any(data) == b"devl[1]"


# ── The TypeScript Workflow SDK ───────────────────────────────────────────────────────────────────────────────────────


def test_what_the_sdk_has_written_opens() -> None:
    """Run key, public half and both layers are as the SDK makes them."""
    key = Key(derive_key(DEPLOYMENT_KEY, "prj_torpor", RUN))

    assert derive_key(DEPLOYMENT_KEY, "prj_torpor", RUN) == SDK_RUN_KEY
    assert key.public == SDK_PUBLIC
    assert key.decrypt(SDK_ENCR) == SDK_TEXT
    assert key.decrypt_any(SDK_ENCP) == SDK_TEXT


@pytest.mark.network
def test_the_sdk_opens_what_we_write(sdk: Node) -> None:
    """It reads both of our layers, compressed inside or not, and we read what it writes of them."""
    key = Key(SDK_RUN_KEY)
    for value in ({"n": [1, "ä"]}, ["text that shrinks " * 500], None):
        plain = codec.dumps(value)
        if plain.startswith(b"zstd"):  # which the SDK reads in newer versions of Node only
            plain = b"gzip" + gzip.compress(codec.unpack_devalue(plain).encode())
        for data in (key.encrypt(plain), encrypt_for(key.public, plain)):
            for compression in (False, True):
                answer = sdk("rewrap", b64encode(data).decode(), b64encode(SDK_RUN_KEY).decode(), compression)
                written = b64decode(answer)
                assert written.startswith(b"encr")
                assert codec.loads(key.decrypt(written)) == value


@pytest.mark.network
def test_the_sdk_encrypts_for_us(sdk: Node) -> None:
    """It derives our public half, and what it encrypts to that opens here."""
    key = Key(SDK_RUN_KEY)
    public = b64encode(key.public).decode()

    encrypted = b64decode(sdk("sealTo", b64encode(SDK_TEXT).decode(), public))

    assert sdk("publicKeyOf", b64encode(SDK_RUN_KEY).decode()) == public
    assert encrypted.startswith(b"encp")
    assert key.decrypt_any(encrypted) == SDK_TEXT
