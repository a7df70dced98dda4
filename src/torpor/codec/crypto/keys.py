"""
Deployment keys: where they come from, what they are called, and whose keys are derived from them.

A setting is a list ``id:key,id:key``, newest first: the first encrypts what is new, all of them read. A key is 32
random bytes in base64. Its id is a fingerprint of it, so that one id never means two keys; the id in front of a key is
for people, and tells a key that was damaged while it was copied.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from torpor.codec.crypto.run_codec import PLAIN, KeyedRunCodec, KeylessRunCodec, RunCodec
from torpor.errors import ConfigurationError, KeyMissingError

SETTING: Final = "TORPOR_KEYS"

KEY_BYTES: Final = 32
"""A deployment key; AES-256 has keys of this size."""

_RUNS = "torpor"
_BLOBS = "torpor/blobs"
_ID_INFO = b"torpor/key-id/v1"
_ID_BYTES = 5
_CODECS_KEPT = 1024
_SEPARATOR = re.compile(r"[,\s]+")


class Keyring:
    """
    The deployment keys of a process, and what is encrypted with them.

    Args:
        keys: 32 bytes each, newest first; without any nothing is encrypted.

    Attributes:
        ids: ids of the keys, in the same order.

    Raises:
        ConfigurationError: a key has another size, or is there twice.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        for key in keys:
            if len(key) != KEY_BYTES:
                raise ConfigurationError(
                    f"a key of {len(key)} bytes; a key has {KEY_BYTES} random bytes: torpor keys generate makes one"
                )
        self._keys = {key_id(key): key for key in keys}
        self.ids = tuple(self._keys)
        if len(self.ids) != len(keys):
            raise ConfigurationError(f"a key is given twice; these are given: {', '.join(map(key_id, keys))}")
        self._encrypts = bool(keys)
        self.run = lru_cache(_CODECS_KEPT)(self._run)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self.ids)})"

    @classmethod
    def parse(cls, text: str, source: str = SETTING) -> Keyring:
        """
        Return the keys of a setting; none when it is empty.

        Args:
            text: ``id:key,id:key``, newest first.
            source: where the text is from, for messages.

        Raises:
            ConfigurationError: it is no list of keys; the message never shows a key.
        """
        entries = [entry for entry in _SEPARATOR.split(text) if entry]
        try:
            return cls([_key_of(entry, number + 1) for number, entry in enumerate(entries)])
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: {error}") from None

    @classmethod
    def from_environment(cls) -> Keyring:
        """
        Return the keys of ``TORPOR_KEYS``.

        Raises:
            ConfigurationError: as :meth:`parse`.
        """
        return cls.parse(os.environ.get(SETTING, ""))

    @property
    def current(self) -> str:
        """Id of the key for what is new, ``""`` when nothing is encrypted."""
        return self.ids[0] if self._encrypts else ""

    @property
    def readable(self) -> tuple[str, ...]:
        """What a run's key may be so that it can be read here: one of these ids, or ``""`` for none."""
        return ("", *self.ids)

    def led_by(self, key_id: str) -> Keyring:
        """
        Return the same keys with another one as the current, which encrypts what is new; no keys for ``""``.

        Raises:
            KeyMissingError: it is not here.
        """
        if not key_id:
            return Keyring()
        if key_id not in self._keys:
            raise KeyMissingError("what is new", key_id)
        return Keyring([self._keys[key_id], *(key for name, key in self._keys.items() if name != key_id)])

    def beside(self, others: Keyring) -> Keyring:
        """Return these keys with those of another keyring behind them; what encrypts stays what it is."""
        keys = {**self._keys, **{name: key for name, key in others._keys.items() if name not in self._keys}}
        made = Keyring(list(keys.values()))
        made._encrypts = self._encrypts
        return made

    def texts(self) -> tuple[str, ...]:
        """Return the keys as entries of the setting, secrets included."""
        return tuple(map(key_text, self._keys.values()))

    def blob(self, name: str, key_id: str) -> RunCodec:
        """Return the codec of one blob under a key; ``""`` is none."""
        if not key_id:
            return PLAIN
        return self._codec(_BLOBS, name, key_id, f"blob {name}")

    def _run(self, run_id: str, key_id: str, public: bytes = b"") -> RunCodec:
        """
        Return the codec of one run's payloads.

        Args:
            run_id: the run.
            key_id: of its key, ``""`` when it is not encrypted.
            public: its public half, with which a process without the key can still write to it.
        """
        if not key_id:
            return PLAIN
        return self._codec(_RUNS, run_id, key_id, f"run {run_id}", public)

    def _codec(self, namespace: str, name: str, key_id: str, what: str, public: bytes = b"") -> RunCodec:
        from torpor.codec.crypto.encryption import Key, derive_key  # noqa: PLC0415  # 50 ms, for nothing where there is no key

        secret = self._keys.get(key_id)
        if secret is None:
            return KeylessRunCodec(what, key_id, public)
        return KeyedRunCodec(what, key_id, Key(derive_key(secret, namespace, name)))


def generate() -> bytes:
    """Return a new key from real entropy."""
    return os.urandom(KEY_BYTES)


def key_id(key: bytes) -> str:
    """Return the id of a key, such as ``k3f0c92ab17``; it tells nothing about the key."""
    from torpor.codec.crypto.encryption import derive  # noqa: PLC0415  # as above

    return f"k{derive(key, _ID_INFO)[:_ID_BYTES].hex()}"


def key_text(key: bytes) -> str:
    """Return a key as an entry of the setting: ``id:key``."""
    return f"{key_id(key)}:{base64.urlsafe_b64encode(key).decode().rstrip('=')}"


def _key_of(entry: str, number: int) -> bytes:
    """Return the key of an entry; its id may be left out."""
    name, _, encoded = entry.rpartition(":")
    standard = encoded.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        key = base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        raise ConfigurationError(f"entry {number} is no key; write id:base64, as torpor keys generate does") from None
    if len(key) == KEY_BYTES and name and name != key_id(key):
        raise ConfigurationError(
            f"entry {number} is called {name:.40}, but the key there is {key_id(key)}: one of the two was damaged or "
            "mistaken for another; copy the entry again"
        )
    return key
