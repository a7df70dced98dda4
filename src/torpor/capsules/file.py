"""
The form of a capsule: three lines of text, and behind them the parts, one after the other.

::

    torpor capsule 1
    {"run": "order-17", …, "parts": [{"name": "log", "size": 9000, "stored": 1200, "sha256": "…"}, …]}
    3f0c…                                    SHA-256 of both lines, hexadecimal
    (bytes of the first part) (bytes of the second) …

Each part is a codec envelope: compressed, and encrypted if the capsule is. Reading looks at hashes and sizes first and
unpacks a part only as far as the manifest says that it goes, so that neither a damaged nor a hostile file makes the
reader take more than :data:`torpor.limits.CAPSULE_BYTES_MAX`. Nothing that is in a part is carried out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from torpor.codec.crypto.keys import Keyring
from torpor.errors import (
    CapsuleError,
    CapsuleVersionError,
    DecryptionError,
    LimitExceededError,
    SerializationError,
)
from torpor.limits import CAPSULE_BYTES_MAX, CAPSULE_MANIFEST_BYTES_MAX

FORMAT: Final = 1
_TITLE: Final = b"torpor capsule "
_FIRST: Final = b"%s%d\n" % (_TITLE, FORMAT)
_HASH_LINE: Final = 65
_PARTS_MAX: Final = 4_096
_FIRST_LINE_MAX: Final = 64

_Size = Annotated[int, msgspec.Meta(ge=0, le=CAPSULE_BYTES_MAX)]


class Part(msgspec.Struct, frozen=True):
    """
    One part of a capsule.

    Attributes:
        name: which.
        size: bytes of its content.
        stored: bytes in the file.
        sha256: of the bytes in the file, hexadecimal.
    """

    name: str
    size: _Size
    stored: _Size
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a capsule says of itself, in plain text.

    Attributes:
        id: of the capsule, random.
        run, app, workflow, status, head: of the run in it, when it was taken out.
        key_id: of the key that the capsule is encrypted under, ``""`` for none.
        run_key_id: of the key that the run's own payloads are encrypted under, ``""`` for none.
        guest, build, program, image: what its VM is made of, by content address; ``""`` for what it has not.
        whole: whether its guest build and image are in it, so that it can be opened anywhere.
        made_by: version of Torpor.
        made_at: epoch milliseconds.
        fields: of each kind of record, which fields it has; who does not know one does not read the capsule.
        parts: in their order.
    """

    id: str
    run: str
    app: str
    workflow: str
    status: str
    head: int
    key_id: str = ""
    run_key_id: str = ""
    guest: str
    build: str
    program: str
    image: str = ""
    whole: bool = False
    made_by: str
    made_at: int
    fields: dict[str, list[str]]
    parts: list[Part]


class Capsule:
    """
    A capsule that was read: its manifest is sound, and its parts are in the bytes as it says.

    Attributes:
        manifest: what it says of itself.
        data: the bytes of the file.
    """

    def __init__(self, manifest: Manifest, data: bytes, at: int) -> None:
        self.manifest = manifest
        self.data = data
        self._parts: dict[str, tuple[Part, int]] = {}
        for part in manifest.parts:
            self._parts[part.name] = (part, at)
            at += part.stored

    @property
    def names(self) -> list[str]:
        """Names of the parts."""
        return list(self._parts)

    def part(self, name: str, keyring: Keyring) -> bytes:
        """
        Return the content of a part.

        Raises:
            CapsuleError: there is no such part, or it is damaged.
            KeyMissingError: it is encrypted, and the key is not here.
        """
        if name not in self._parts:
            raise CapsuleError(f"the capsule of run {self.manifest.run} has no part {name}; export the run anew")
        part, at = self._parts[name]
        stored = self.data[at : at + part.stored]
        if hashlib.sha256(stored).hexdigest() != part.sha256:
            raise damaged(f"the bytes of its part {name} are not those that its manifest names")
        codec = keyring.blob(_blob_name(self.manifest.id, name), self.manifest.key_id)
        try:
            content = codec.unpack_binary(stored, part.size)
        except DecryptionError as error:
            raise damaged(f"its part {name} does not open with its key: {error}") from error
        except (SerializationError, LimitExceededError) as error:
            raise damaged(f"its part {name} cannot be unpacked: {error}") from error
        if len(content) != part.size:
            raise damaged(f"its part {name} has {len(content)} bytes, and its manifest says {part.size}")
        return content


