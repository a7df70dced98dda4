"""
A log that becomes another run's: ids from its seed, payloads under its key, new tokens, steps that begin anew. Pure.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor import ids
from torpor.codec.crypto.run_codec import RunCodec
from torpor.lifecycle import FROM_OUTSIDE, EventType, entity_of
from torpor.model import NOTHING, Entities, Event, Hook, Run, Step, Wait
from torpor.model.webhooks import takes_requests, webhook_of

_TOKEN_BYTES: Final = 18

_MADE: Final[frozenset[EventType]] = frozenset(("step_created", "wait_created", "hook_created", "hook_conflict"))
_PREFIXES: Final[Mapping[str, ids.Prefix]] = {"step": "step", "wait": "wait", "hook": "hook"}
"""Of ids, by what an event is about."""

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
        was_seed: that of the run whose log it was.
        digests: of the ops that the log records, by number, as it has them.
        tokens: new tokens of hooks that are open, by op.
        now: epoch milliseconds; deadlines of open steps count from here as they counted from when those were asked for.
    """

    run_codec: RunCodec
    seed: bytes
    was_seed: bytes
    digests: Mapping[int, bytes]
    tokens: Mapping[int, str]
    now: int


def open_hooks(events: Sequence[Event]) -> list[Event]:
    """Return what created the hooks that are open at the end of a log and wait for the outside."""
    over = {event.id for event in events if event.type in _OVER}
    return [event for event in events if event.type == "hook_created" and event.id not in over and not event.watches]


def new_tokens(ops: Iterable[int]) -> dict[int, str]:
    """Return new tokens for the hooks that some ops have made."""
    return {op: new_token() for op in ops}


def new_token() -> str:
    """Return a token that nobody has."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def chosen(step: Step | Event, payload: bytes) -> tuple[Event, Event]:
    """Return the events of the one attempt of an open step that has a chosen outcome; *step* may be its creation."""
    started = Event("step_started", 0, step.id, op=step.op, name=step.name, attempt=1)
    return started, replace(started, type="step_completed", payload=payload)


def rewritten(events: Sequence[Event], run_codec: RunCodec, heir: Heir, *, base: int = 0) -> tuple[Event, ...]:
    """
    Return a log as another run's.

    Args:
        events: what stands of it.
        run_codec: opens what it has.
        heir: whose it becomes.
        base: the seq behind which it begins.
    """
    made = {event.id: event.op for event in events if event.type in _MADE}
    over = {event.id for event in events if event.type in _OVER}
    kept = [
        event
        for event in events
        if event.type not in _PEOPLE and not (event.type in _ATTEMPTS and event.id not in over)
    ]
    return tuple(
        _its(_begun_anew(event, heir.now) if _is_open_step(event, over) else event, seq, made, run_codec, heir)
        for seq, event in enumerate(kept, base + 1)
    )


def rewritten_rows(was: Entities, run: Run, log: Sequence[Event], run_codec: RunCodec, heir: Heir) -> Entities:
    """
    Return what is open in a run as another run's: steps that nobody has begun, waits and hooks.

    Args:
        was: what is open.
        run: the other run.
        log: its log, of which a part may have been dropped, as it was rewritten.
        run_codec: opens what there is.
        heir: whose it becomes.
    """
    made = {event.id: event.seq for event in log if event.type in _MADE}
    steps = [_row_of_step(step, run.id, run_codec, heir) for step in was.steps.values()]
    waits = [Wait(_correlated(wait.id, "wait", wait.op, heir), wait.op, wait.due) for wait in was.waits.values()]
    hooks = [_row_of_hook(hook, run, run_codec, heir) for hook in was.hooks.values()]
    return Entities(
        run,
        {step.id: replace(step, seq=made.get(step.id, 0)) for step in steps},
        {wait.id: wait for wait in waits},
        {hook.id: hook for hook in hooks},
    )


def _row_of_step(step: Step, run_id: str, run_codec: RunCodec, heir: Heir) -> Step:
    late = heir.now - step.created_at
    assert step.input is not None, "a parcel has what its log does not have"
    return Step(
        run_id,
        _correlated(step.id, "step", step.op, heir),
        step.op,
        0,
        step.name,
        "pending",
        step.created_at,
        input=heir.run_codec.pack_devalue(run_codec.unpack_devalue(step.input)),
        signature=step.signature,
        start_by=step.start_by + late if step.start_by else 0,
        close_by=step.close_by + late if step.close_by else 0,
    )


def _row_of_hook(hook: Hook, run: Run, run_codec: RunCodec, heir: Heir) -> Hook:
    metadata = hook.metadata
    if metadata is not None:
        metadata = heir.run_codec.pack_devalue(run_codec.unpack_devalue(metadata))
    return replace(
        hook,
        run_id=run.id,
        id=_correlated(hook.id, "hook", hook.op, heir),
        token=heir.tokens.get(hook.op, hook.token),
        metadata=metadata,
        takes=_answering(hook.takes, run_codec, heir) if hook.takes else "",
        key_id=run.key_id,
        public=run.public,
    )


def _correlated(was: str, prefix: ids.Prefix, op: int, heir: Heir) -> str:
    return ids.correlation(prefix, heir.seed, op, ids.time_of(was))


def _is_open_step(event: Event, over: Collection[str]) -> bool:
    return event.type == "step_created" and event.id not in over


def _its(event: Event, seq: int, made: Mapping[str, int], run_codec: RunCodec, heir: Heir) -> Event:
    """Return an event as the heir's."""
    changed = replace(event, seq=seq, payload=_repacked(event, run_codec, heir.run_codec))
    if (prefix := _PREFIXES.get(entity_of(event.type))) is not None:
        op = made[event.id] if event.id in made else _op_of(event, heir)
        changed = replace(changed, id=_correlated(event.id, prefix, op, heir))
    if event.digest:  # of an op, or of the arguments, by which a start is recognised
        changed = replace(changed, digest=heir.digests.get(event.op, event.digest) if event.op else b"")
    return _hook(changed, run_codec, heir) if event.type == "hook_created" else changed


