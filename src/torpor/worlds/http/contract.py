"""
What crosses the border between a world and those who have it behind a URL: each method of the contract is one request.

Arguments and answers are written as msgspec writes them in MessagePack, by the annotations of :mod:`torpor.world`; so a
new method needs nothing here. Which role a method takes is :data:`torpor.world.READS` and :data:`OPERATES`; any
other takes ``work``, so that nobody gets one by an oversight.

A client may be older than its server, never newer: what a server does not know it would drop. Both say what they know,
see :class:`Known` and :func:`refuse_older`.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, cast

import msgspec

from torpor.errors import ConfigurationError, DamagedError
from torpor.world import READS, World

PROTOCOL: Final = 1
"""Changed when old clients and new servers cannot deal with one another any more."""

MEDIA: Final = "application/vnd.torpor.world"
PATH: Final = "/v2/world"

SERVER: Final = "torpor-server"
"""Header: which process answers; of a request that is made again, which one may have seen it before."""
REQUEST: Final = "torpor-request"
"""Header: id of a request; who gets it twice answers as before."""
NOW: Final = "torpor-now"
"""Header: the world's time, epoch milliseconds."""
PROBLEM: Final = "torpor-problem"
"""Header of an answer that is an error of the world."""
SNAPSHOT: Final = "torpor-snapshot"
"""Header: content address of a snapshot that travels beside the rest, in whose place its data is."""
SNAPSHOT_FACTS: Final = "torpor-snapshot-facts"
"""Header: the other fields of a snapshot, as JSON."""

SNAPSHOT_INLINE_MAX: Final = 256 * 1024
"""Bytes of the largest snapshot that travels with a commit."""

Role = Literal["read", "operate", "work"]

OPERATES: Final = frozenset(
    {
        "archive", "cancel_run", "create_run", "delete_queue", "delete_run", "delete_schedule", "delete_tenant",
        "fire", "fork_run", "parcel", "pause_run", "put_schedule", "put_tenant", "resolve_step", "resume_hook",
        "retry_run", "send", "set_attributes", "set_queue", "unpause_run", "wake_up",
    }
)  # fmt: skip

_STAYS: Final = {"commit": {"held"}}
"""Arguments that do not travel: what a claim's holder knows of its run, the server knows too."""

_LOCAL: Final = {"open", "close", "within"}


class Method(NamedTuple):
    """
    A method of the contract.

    Attributes:
        name: as :class:`torpor.world.World` has it.
        signature: of its arguments, ``self`` among them.
        arguments: record of those that travel.
        result: type of its answer.
        role: what a token must be for.
    """

    name: str
    signature: inspect.Signature
    arguments: type[msgspec.Struct]
    result: Any
    role: Role

    @property
    def changes(self) -> bool:
        """Whether it may change something, so that it must not be carried out twice."""
        return self.name not in READS and self.name != "load"


@functools.cache
def methods() -> dict[str, Method]:
    """Return the methods of the contract that travel, by name."""
    found = {name: function for each in World.__mro__ for name, function in vars(each).items()}
    return {
        name: _method(name, function)
        for name, function in sorted(found.items())
        if inspect.iscoroutinefunction(function) and name not in _LOCAL
    }


def _method(name: str, function: Callable[..., Any]) -> Method:
    signature, hints = inspect.signature(function), typing.get_type_hints(function)
    fields = [
        (each.name, hints[each.name]) if each.default is each.empty else (each.name, hints[each.name], each.default)
        for each in signature.parameters.values()
        if each.name != "self" and each.name not in _STAYS.get(name, ())
    ]
    arguments = msgspec.defstruct(name, cast("Any", fields), kw_only=True, frozen=True, module=__name__)
    role: Role = "read" if name in READS else "operate" if name in OPERATES else "work"
    return Method(name, signature, arguments, hints["return"], role)


# Bytes


class _Damage(msgspec.Struct, frozen=True):
    row: str
    problem: str
    run_id: str


def encode(value: Any) -> bytes:
    """Return arguments or an answer as bytes."""
    return _encoder.encode(value)


def decode(data: bytes, kind: Any) -> Any:
    """
    Return what bytes stand for.

    Raises:
        msgspec.DecodeError: they are nothing of this kind.
    """
    return _decoder(kind).decode(data)


@functools.cache
def _decoder(kind: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(kind, dec_hook=_known)


def _plain(value: Any) -> Any:
    if isinstance(value, DamagedError):
        return _Damage(value.row, value.problem, value.run_id)
    raise TypeError(f"{type(value).__name__} does not travel")


def _known(kind: type, value: Any) -> Any:
    if kind is DamagedError:
        damage = msgspec.convert(value, _Damage)
        return DamagedError(damage.row, damage.problem, run_id=damage.run_id)
    raise TypeError(f"{kind.__name__} does not travel")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_plain)


# Versions


class Known(msgspec.Struct, frozen=True):
    """
    What a server knows.

    Attributes:
        protocol: see :data:`PROTOCOL`.
        version: of Torpor.
        server: id of its process.
        fields: of each record that it is given, which fields it knows; methods are records too.
        listen_ms: see :class:`torpor.world.Capabilities`.
    """

    protocol: int
    version: str
    server: str
    fields: dict[str, list[str]]
    listen_ms: int = 0


@functools.cache
def fields_given() -> Mapping[str, list[str]]:
    """Return which fields there are in each record that a server is given, those of its methods among them."""
    found: dict[str, list[str]] = {}
    waiting: list[Any] = [method.arguments for method in methods().values()]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if kind.__name__ not in found:
                fields = msgspec.structs.fields(kind)
                found[kind.__name__] = sorted(field.name for field in fields)
                waiting += [field.type for field in fields]
        else:
            waiting += typing.get_args(kind)
    return found


def refuse_older(known: Known, url: str, version: str) -> None:
    """
    Do nothing if a server knows all that we would send.

    Raises:
        ConfigurationError: it does not; names the first thing.
    """
    if known.protocol != PROTOCOL:
        raise ConfigurationError(
            f"world {url} speaks protocol {known.protocol} (Torpor {known.version}), and Torpor {version} here speaks "
            f"{PROTOCOL}; bring both to the same version"
        )
    for unknown in _unknown(known.fields):
        raise ConfigurationError(
            f"the server of world {url} (Torpor {known.version}) is older than Torpor {version} here, and does not "
            f"know {unknown}; upgrade the server first, then its workers and clients"
        )


def _unknown(fields: Mapping[str, list[str]]) -> Iterator[str]:
    for record, own in fields_given().items():
        if record not in fields:
            yield record
        for name in own:
            if name not in fields.get(record, own):
                yield f"{record}.{name}"
