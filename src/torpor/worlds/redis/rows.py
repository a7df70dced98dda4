"""
Values as bytes: maps of MessagePack, of what differs from a field's default.

A run is what it was created as, which is written once, and what differs from that by now.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgspec

from torpor.errors import DamagedError
from torpor.model import Run, Step
from torpor.worlds.draft import fence
from torpor.worlds.redis.keys import Route

T = TypeVar("T", bound=msgspec.Struct)

_KEPT_ELSEWHERE: Final = {"input", "progress"}
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode
_decode_route: Final = msgspec.msgpack.Decoder(Route).decode
_decoders: Final[dict[type, msgspec.msgpack.Decoder[Any]]] = {}
_fields: Final[dict[type, list[tuple[str, Any]]]] = {}


def pack(row: msgspec.Struct) -> bytes:
    """Return a value as bytes."""
    found = ((name, getattr(row, name), default) for name, default in _fields_of(type(row)))
    return _encode({name: value for name, value, default in found if value != default})


def unpack(data: bytes, kind: type[T], about: str, run_id: str = "") -> T:
    """
    Return the value that :func:`pack` made bytes of.

    Raises:
        DamagedError: they are none of this kind.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.msgpack.Decoder(kind)
    try:
        value: T = decoder.decode(data)
    except msgspec.DecodeError as error:
        raise DamagedError(about, str(error), run_id=run_id) from error
    return value


def unpack_sound(rows: Iterable[bytes], kind: type[T]) -> list[T]:
    """Return values that :func:`pack` made bytes of; what is none is left aside, and found by ``torpor doctor``."""
    found = []
    for row in rows:
        with suppress(DamagedError):
            found.append(unpack(row, kind, ""))
    return found


def pack_list(row: msgspec.Struct) -> bytes:
    """Return a value as the bytes that only it has."""
    return _encode(row)


def routes_of(packed: Iterable[bytes]) -> list[tuple[Route, bytes]]:
    """Return routes of which :func:`pack_list` has made bytes, each with these; what is none is left aside."""
    found = []
    for each in packed:
        with suppress(msgspec.DecodeError):
            found.append((_decode_route(each), each))
    return found


def pack_changed(created: Run, run: Run) -> bytes:
    """Return what differs in a run from what it was created as."""
    if created is run:
        return _encode({})
    found = ((name, getattr(run, name), getattr(created, name)) for name, _ in _fields_of(Run))
    return _encode({name: value for name, value, was in found if value is not was and value != was})


def unpack_run(run_id: str, created: bytes, changed: bytes) -> tuple[Run, Run]:
    """
    Return a run as it was created, and as it is.

    Raises:
        DamagedError: it is none.
    """
    was = unpack(created, Run, "the run", run_id)
    try:
        differs = _decode(changed)
        run = msgspec.convert({**_decode(created), **differs}, Run, strict=True) if differs else was
    except (msgspec.DecodeError, TypeError) as error:
        raise DamagedError("the run", str(error), run_id=run_id) from error
    if run.id != run_id:
        raise DamagedError("the run", f"it says that it is {run.id}", run_id=run_id)
    return was, run


def pack_step(step: Step) -> bytes:
    """Return a step as bytes, without its input and its progress, which have places of their own."""
    found = ((name, getattr(step, name), default) for name, default in _fields_of(Step))
    return _encode({name: value for name, value, default in found if value != default and name not in _KEPT_ELSEWHERE})


def pack_fence(run: Run) -> bytes:
    """Return the :func:`~torpor.worlds.draft.fence` of a run as bytes, with which the stored one begins."""
    return b"%s " % " ".join(map(str, fence(run))).encode()


def _fields_of(kind: type) -> list[tuple[str, Any]]:
    found = _fields.get(kind)
    if found is None:
        found = _fields[kind] = [
            (field.name, field.default if field.default is not msgspec.NODEFAULT else _default(field))
            for field in msgspec.structs.fields(kind)
        ]
    return found


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return msgspec.NODEFAULT if field.default_factory is msgspec.NODEFAULT else field.default_factory()