def _op_of(event: Event, heir: Heir) -> int:
    """Return the op that made what an event is about, where the log has lost its creation."""
    if event.type != "hook_disposed":
        return event.op
    # Its op is that of disposing, and an id tells no op; but of each it can be told whether it made the id.
    ops = (op for op in range(1, event.op) if ids.is_correlation(event.id, "hook", heir.was_seed, op))
    return next(ops, event.op)


def _begun_anew(created: Event, now: int) -> Event:
    """Return the creation of a step that nobody has begun, and that has as long as it had."""
    late = now - created.at
    start_by = "" if created.attempt or not created.ref else str(int(created.ref) + late)
    return replace(created, attempt=0, ref=start_by, due=created.due + late if created.due else 0)


def _hook(created: Event, run_codec: RunCodec, heir: Heir) -> Event:
    if token := heir.tokens.get(created.op):
        created = replace(created, name=token)
    return replace(created, ref=_answering(created.takes, run_codec, heir)) if created.takes else created


def _answering(takes: str, run_codec: RunCodec, heir: Heir) -> str:
    """Return what a hook takes, with the response of a webhook under the heir's key."""
    webhook = webhook_of(takes)
    if webhook is None or not webhook.response:
        return takes
    response = heir.run_codec.pack_text(run_codec.unpack_text(webhook.response))
    return takes_requests(msgspec.structs.replace(webhook, response=response))


def _repacked(event: Event, was: RunCodec, becomes: RunCodec) -> bytes | None:
    payload = event.payload
    if payload is None or not (was.key_id or becomes.key_id) or (event.type == "hook_received" and payload == NOTHING):
        return payload
    if event.type == "run_forked":
        return becomes.pack_binary(was.unpack_binary(payload))
    return becomes.pack_devalue(was.unpack_devalue(payload, from_outside=event.type in FROM_OUTSIDE))
