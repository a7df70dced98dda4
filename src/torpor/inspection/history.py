"""
A log read back: what became of each step, wait and hook.

States are those of :mod:`torpor.lifecycle`, and ``dropped`` for what was open when its run ended.
Made from the log alone, so that a run can be looked at without its application; a log that is damaged is read as far
as it makes sense, and says where it does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from torpor.inspection.readable import readable_payload
from torpor.lifecycle import RUN_ENDINGS, entity_of
from torpor.model import Event


class Attempt(msgspec.Struct):
    """
    One attempt of a step.

    Attributes:
        outcome: ``running``, ``completed``, ``failed``, ``dropped``, or ``lost`` when its worker died.
        retry_at: when the next attempt may begin, 0 for none.
    """

    number: int
    started_at: int
    worker: str
    ended_at: int = 0
    outcome: str = "running"
    error: Any = None
    retry_at: int = 0


class StepStory(msgspec.Struct):
    """A step, with its decoded input, and its output or error."""

    id: str
    op: int
    name: str
    created_at: int
    input: Any
    ended_at: int = 0
    status: str = "pending"
    output: Any = None
    error: Any = None
    attempts: list[Attempt] = msgspec.field(default_factory=list)


class WaitStory(msgspec.Struct):
    """A wait; ``ended_at`` is 0 while it lasts."""

    id: str
    op: int
    created_at: int
    due: int
    ended_at: int = 0
    status: str = "waiting"


class Receipt(msgspec.Struct):
    """A payload that a hook received."""

    at: int
    resume_id: str
    payload: Any


class HookStory(msgspec.Struct):
    """A hook; ``owner`` is the run that had its token first, ``watch`` the one whose end it awaits, if there is one."""

    id: str
    op: int
    token: str
    created_at: int
    metadata: Any
    status: str = "live"
    ended_at: int = 0
    owner: str = ""
    watch: str = ""
    received: list[Receipt] = msgspec.field(default_factory=list)


class History(msgspec.Struct):
    """What a log tells; ``problems`` says, for people, what in it makes no sense."""

    steps: dict[str, StepStory] = msgspec.field(default_factory=dict)
    waits: dict[str, WaitStory] = msgspec.field(default_factory=dict)
    hooks: dict[str, HookStory] = msgspec.field(default_factory=dict)
    problems: list[str] = msgspec.field(default_factory=list)


def history_of(events: Sequence[Event], head: int) -> History:
    """Return what *events*, a whole log, tell; *head* is the seq that the last one should have."""
    history = History()
    if not events or events[0].type != "run_created":
        history.problems.append("the log does not begin with run_created")
    expected = 1
    for event in events:
        if event.seq != expected:
            history.problems.append(f"the log has a gap: after event {expected - 1} comes {event.seq}")
        expected = event.seq + 1
        if not _tell(history, event):
            history.problems.append(f"event {event.seq} ({event.type}) is about {event.id}, which was never created")
    if expected - 1 != head:
        history.problems.append(f"the log ends with event {expected - 1}, the run says {head}")
    return history


def _tell(history: History, event: Event) -> bool:
    """Take in one event; return False when it is about something unknown."""
    match entity_of(event.type):
        case "step":
            return _tell_step(history.steps, event)
        case "wait":
            return _tell_wait(history.waits, event)
        case "hook":
            return _tell_hook(history.hooks, event)
        case "run":
            if event.type in RUN_ENDINGS:
                _end_all(history, event.at)
            return True


def _end_all(history: History, at: int) -> None:
    """End what is open when its run ends."""
    for step in history.steps.values():
        if not step.ended_at:
            step.status, step.ended_at = "dropped", at
            if step.attempts and not step.attempts[-1].ended_at:
                step.attempts[-1].outcome, step.attempts[-1].ended_at = "dropped", at
    for wait in history.waits.values():
        if not wait.ended_at:
            wait.status, wait.ended_at = "dropped", at
    for hook in history.hooks.values():
        if not hook.ended_at:
            hook.status, hook.ended_at = "disposed", at


def _tell_step(steps: dict[str, StepStory], event: Event) -> bool:
    if event.type == "step_created":
        given = readable_payload(event.payload)
        arguments = given["args"] if isinstance(given, dict) and given.keys() == {"args"} else given
        steps[event.id] = StepStory(event.id, event.op, event.name, event.at, arguments)
        return True
    step = steps.get(event.id)
    if step is None:
        return False
    last = step.attempts[-1] if step.attempts else None
    match event.type:
        case "step_started":
            if last is not None and last.outcome == "running":
                last.outcome, last.ended_at = "lost", event.at
            step.status = "running"
            step.attempts.append(Attempt(event.attempt, event.at, event.ref))
        case "step_retrying":
            step.status = "retrying"
            _end_attempt(last, "failed", event)
        case "step_completed":
            step.status, step.ended_at = "completed", event.at
            step.output = readable_payload(event.payload)
            _end_attempt(last, "completed", event)
        case "step_failed":
            step.status, step.ended_at = "failed", event.at
            step.error = readable_payload(event.payload)
            _end_attempt(last, "failed", event)
    return True


def _end_attempt(attempt: Attempt | None, outcome: str, event: Event) -> None:
    if attempt is None or attempt.outcome != "running":
        return
    attempt.outcome, attempt.ended_at, attempt.retry_at = outcome, event.at, event.due
    if outcome == "failed":
        attempt.error = readable_payload(event.payload)


def _tell_wait(waits: dict[str, WaitStory], event: Event) -> bool:
    if event.type == "wait_created":
        waits[event.id] = WaitStory(event.id, event.op, event.at, event.due)
        return True
    wait = waits.get(event.id)
    if wait is None:
        return False
    wait.status, wait.ended_at = "completed", event.at
    return True


def _tell_hook(hooks: dict[str, HookStory], event: Event) -> bool:
    if event.type in ("hook_created", "hook_conflict"):
        hook = HookStory(event.id, event.op, event.name, event.at, readable_payload(event.payload))
        if event.type == "hook_conflict":
            hook.status, hook.owner, hook.ended_at = "conflict", event.ref, event.at
        else:
            hook.watch = event.ref
        hooks[event.id] = hook
        return True
    known = hooks.get(event.id)
    if known is None:
        return False
    if event.type == "hook_received":
        known.received.append(Receipt(event.at, event.ref, readable_payload(event.payload)))
    else:
        known.status, known.ended_at = "disposed", event.at
    return True
