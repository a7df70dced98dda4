"""
From what a guest asks for to what is stored: ops become events, deliveries come from events.

Pure functions; the same ops give the same events in every redo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import msgspec

from torpor import codec, ids
from torpor.errors import DivergenceError
from torpor.lifecycle import INPUTS
from torpor.model import Event
from torpor.vm.guest import Delivery, Op

_DIGEST_BYTES = 8


def digest(op: Op) -> bytes:
    """Return the fingerprint of an op: 8 bytes of BLAKE2b over its JSON, whose key order is the struct's."""
    return hashlib.blake2b(msgspec.json.encode(op), digest_size=_DIGEST_BYTES).digest()


def record(op: Op, seed: bytes, at: int, hooks: Mapping[int, tuple[str, str]]) -> Event:
    """
    Return the event that records an op.

    Args:
        op: the op.
        seed: the run's seed, source of the correlation id.
        at: time of the event. The id carries the guest's clock instead, which a redo repeats.
        hooks: id and token, by op number, of the hooks that the run has made.
    """
    payload = None if op.input is None else codec.from_text(op.input)
    mark = digest(op)
    match op.type:
        case "step":
            correlation = ids.correlation("step", seed, op.n, op.at)
            return Event("step_created", at, correlation, op=op.n, digest=mark, name=op.name, payload=payload)
        case "wait":
            correlation = ids.correlation("wait", seed, op.n, op.at)
            return Event("wait_created", at, correlation, op=op.n, digest=mark, due=op.due)
        case "hook":
            correlation = ids.correlation("hook", seed, op.n, op.at)
            return Event("hook_created", at, correlation, op=op.n, digest=mark, name=op.name, payload=payload)
        case "hook_dispose":
            correlation, token = hooks[op.target]
            return Event("hook_disposed", at, correlation, op=op.n, digest=mark, name=token)


def check_redo(run_id: str, op: Op, recorded: bytes | None) -> None:
    """
    Compare a re-emitted op with the digest that the log has of it.

    Raises:
        DivergenceError: they differ, or the log has none of that number.
    """
    if recorded is None:
        raise DivergenceError(f"run {run_id}: op {op.n} ({op.type}) is committed but the log has no record of it")
    if recorded != digest(op):
        raise DivergenceError(
            f"run {run_id}: op {op.n} was emitted as {op.type} {op.name!r}, which is not what the log recorded. "
            f"The log is damaged or the guest build changed its behaviour; the run was not continued"
        )


def delivery(event: Event) -> Delivery | None:
    """Return what an event delivers into the VM, None when it only records."""
    if event.type not in INPUTS:
        return None
    text = None if event.payload is None else codec.text_of(event.payload)
    match event.type:
        case "step_failed":
            return Delivery("step_failed", event.op, event.at, error=text)
        case "step_completed" | "hook_received":
            return Delivery(event.type, event.op, event.at, value=text)
        case "hook_conflict":
            return Delivery("hook_conflict", event.op, event.at, owner=event.ref)
        case kind:
            return Delivery(kind, event.op, event.at)  # type: ignore[arg-type]  # INPUTS are the delivery types
