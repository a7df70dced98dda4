"""
A log that becomes another run's: ids from its seed, payloads under its key, new tokens, steps that begin anew. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor import ids
from torpor.codec.crypto.run_codec import RunCodec
from torpor.lifecycle import FROM_OUTSIDE, EventType
from torpor.model import NOTHING, Event
from torpor.model.webhooks import takes_requests, webhook_of

_PREFIX: Final[Mapping[EventType, ids.Prefix]] = {
    "step_created": "step",
    "wait_created": "wait",
    "hook_created": "hook",
    "hook_conflict": "hook",
}
"""Of the ids of what an event makes."""

_OVER: Final[frozenset[EventType]] = frozenset(
    (
        *("step_completed", "step_failed", "step_cancelled", "wait_completed", "wait_disposed", "hook_disposed"),
        "hook_conflict",
    )
)
_ATTEMPTS: Final[frozenset[EventType]] = frozenset(("step_started", "step_retrying", "step_blocked"))
_PEOPLE: Final[frozenset[EventType]] = frozenset(("run_paused", "run_unpaused", "run_retried"))
"""What people have done to the origin, and is no part of what its code went through."""


class Heir(msgspec.Struct, frozen=True):
    """
    Whose a log becomes.

    Attributes:
        run_codec: packs its payloads.
        seed: its secret seed.
        digests: of the ops that the log records, by number, as it has them.
        tokens: new tokens of hooks that are open, by op.
        now: epoch milliseconds; deadlines of open steps count from here as they counted from when those were asked for.
    """

    run_codec: RunCodec
    seed: bytes
    digests: Mapping[int, bytes]
    tokens: Mapping[int, str]
    now: int


def open_hooks(events: Sequence[Event]) -> list[Event]:
    """Return what created the hooks that are open at the end of a log and wait for the outside."""
    over = {event.id for event in events if event.type in _OVER}
    return [event for event in events if event.type == "hook_created" and event.id not in over and not event.watches]


def rewritten(events: Sequence[Event], run_codec: RunCodec, heir: Heir) -> tuple[Event, ...]:
    """
    Return a log as another run's.

    Args:
        events: what stands of it.
        run_codec: opens what it has.
        heir: whose it becomes.
    """
    made = {event.id: event for event in events if event.type in _PREFIX}
    over = {event.id for event in events if event.type in _OVER}
    kept = [
        event
        for event in events
        if event.type not in _PEOPLE and not (event.type in _ATTEMPTS and event.id not in over)
    ]
    return tuple(
        _its(_begun_anew(event, heir.now) if _is_open_step(event, over) else event, seq, made, run_codec, heir)
        for seq, event in enumerate(kept, 1)
    )


def _is_open_step(event: Event, over: Collection[str]) -> bool:
    return event.type == "step_created" and event.id not in over


def _its(event: Event, seq: int, made: Mapping[str, Event], run_codec: RunCodec, heir: Heir) -> Event:
    """Return an event as the heir's."""
    changed = replace(event, seq=seq, payload=_repacked(event, run_codec, heir.run_codec))
    if (origin := made.get(event.id)) is not None:
        at = ids.time_of(origin.id)
        changed = replace(changed, id=ids.correlation(_PREFIX[origin.type], heir.seed, origin.op, at))
    if event.digest:  # of an op, or of the arguments, by which a start is recognised
        changed = replace(changed, digest=heir.digests.get(event.op, event.digest) if event.op else b"")
    return _hook(changed, run_codec, heir) if event.type == "hook_created" else changed


def _begun_anew(created: Event, now: int) -> Event:
    """Return the creation of a step that nobody has begun, and that has as long as it had."""
    late = now - created.at
    start_by = "" if created.attempt or not created.ref else str(int(created.ref) + late)
    return replace(created, attempt=0, ref=start_by, due=created.due + late if created.due else 0)


def _hook(created: Event, run_codec: RunCodec, heir: Heir) -> Event:
    if token := heir.tokens.get(created.op):
        created = replace(created, name=token)
    webhook = webhook_of(created.takes) if created.takes else None
    if webhook is not None and webhook.response:
        response = heir.run_codec.pack_text(run_codec.unpack_text(webhook.response))
        created = replace(created, ref=takes_requests(msgspec.structs.replace(webhook, response=response)))
    return created


def _repacked(event: Event, was: RunCodec, becomes: RunCodec) -> bytes | None:
    payload = event.payload
    if payload is None or not (was.key_id or becomes.key_id) or (event.type == "hook_received" and payload == NOTHING):
        return payload
    if event.type == "run_forked":
        return becomes.pack_binary(was.unpack_binary(payload))
    return becomes.pack_devalue(was.unpack_devalue(payload, from_outside=event.type in FROM_OUTSIDE))
