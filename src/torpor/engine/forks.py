"""
Who a run was: a fork has the log of another run up to a place, and its VM was that run until then.

A ``run_forked`` stands at that place in the log. Its payload says whose the log before it is: id and secret seed, from
which a replay has to draw until there, and the new tokens of hooks that were open.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from torpor import codec
from torpor.codec.crypto.run_codec import RunCodec
from torpor.errors import DamagedError, LimitExceededError, SerializationError
from torpor.model import Event
from torpor.vm.entropy import Entropy
from torpor.vm.guest import Delivery

_ENTROPY_BYTES = 16


class Identity(msgspec.Struct, frozen=True):
    """
    Who a run is, at some time of its life.

    Attributes:
        run_id: its id.
        seed: its secret seed.
    """

    run_id: str
    seed: bytes


class Forked(msgspec.Struct, frozen=True):
    """
    What a ``run_forked`` says.

    Attributes:
        run_id, seed: who the run was before.
        tokens: new tokens of hooks, by the ops that made them.
    """

    run_id: str
    seed: bytes
    tokens: dict[int, str] = {}


def packed(forked: Forked, run_codec: RunCodec) -> bytes:
    """Return the payload of a ``run_forked``."""
    return run_codec.pack_binary(msgspec.json.encode(forked))


def read(run_id: str, event: Event, run_codec: RunCodec) -> Forked:
    """
    Return what a ``run_forked`` says.

    Raises:
        DamagedError: it cannot be read.
    """
    try:
        return msgspec.json.decode(run_codec.unpack_binary(event.payload or b""), type=Forked)
    except (SerializationError, LimitExceededError, msgspec.DecodeError) as error:
        what = f"event {event.seq} (run_forked)"
        raise DamagedError(what, f"its payload cannot be read: {error}", run_id=run_id) from error


def identity_after(events: Sequence[Event], seq: int, own: Identity, run_codec: RunCodec) -> Identity:
    """
    Return who a run was behind an event of its log.

    Args:
        events: its log, or the end of it.
        seq: of the event.
        own: who it is now.
        run_codec: the run's.

    Raises:
        DamagedError: a ``run_forked`` cannot be read.
    """
    later = next((event for event in events if event.type == "run_forked" and event.seq > seq), None)
    if later is None:
        return own
    was = read(own.run_id, later, run_codec)
    return Identity(was.run_id, was.seed)


def delivery(event: Event, identity: Identity, tokens: dict[int, str]) -> Delivery:
    """Return what tells a VM who it is from a ``run_forked`` on."""
    entropy = Entropy(identity.seed).derive("fork", _ENTROPY_BYTES).hex()
    named = {str(op): token for op, token in tokens.items()}
    text = codec.dumps({"id": identity.run_id, "tokens": named, "entropy": entropy}).decode()
    return Delivery("run_forked", 0, event.at, value=text)