def written(manifest: Manifest, contents: Mapping[str, bytes], keyring: Keyring) -> bytes:
    """
    Return the bytes of a capsule.

    Args:
        manifest: all but its parts.
        contents: parts by name, in their order.
        keyring: has the key that the manifest names, if it names one.

    Raises:
        KeyMissingError: it has not.
        LimitExceededError: all together is too large.
    """
    total = sum(map(len, contents.values()))
    if total > CAPSULE_BYTES_MAX:
        raise LimitExceededError(
            f"the capsule of run {manifest.run} would have {total} bytes, the limit is {CAPSULE_BYTES_MAX}"
        )
    parts, bodies = [], []
    for name, content in contents.items():
        stored = keyring.blob(_blob_name(manifest.id, name), manifest.key_id).pack_binary(content)
        parts.append(Part(name, len(content), len(stored), hashlib.sha256(stored).hexdigest()))
        bodies.append(stored)
    head = b"%s%s\n" % (_FIRST, msgspec.json.encode(msgspec.structs.replace(manifest, parts=parts)))
    return b"".join([head, hashlib.sha256(head).hexdigest().encode(), b"\n", *bodies])


def read(data: bytes) -> Capsule:
    """
    Return the capsule in some bytes; its parts are looked at when they are asked for.

    Raises:
        CapsuleError: they are none, or damaged, or cut short.
        CapsuleVersionError: a newer version has made it.
    """
    first = data[: data.find(b"\n", 0, _FIRST_LINE_MAX) + 1]
    if not first.startswith(_TITLE):
        raise CapsuleError("this is no capsule: it does not begin with `torpor capsule`; torpor export RUN makes one")
    if first != _FIRST:
        form = first[len(_TITLE) :].decode(errors="replace").strip()
        raise CapsuleVersionError(
            f"this capsule has the form {form!r:.40}, and this version knows {FORMAT}; upgrade Torpor"
        )
    end = data.find(b"\n", len(first), len(first) + CAPSULE_MANIFEST_BYTES_MAX) + 1
    if not end:
        raise damaged("it ends in its manifest, or that is too long")
    head, told = data[:end], data[end : end + _HASH_LINE]
    if told != hashlib.sha256(head).hexdigest().encode() + b"\n":
        raise damaged("its manifest is not the one that was written")
    manifest = _manifest(head[len(first) :])
    at = end + _HASH_LINE
    _check_parts(manifest, len(data) - at)
    return Capsule(manifest, data, at)


def damaged(what: str) -> CapsuleError:
    """Return the error for a file that is not as it was written."""
    return CapsuleError(f"this capsule is damaged: {what}; copy it again, or export the run anew")


def require_fields(manifest: Manifest, known: Iterable[type[msgspec.Struct]]) -> None:
    """
    Do nothing if all that the capsule's records have is known here: what is not would be dropped.

    Raises:
        CapsuleVersionError: something is not; names the first.
    """
    here = {kind.__name__: {field.encode_name for field in msgspec.structs.fields(kind)} for kind in known}
    for record, fields in manifest.fields.items():
        for field in fields:
            if field not in here.get(record, ()):
                raise CapsuleVersionError(
                    f"the capsule of run {manifest.run} was made by Torpor {manifest.made_by:.40}, and has "
                    f"{record:.100}.{field:.100}, which this version does not know; upgrade Torpor"
                )


def _manifest(line: bytes) -> Manifest:
    try:
        return msgspec.json.decode(line, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise damaged(f"its manifest makes no sense: {error}") from error


def _check_parts(manifest: Manifest, left: int) -> None:
    """
    Check that the parts fill the file, and are not too many or too large.

    Raises:
        CapsuleError: they do not, or are.
    """
    parts: list[Any] = manifest.parts
    if len(parts) > _PARTS_MAX or len({part.name for part in parts}) < len(parts):
        raise damaged("it has too many parts, or two of one name")
    if sum(part.size for part in parts) > CAPSULE_BYTES_MAX:
        raise CapsuleError(f"this capsule says that it unpacks to more than {CAPSULE_BYTES_MAX} bytes; it was not read")
    stored = sum(part.stored for part in parts)
    if stored != left:
        problem = "it is cut short" if left < stored else "something follows it"
        raise damaged(f"{problem}: its parts have {stored} bytes, and the file has {left}")


def _blob_name(capsule: str, part: str) -> str:
    """Return what a part's key is derived from: parts of one capsule are of no use in another."""
    return f"capsule/{capsule}/{part}"
