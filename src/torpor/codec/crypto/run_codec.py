"""
What a run's payloads go through on their way to the world and back: serialize, compress, encrypt.

The functions of :mod:`torpor.codec`, as methods that know one run: a :class:`Sealer` leaves the payloads of a run
without a key plain, :class:`KeyedSealer` encrypts them, and :class:`KeylessSealer` stands for a run whose key is not
here, to which one can write but not read. None of them falls back to another.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any

from torpor import codec
from torpor.codec.types.references import References
from torpor.errors import DecryptionError, KeyMissingError, SerializationError

if TYPE_CHECKING:  # imported where there is a key
    from torpor.codec.crypto.encryption import Key

_SEED_PURPOSE = b"torpor/seed/v1"
_DIGEST_PURPOSE = b"torpor/digest/v1"


class Sealer:
    """
    Seals and opens the payloads of one run; this one does not encrypt.

    All methods raise :class:`~torpor.errors.SerializationError` and :class:`~torpor.errors.LimitExceededError` as the
    functions of :mod:`torpor.codec` do, and further:

    Raises:
        KeyMissingError: the key is not here.
        DecryptionError: what is to be opened was changed, damaged, or belongs to another run.

    Attributes:
        key: id of the run's key, ``""`` when there is none.
    """

    key = ""

    @property
    def public(self) -> bytes:
        """The public half of the run's key, empty when there is none."""
        return b""

    def dumps(self, value: object, what: str = "") -> bytes:
        """Return the envelope of a value; see :func:`torpor.codec.dumps`."""
        return self.encrypted(codec.dumps(value, what))

    def loads(self, data: bytes, references: References | None = None) -> Any:
        """Return the value in an envelope; see :func:`torpor.codec.loads`."""
        return codec.loads(self.decrypted(data), references)

    def from_text(self, text: str) -> bytes:
        """Return the envelope of a text that begins with ``devl``."""
        return self.encrypted(codec.from_text(text))

    def text_of(self, data: bytes, *, from_outside: bool = False) -> str:
        """Return the text in an envelope, ``devl`` included; see :meth:`decrypted`."""
        return codec.text_of(self.decrypted(data, from_outside=from_outside))

    def seal_binary(self, data: bytes) -> bytes:
        """Return the envelope of raw bytes, such as a snapshot or an image."""
        return self.encrypted(codec.seal_binary(data))

    def unseal_binary(self, data: bytes) -> bytes:
        """Return the raw bytes in an envelope."""
        return codec.unseal_binary(self.decrypted(data))

    def seal_words(self, words: str) -> str:
        """Return what is stored of words that stand where the model has text: log lines, reasons."""
        return words

    def open_words(self, stored: str, *, from_outside: bool = False) -> str:
        """Return the words; see :meth:`decrypted`."""
        return stored

    def seed(self, stored: bytes) -> bytes:
        """Return the run's secret seed; *stored* is what its row has."""
        return stored

    def digest(self, data: bytes, size: int) -> bytes:
        """Return a fingerprint of plain data, of *size* bytes, which only a holder of the key could have made."""
        return hashlib.blake2b(data, digest_size=size).digest()

    def decrypted(self, data: bytes, *, from_outside: bool = False) -> bytes:
        """
        Return an envelope without its encryption.

        Args:
            data: what :meth:`encrypted` returned.
            from_outside: it may come from somebody who only knows the public half: payloads of hooks, reasons of
                cancellations. Everything else must be by a holder of the key.
        """
        return data  # the codec refuses what is encrypted

    def encrypted(self, data: bytes) -> bytes:
        """Return an envelope with encryption around it."""
        return data


PLAIN = Sealer()
"""For runs that are not encrypted."""


class KeyedSealer(Sealer):
    """
    Encrypts.

    Args:
        what: whose payloads, for messages.
        key_id: id of the deployment key.
        key: the run's own key.
    """

    def __init__(self, what: str, key_id: str, key: Key) -> None:
        self.key = key_id
        self._what = what
        self._key = key

    @property
    def public(self) -> bytes:
        return self._key.public

    def seal_words(self, words: str) -> str:
        return base64.b64encode(self.dumps(words)).decode()

    def open_words(self, stored: str, *, from_outside: bool = False) -> str:
        try:
            words = codec.loads(self.decrypted(base64.b64decode(stored, validate=True), from_outside=from_outside))
        except (binascii.Error, UnicodeEncodeError) as error:
            raise DecryptionError(f"{self._what}: a stored text is not encrypted, or is damaged") from error
        if not isinstance(words, str):
            raise SerializationError(f"{self._what}: a stored text is a {type(words).__name__}")
        return words

    def seed(self, stored: bytes) -> bytes:
        return self._seed  # nothing of it is stored

    def digest(self, data: bytes, size: int) -> bytes:
        return hashlib.blake2b(data, digest_size=size, key=self._digest_key).digest()

    def decrypted(self, data: bytes, *, from_outside: bool = False) -> bytes:
        try:
            return self._key.decrypt_any(data) if from_outside else self._key.decrypt(data)
        except DecryptionError as error:
            raise DecryptionError(f"{self._what}, key {self.key}: {error}") from error

    def encrypted(self, data: bytes) -> bytes:
        return self._key.encrypt(data)

    @cached_property
    def _seed(self) -> bytes:
        return self._key.derive(_SEED_PURPOSE)

    @cached_property
    def _digest_key(self) -> bytes:
        return self._key.derive(_DIGEST_PURPOSE)


class KeylessSealer(Sealer):
    """
    Seals for the holder of a key that is not here, if the public half is known, and opens nothing.

    Args:
        what: whose payloads, for messages.
        key_id: id of the deployment key.
        public: the public half, empty when it is not known.
    """

    def __init__(self, what: str, key_id: str, public: bytes) -> None:
        self.key = key_id
        self._what = what
        self._public = public

    @property
    def public(self) -> bytes:
        return self._public

    def seal_words(self, words: str) -> str:
        return base64.b64encode(self.dumps(words)).decode()

    def open_words(self, stored: str, *, from_outside: bool = False) -> str:
        raise self._missing()

    def seed(self, stored: bytes) -> bytes:
        raise self._missing()

    def digest(self, data: bytes, size: int) -> bytes:
        raise self._missing()

    def decrypted(self, data: bytes, *, from_outside: bool = False) -> bytes:
        raise self._missing()

    def encrypted(self, data: bytes) -> bytes:
        from torpor.codec.crypto.encryption import encrypt_for  # noqa: PLC0415  # 50 ms, for nothing where there is no key

        if not self._public:
            raise self._missing()
        return encrypt_for(self._public, data)

    def _missing(self) -> KeyMissingError:
        return KeyMissingError(self._what, self.key)
