"""Which parts a run becomes, and back: records in MessagePack, as the model has them."""

from __future__ import annotations

import typing
from typing import Any, Final

import msgspec

from torpor.capsules.file import Capsule, damaged, require_fields
from torpor.codec.crypto.keys import Keyring
from torpor.errors import LimitExceededError
from torpor.model import Entities, Parcel, Snapshot
from torpor.worlds.parcels import check

BLOB: Final = "blob:"
"""What the name of a part that is a blob begins with; its key follows."""


class _Received(msgspec.Struct, frozen=True):
    """What a run has received and reserved."""

    messages: tuple[str, ...] = ()
    resumed: tuple[tuple[str, str], ...] = ()
    reserved: dict[str, int] = {}


_HINTS: Final = typing.get_type_hints(Parcel)
_KINDS: Final[dict[str, Any]] = {
    "run": Entities,
    "log": _HINTS["log"],
    "lines": _HINTS["lines"],
    "snapshot": Snapshot | None,
    "received": _Received,
    "streams": _HINTS["streams"],
}
_encoder: Final = msgspec.msgpack.Encoder(order="deterministic")


def parts_of(parcel: Parcel) -> dict[str, bytes]:
    """Return what a run becomes, by the names of the parts."""
    values = {
        "run": parcel.entities,
        "log": parcel.log,
        "lines": parcel.lines,
        "snapshot": parcel.snapshot,
        "received": _Received(parcel.messages, parcel.resumed, parcel.reserved),
        "streams": parcel.streams,
    }
    return {name: _encoder.encode(value) for name, value in values.items()}


def parcel_of(capsule: Capsule, keyring: Keyring) -> Parcel:
    """
    Return the run in a capsule.

    Raises:
        CapsuleError: a part is damaged, or they do not fit together.
        CapsuleVersionError: a newer version has made it.
        KeyMissingError: the capsule is encrypted, and its key is not here.
    """
    require_fields(capsule.manifest, _records())
    found = {name: _decoded(capsule, name, keyring) for name in _KINDS}
    received: _Received = found["received"]
    parcel = Parcel(
        found["run"],
        found["log"],
        found["lines"],
        found["snapshot"],
        received.messages,
        received.resumed,
        received.reserved,
        found["streams"],
    )
    try:
        check(parcel)
    except LimitExceededError as error:
        raise damaged(str(error)) from error
    run, manifest = parcel.run, capsule.manifest
    told = (manifest.run, manifest.app, manifest.workflow, manifest.status, manifest.head, manifest.run_key_id)
    if told != (run.id, run.app, run.workflow, run.status, run.head, run.key_id):
        raise damaged(f"its manifest speaks of run {manifest.run!r:.100}, and in it is another one, or at another time")
    if (manifest.guest, manifest.build, manifest.program) != (run.guest, run.build, run.program):
        raise damaged("its manifest names another program or guest build than its run has")
    return parcel


def fields_now() -> dict[str, list[str]]:
    """Return which fields each kind of record has in this version."""
    return {
        kind.__name__: sorted(field.encode_name for field in msgspec.structs.fields(kind))
        for kind in sorted(_records(), key=lambda kind: kind.__name__)
    }


def _records() -> set[type[msgspec.Struct]]:
    found: set[type[msgspec.Struct]] = set()
    waiting = list(_KINDS.values())
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind not in found:
                found.add(kind)
                waiting += [field.type for field in msgspec.structs.fields(kind)]
        else:
            waiting += typing.get_args(kind)
    return found


def _decoded(capsule: Capsule, name: str, keyring: Keyring) -> Any:
    try:
        return msgspec.msgpack.decode(capsule.part(name, keyring), type=_KINDS[name])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise damaged(f"its part {name} makes no sense: {error}") from error
