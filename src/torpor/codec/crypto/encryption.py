"""
What encryption is made of: AES-256-GCM, X25519 and HKDF-SHA256, put together as the TypeScript Workflow SDK does.

::

    deployment key ── HKDF "namespace|name" ──> key of one run ── AES-256-GCM ──────────────> encr
                                                   └── HKDF ──> X25519 scalar, public half ──> encp

``encr`` is a nonce of 12 bytes, the ciphertext and a tag of 16. ``encp`` is written by those who know only a run's
public half: an ephemeral public key of 32 bytes comes first, the content key is derived from the exchange of both, and
the rest is as in ``encr``. Every nonce is random and every ephemeral key new. Neither has additional authenticated
data, because the SDK has none; what ties a payload to its run is the run's key.

The one user of the library ``cryptography``; import it only where there is a key, since that takes 50 ms.
"""

from __future__ import annotations

import os
from functools import cached_property

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from torpor.errors import DecryptionError, SerializationError

ENCRYPTED = b"encr"
ENCRYPTED_FOR = b"encp"

KEY_BYTES = 32
"""A deployment key, a run's key, an X25519 scalar or public key."""

_NONCE_BYTES = 12
_TAG_BYTES = 16
_SCALAR_INFO = b"workflow/encp/x25519/v1"
_CONTENT_INFO = b"workflow/encp/aes256gcm/v1"
_NO_SALT = bytes(32)  # RFC 5869, 3.1: fine where the secret is uniformly random, as every secret here is


def derive(secret: bytes, info: bytes) -> bytes:
    """Return the 32 bytes that HKDF-SHA256 (RFC 5869) makes of a secret for one purpose."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=_NO_SALT, info=info).derive(secret)


def derive_key(deployment_key: bytes, namespace: str, name: str) -> bytes:
    """Return the key of one thing, such as a run by its id, within a namespace."""
    return derive(deployment_key, f"{namespace}|{name}".encode())


def encrypt_for(public: bytes, data: bytes) -> bytes:
    """
    Return the ``encp`` layer around *data*, for whoever holds the secret half.

    Raises:
        SerializationError: *public* is no public key.
    """
    ephemeral = X25519PrivateKey.generate()
    try:
        shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    except ValueError as error:
        raise SerializationError(f"the stored public key is damaged: {error}") from error
    sender = ephemeral.public_key().public_bytes_raw()
    return ENCRYPTED_FOR + sender + _locked(_content_cipher(shared, sender, public), data)


class Key:
    """
    The key of one run or blob.

    Args:
        secret: 32 bytes; see :func:`derive_key`.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._cipher = AESGCM(secret)

    @property
    def public(self) -> bytes:
        """The half that anybody may know."""
        return self._scalar.public_key().public_bytes_raw()

    def derive(self, purpose: bytes) -> bytes:
        """Return 32 secret bytes for another purpose than encryption."""
        return derive(self._secret, purpose)

    def encrypt(self, data: bytes) -> bytes:
        """Return the ``encr`` layer around *data*."""
        return ENCRYPTED + _locked(self._cipher, data)

    def decrypt(self, data: bytes) -> bytes:
        """
        Return what is inside an ``encr`` layer, which only a holder of the key can have written.

        Raises:
            DecryptionError: it does not open with this key, or has no such layer.
        """
        prefix, body = data[: len(ENCRYPTED)], data[len(ENCRYPTED) :]
        if prefix == ENCRYPTED:
            return _unlocked(self._cipher, body)
        if prefix == ENCRYPTED_FOR:
            raise DecryptionError(
                "the data is encrypted to the public half of its key, which anybody can do; only payloads of hooks and "
                "reasons of cancellations may be"
            )
        raise DecryptionError(
            f"the data begins with {prefix!r} and is not encrypted, as all that was stored with this key is; "
            "somebody has put it there who had no key"
        )

    def decrypt_any(self, data: bytes) -> bytes:
        """
        Return what is inside an ``encr`` or ``encp`` layer; the latter anybody can have written.

        Raises:
            DecryptionError: as :meth:`decrypt`.
        """
        if not data.startswith(ENCRYPTED_FOR):
            return self.decrypt(data)
        body = data[len(ENCRYPTED_FOR) :]
        return _unlocked(self._cipher_with(body[:KEY_BYTES]), body[KEY_BYTES:])

    @cached_property
    def _scalar(self) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self.derive(_SCALAR_INFO))

    def _cipher_with(self, sender: bytes) -> AESGCM:
        try:
            shared = self._scalar.exchange(X25519PublicKey.from_public_bytes(sender))
        except ValueError as error:  # cut short, or a point of low order
            raise DecryptionError(f"the data carries no public key of its sender: {error}") from error
        return _content_cipher(shared, sender, self.public)


def _content_cipher(shared: bytes, sender: bytes, recipient: bytes) -> AESGCM:
    return AESGCM(derive(shared, _CONTENT_INFO + sender + recipient))


def _locked(cipher: AESGCM, data: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, data, None)


def _unlocked(cipher: AESGCM, body: bytes) -> bytes:
    if len(body) < _NONCE_BYTES + _TAG_BYTES:
        raise DecryptionError(f"the encrypted data is cut short: {len(body)} bytes hold no nonce and tag")
    try:
        return cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], None)
    except InvalidTag as error:
        raise DecryptionError(
            "the encrypted data does not open with its key: it was changed or damaged, or belongs to something else"
        ) from error
