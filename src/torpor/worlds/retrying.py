"""
Taking a failed run up again: pure rules, as :mod:`.rules` are.

A run fails because of one event: the ``step_failed`` that its code could not live with, or its ``run_failed`` itself,
when a limit, a deadline or a missing thing ended it. A retry takes that event back, with all that workflow code did
because of it: ops that it asked for after it had met the event are void, what it left or disposed of is there again.
What came from elsewhere in the meantime stays, and is delivered in its order. The log keeps both.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor import ids
from torpor.lifecycle import CREATIONS
from torpor.model import NOW, Entities, Event, Hook, Snapshot, Step, Wait, standing
from torpor.worlds import refusals
from torpor.worlds.claims import place_of_next
from torpor.worlds.draft import Changes, Draft, watched_ended

_NO_OP: Final = 1 << 62


class Plan(msgspec.Struct, frozen=True):
    """
    What a retry brings back.

    Attributes:
        since: seq of the event that is taken back.
        void: number of the first op that is void, 0 for none.
        ops: how many ops stand.
        step: id of the step that is tried again, ``""`` when none is.
        steps, waits, hooks: rows as they will be; None takes one away.
        drop_snapshot: the snapshot has met the event.
    """

    since: int
    void: int
    ops: int
    step: str
    steps: dict[str, Step | None]
    waits: dict[str, Wait | None]
    hooks: dict[str, Hook | None]
    drop_snapshot: bool

    def live_hooks(self) -> list[Hook]:
        """Return the hooks that will be live again."""
        return [hook for hook in self.hooks.values() if hook is not None and hook.status == "live"]


def plan(entities: Entities, events: Sequence[Event], snapshot: Snapshot | None, since: int | None, now: int) -> Plan:
    """
    Return what a retry brings back.

    Args:
        entities: the run, and what was open in it when it failed.
        events: its log, or what is left of it.
        snapshot: its newest, without its data.
        since: seq of the ``step_failed`` that is taken back; None for the run's own end.
        now: epoch milliseconds.

    Raises:
        EntityConflictError: it has not failed, there is no such failure, or its log does not tell any more what that
            needs.
    """
    run = entities.run
    if run.status != "failed":
        raise refusals.not_failed(run.id, run.status)
    since = run.head if since is None else since
    log = standing(events)
    cause = next((event for event in log if event.seq == since and event.type in ("step_failed", "run_failed")), None)
    if cause is None or not (since == run.head or cause.type == "step_failed"):
        raise refusals.no_failure(run.id, since)
    drop_snapshot = snapshot is not None and snapshot.cursor >= since
    # What lies between an old snapshot and the beginning of the log is nowhere.
    if run.base and (snapshot is None or drop_snapshot or snapshot.cursor < run.base):
        raise refusals.log_too_short(run.id, run.base)
    recorded = [event for event in log if event.digest and event.op]
    stand = max((event.op for event in recorded if event.seq < since or _is_before(event, cause)), default=0)
    void = min((event.op for event in recorded if event.seq > since and event.op > stand), default=0)
    holds = void or _NO_OP  # ops below it stand
    after = [event for event in log if event.seq > since]
    created = {event.id: event for event in log if event.type in CREATIONS and event.op < holds}
    steps = _steps(entities, holds, now)
    step = ""
    if cause.type == "step_failed":
        if cause.id not in created:
            raise refusals.log_too_short(run.id, run.base)
        step = cause.id
        steps[step] = _again(run.id, created[step], cause)
    left = [event.id for event in after if event.type == "wait_disposed" and event.op < holds]
    waits: dict[str, Wait | None] = {wait.id: None for wait in entities.waits.values() if wait.op >= holds}
    waits |= {each: Wait(each, created[each].op, created[each].due) for each in left if each in created}
    return Plan(
        since,
        void,
        void - 1 if void else run.ops,
        step,
        steps,
        waits,
        _hooks(entities, log, after, created, holds),
        drop_snapshot,
    )


def retry(entities: Entities, plan: Plan, now: int, *, taken: Mapping[str, str], over: Collection[str]) -> Changes:
    """
    Return a failed run as it goes on.

    Args:
        entities: as :func:`plan` has seen them.
        plan: what it returned.
        now: epoch milliseconds.
        taken: tokens of hooks that would be live again and that others have, with their runs.
        over: runs that such hooks watch and that have ended.

    Raises:
        EntityConflictError: another run has a token.
    """
    run = entities.run
    for token, owner in taken.items():
        raise refusals.token_gone(run.id, token, owner)
    draft = Draft(entities)
    # What it asks for from now on has other ids than what is void: these have the time in them.
    at = max(now, run.latest_at + 1)
    draft.append(Event("run_retried", at, op=plan.void, name=plan.step, ref=str(plan.since)))
    draft.put(plan.steps, plan.waits, plan.hooks)
    for hook in plan.live_hooks():
        if hook.watch in over:
            draft.append(watched_ended(hook.id, hook.op, hook.watch, at))
    draft.wake(now)
    changes = draft.changes(
        ops=plan.ops,
        epoch=run.epoch + 1,
        # Who retries may have a clock that is behind that of who found the deadline passed.
        deadline=0 if run.error_code == "DEADLINE_EXCEEDED" or run.deadline <= now else run.deadline,
        paused=False,
        redeliveries=0,
        snoozes=0,
        snoozed="",
    )
    return replace(changes, drop_snapshot=plan.drop_snapshot)


def _is_before(event: Event, cause: Event) -> bool:
    """Return whether the VM asked for something before it met the cause: its id has the VM's time in it."""
    return event.type in CREATIONS and 0 <= ids.time_of(event.id) < cause.at


def _again(run_id: str, created: Event, failed: Event) -> Step:
    """Return the row of a step that failed, which nobody has begun to try again."""
    status = "retrying" if failed.attempt else "pending"
    about = (run_id, created.id, created.op, created.seq, created.name, status, created.at)
    return Step(*about, attempt=failed.attempt)


def _steps(entities: Entities, holds: int, now: int) -> dict[str, Step | None]:
    """Return the rows of steps that were open: what is void goes, tasks are there for anybody again."""
    steps: dict[str, Step | None] = {}
    for step in entities.steps.values():
        if step.op >= holds:
            steps[step.id] = None
        elif step.task:
            place = place_of_next(step.run_id, step.place)
            again = replace(step, worker="", ready_at=NOW, queued_at=now, redeliveries=0, snoozed="", place=place)
            steps[step.id] = again
    return steps


def _hooks(
    entities: Entities, log: Sequence[Event], after: Sequence[Event], created: Mapping[str, Event], holds: int
) -> dict[str, Hook | None]:
    """Return the rows of hooks that were open, or were disposed of because of the failure, as they were before it."""
    run = entities.run
    rows = dict(entities.hooks)
    for event in after:
        if event.type == "hook_disposed" and event.op >= holds and (made := created.get(event.id)) is not None:
            about = (run.id, made.id, made.op, made.name, "ended", made.at, made.payload, made.watches)
            rows[made.id] = Hook(*about, made.due, made.takes, run.key_id, run.public)
    conflicts = {event.id for event in log if event.type == "hook_conflict"}
    told = {event.id for event in log if event.type == "hook_received"}
    hooks: dict[str, Hook | None] = {}
    for hook in rows.values():
        status = "conflict" if hook.id in conflicts else "told" if hook.watch and hook.id in told else "live"
        hooks[hook.id] = replace(hook, status=status) if hook.op < holds else None
    return hooks
