"""
What a run's payloads go through on their way to the world and back: serialize, compress, encrypt.

The functions of :mod:`torpor.codec`, as methods that know one run: a :class:`RunCodec` leaves the payloads of a run
without a key plain, :class:`KeyedRunCodec` encrypts them, and :class:`KeylessRunCodec` stands for a run whose key is
not here, to which one can write but not read. None of them falls back to another.
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
from torpor.limits import SNAPSHOT_BYTES_MAX

if TYPE_CHECKING:  # imported where there is a key
    from torpor.codec.crypto.encryption import Key

_SEED_PURPOSE = b"torpor/seed/v1"
_DIGEST_PURPOSE = b"torpor/digest/v1"


class RunCodec:
    """
    Packs and unpacks the payloads of one run; this one does not encrypt.

    All methods raise :class:`~torpor.errors.SerializationError` and :class:`~torpor.errors.LimitExceededError` as the
    functions of :mod:`torpor.codec` do, and further:

    Raises:
        KeyMissingError: the key is not here.
        DecryptionError: what is to be unpacked was changed, damaged, or belongs to another run.

    Attributes:
        key_id: of the run's key, ``""`` when there is none.
    """

    key_id = ""

    @property
    def public(self) -> bytes:
        """The public half of the run's key, empty when there is none."""
        return b""

    def dumps(self, value: object, what: str = "") -> bytes:
        """Return the envelope of a value; see :func:`torpor.codec.dumps`."""
        return self.encrypt(codec.dumps(value, what))

    def loads(self, data: bytes, references: References | None = None) -> Any:
        """Return the value in an envelope; see :func:`torpor.codec.loads`."""
        return codec.loads(self.decrypt(data), references)

    def pack_devalue(self, text: str) -> bytes:
        """Return the envelope of a text that begins with ``devl``."""
        return self.encrypt(codec.pack_devalue(text))

    def unpack_devalue(self, data: bytes, *, from_outside: bool = False) -> str:
        """Return the text in an envelope, ``devl`` included; see :meth:`decrypt`."""
        return codec.unpack_devalue(self.decrypt(data, from_outside=from_outside))

    def pack_binary(self, data: bytes) -> bytes:
        """Return the envelope of raw bytes, such as a snapshot or an image."""
        return self.encrypt(codec.pack_binary(data))

    def unpack_binary(self, data: bytes, most: int = SNAPSHOT_BYTES_MAX) -> bytes:
        """Return the raw bytes in an envelope, *most* at most."""
        return codec.unpack_binary(self.decrypt(data), most)

    def pack_text(self, text: str) -> str:
        """Return what is stored of a text that stands where the model has text: log lines, reasons."""
        return text

    def unpack_text(self, stored: str, *, from_outside: bool = False) -> str:
        """Return what :meth:`pack_text` was given; see :meth:`decrypt`."""
        return stored

    def seed(self, stored: bytes) -> bytes:
        """Return the run's secret seed; *stored* is what its row has."""
        return stored

    def digest(self, data: bytes, size: int) -> bytes:
        """Return a fingerprint of plain data, of *size* bytes, which only a holder of the key could have made."""
        return hashlib.blake2b(data, digest_size=size).digest()

    def authenticate(self, purpose: bytes, data: bytes, size: int) -> bytes:
        """Return a tag of *size* bytes that only a holder of the key could have made; nothing where there is no key."""
        return b""

    def decrypt(self, data: bytes, *, from_outside: bool = False) -> bytes:
        """
        Return an envelope without its encryption.

        Args:
            data: what :meth:`encrypt` returned.
            from_outside: it may come from somebody who only knows the public half: payloads of hooks, reasons of
                cancellations. Everything else must be by a holder of the key.
        """
        return data  # the codec refuses what is encrypted

    def encrypt(self, data: bytes) -> bytes:
        """Return an envelope with encryption around it."""
        return data


PLAIN = RunCodec()
"""For runs that are not encrypted."""


class KeyedRunCodec(RunCodec):
    """
    Encrypts.

    Args:
        what: whose payloads, for messages.
        key_id: id of the deployment key.
        key: the run's own key.
    """

    def __init__(self, what: str, key_id: str, key: Key) -> None:
        self.key_id = key_id
        self._what = what
        self._key = key
        self._derived: dict[bytes, bytes] = {}

    @property
    def public(self) -> bytes:
        return self._key.public

    def pack_text(self, text: str) -> str:
        return base64.b64encode(self.dumps(text)).decode()

    def unpack_text(self, stored: str, *, from_outside: bool = False) -> str:
        try:
            text = codec.loads(self.decrypt(base64.b64decode(stored, validate=True), from_outside=from_outside))
        except (binascii.Error, UnicodeEncodeError) as error:
            raise DecryptionError(f"{self._what}: a stored text is not encrypted, or is damaged") from error
        if not isinstance(text, str):
            raise SerializationError(f"{self._what}: a stored text is a {type(text).__name__}")
        return text

    def seed(self, stored: bytes) -> bytes:
        return self._seed  # nothing of it is stored

    def digest(self, data: bytes, size: int) -> bytes:
        return hashlib.blake2b(data, digest_size=size, key=self._digest_key).digest()

    def authenticate(self, purpose: bytes, data: bytes, size: int) -> bytes:
        key = self._derived.get(purpose)
        if key is None:
            key = self._derived[purpose] = self._key.derive(purpose)
        return hashlib.blake2b(data, digest_size=size, key=key).digest()

    def decrypt(self, data: bytes, *, from_outside: bool = False) -> bytes:
        try:
            return self._key.decrypt_any(data) if from_outside else self._key.decrypt(data)
        except DecryptionError as error:
            raise DecryptionError(f"{self._what}, key {self.key_id}: {error}") from error

    def encrypt(self, data: bytes) -> bytes:
        return self._key.encrypt(data)

    @cached_property
    def _seed(self) -> bytes:
        return self._key.derive(_SEED_PURPOSE)

    @cached_property
    def _digest_key(self) -> bytes:
        return self._key.derive(_DIGEST_PURPOSE)


class KeylessRunCodec(RunCodec):
    """
    Packs for the holder of a key that is not here, if the public half is known, and unpacks nothing.

    Args:
        what: whose payloads, for messages.
        key_id: id of the deployment key.
        public: the public half, empty when it is not known.
    """

    def __init__(self, what: str, key_id: str, public: bytes) -> None:
        self.key_id = key_id
        self._what = what
        self._public = public

    @property
    def public(self) -> bytes:
        return self._public

    def pack_text(self, text: str) -> str:
        return base64.b64encode(self.dumps(text)).decode()

    def unpack_text(self, stored: str, *, from_outside: bool = False) -> str:
        raise self._missing()

    def seed(self, stored: bytes) -> bytes:
        raise self._missing()

    def digest(self, data: bytes, size: int) -> bytes:
        raise self._missing()

    def authenticate(self, purpose: bytes, data: bytes, size: int) -> bytes:
        raise self._missing()

    def decrypt(self, data: bytes, *, from_outside: bool = False) -> bytes:
        raise self._missing()

    def encrypt(self, data: bytes) -> bytes:
        from torpor.codec.crypto.encryption import encrypt_for  # noqa: PLC0415  # 50 ms, for nothing where there is no key

        if not self._public:
            raise self._missing()
        return encrypt_for(self._public, data)

    def _missing(self) -> KeyMissingError:
        return KeyMissingError(self._what, self.key_id)
