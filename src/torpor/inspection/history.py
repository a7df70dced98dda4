"""
A log read back: what became of each step, wait and hook, and which messages came.

States are those of :mod:`torpor.lifecycle`, and ``dropped`` for what was open when its run ended.
Made from the log, and from the rows of what is open: these know of attempts that have no outcome yet, and of what was
asked for in a part of the log that has been dropped. A log that is damaged is read as far as it makes sense, and says
where it does not. All times are epoch milliseconds, 0 for what has not happened or is not known any more.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import Any

import msgspec

from torpor.inspection.readable import readable_failure, readable_payload
from torpor.lifecycle import RUN_ENDINGS, entity_of
from torpor.model import Entities, Event


class Attempt(msgspec.Struct):
    """
    One attempt of a step.

    Attributes:
        started_at: 0 when the log does not say.
        outcome: ``running``, ``completed``, ``failed``, ``dropped``, ``lost`` when its worker died, or ``unknown`` when
            nobody knows how it ended.
        retry_at: when the next attempt may begin, 0 for none.
    """

    number: int
    started_at: int
    worker: str
    ended_at: int = 0
    outcome: str = "running"
    error: Any = None
    retry_at: int = 0


class StepStory(msgspec.Struct, tag="step"):
    """
    A step, with its decoded input, and its output or error.

    Attributes:
        input: None when the log does not have it any more.
        why: why no worker took it or kept it, ``""`` when it simply waits for its turn.
        progress: what its attempts have told of it last, None for nothing and once it has ended.
    """

    id: str
    op: int
    name: str
    created_at: int
    input: Any
    ended_at: int = 0
    status: str = "pending"
    output: Any = None
    error: Any = None
    attempts: list[Attempt] = []
    why: str = ""
    progress: Any = None


class WaitStory(msgspec.Struct, tag="wait"):
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


class HookStory(msgspec.Struct, tag="hook"):
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
    received: list[Receipt] = []


class Message(msgspec.Struct):
    """A message that was sent to the run; ``name`` is the mailbox, ``id`` the sender's."""

    at: int
    name: str
    id: str
    payload: Any


Story = StepStory | WaitStory | HookStory


class History(msgspec.Struct):
    """
    What a log tells.

    Attributes:
        steps, waits, hooks: by id, in the order in which the run asked for them.
        messages: in the order in which they came.
        problems: what in the log makes no sense, for people.
        more: the run has asked for others, beyond these.
    """

    steps: dict[str, StepStory] = {}
    waits: dict[str, WaitStory] = {}
    hooks: dict[str, HookStory] = {}
    messages: list[Message] = []
    problems: list[str] = []
    more: bool = False

    def stories(self) -> list[Story]:
        """Return all of it in the order in which the run asked for it."""
        return sorted([*self.steps.values(), *self.waits.values(), *self.hooks.values()], key=lambda story: story.op)


class Historian:
    """
    Makes a history of a log, event by event, so that a long one need not be held as a whole.

    Args:
        base: seq of the newest event that was dropped from the beginning of the log.
        rows: what is open in the run, None when it has ended or that is not known.
        shown: returns a payload in a row as JSON data.
        after: leave out what the run asked for with this op and those before it.
        limit: how many steps, waits and hooks to take in, None for all.
    """

    def __init__(
        self,
        *,
        base: int = 0,
        rows: Entities | None = None,
        shown: Callable[[bytes | None], Any] = readable_payload,
        after: int = 0,
        limit: int | None = None,
    ) -> None:
        self.history = History()
        self._base = self._seq = base
        self._rows = rows
        self._shown = shown
        self._after = after
        self._limit = limit
        self._left_out: set[str] = set()
        self._times: dict[int, int] = {}  # of failures, by seq

    def read(self, events: Iterable[Event]) -> None:
        """Take in the next events of the log."""
        problems = self.history.problems
        for event in events:
            if not self._seq and event.type != "run_created":
                problems.append("the log does not begin with run_created")
            if event.seq != self._seq + 1:
                problems.append(f"the log has a gap: after event {self._seq} comes {event.seq}")
            self._seq = event.seq
            if event.type in ("step_failed", "run_failed"):
                self._times[event.seq] = event.at
            # What was created in a part of the log that was dropped, and has ended since, is not known any more.
            if event.id not in self._left_out and not self._take(event) and not self._base:
                problems.append(f"event {event.seq} ({event.type}) is about {event.id}, which was never created")

    def end(self, head: int) -> History:
        """Return the history; *head* is the seq that the last event should have."""
        self._take_rows()
        if not self._seq:
            self.history.problems.append("the log does not begin with run_created")
        if self._seq != head:
            self.history.problems.append(f"the log ends with event {self._seq}, the run says {head}")
        return self.history

    def _take(self, event: Event) -> bool:
        """Take in one event; return False when it is about something unknown."""
        match entity_of(event.type):
            case "step":
                return self._take_step(event)
            case "wait":
                return self._take_wait(event)
            case "hook":
                return self._take_hook(event)
            case "message":
                payload = readable_payload(event.payload)
                self.history.messages.append(Message(event.at, event.name, event.ref, payload))
                return True
            case "run":
                if event.type in RUN_ENDINGS:
                    self._drop_open(event.at)
                elif event.type == "run_retried":
                    self._bring_back(event)
                return True

    def _is_wanted(self, about: str, op: int) -> bool:
        """Tell whether to take in what was asked for with an op."""
        history = self.history
        taken = len(history.steps) + len(history.waits) + len(history.hooks)
        is_before = 0 < op <= self._after
        is_full = self._limit is not None and taken >= self._limit
        if is_before or is_full:
            self._left_out.add(about)
            history.more = history.more or not is_before
            return False
        return True

    def _drop_open(self, at: int) -> None:
        """End what is open when its run ends."""
        for step in self.history.steps.values():
            if not step.ended_at:
                step.status, step.ended_at = "dropped", at
                if step.attempts and not step.attempts[-1].ended_at:
                    step.attempts[-1].outcome, step.attempts[-1].ended_at = "dropped", at
        for wait in self.history.waits.values():
            if not wait.ended_at:
                wait.status, wait.ended_at = "dropped", at
        for hook in self.history.hooks.values():
            if not hook.ended_at:
                hook.status, hook.ended_at = "disposed", at

    def _bring_back(self, retried: Event) -> None:
        """Open again what was open before a failure that is taken back; what is void stays as it ended."""
        history, since = self.history, self._times.get(int(retried.ref), 0)
        for step in history.steps.values():
            if step.id == retried.name:
                step.status, step.ended_at, step.error = "retrying", 0, None
            elif step.status == "dropped" and _stands(step, retried):
                step.status, step.ended_at = "pending", 0
        for wait in history.waits.values():
            if wait.status in ("dropped", "disposed") and wait.ended_at >= since and _stands(wait, retried):
                wait.status, wait.ended_at = "waiting", 0
        for hook in history.hooks.values():
            if hook.status == "disposed" and hook.ended_at >= since and _stands(hook, retried):
                hook.status, hook.ended_at = "live", 0

    def _take_step(self, event: Event) -> bool:
        if event.type == "step_created":
            if self._is_wanted(event.id, event.op):
                given = readable_payload(event.payload)
                arguments = given["args"] if isinstance(given, dict) and given.keys() == {"args"} else given
                step = StepStory(event.id, event.op, event.name, event.at, arguments)
                self.history.steps[event.id] = step
                if event.attempt:  # begun in the same moment
                    _begin_attempt(step, event)
            return True
        known = self.history.steps.get(event.id)
        if known is None and self._base and self._is_wanted(event.id, event.op):
            known = self.history.steps[event.id] = StepStory(event.id, event.op, event.name, 0, None)
        if known is None:
            return False
        _take_outcome(known, event)
        return True

    def _take_wait(self, event: Event) -> bool:
        if event.type == "wait_created":
            if self._is_wanted(event.id, event.op):
                self.history.waits[event.id] = WaitStory(event.id, event.op, event.at, event.due)
            return True
        wait = self.history.waits.get(event.id)
        if wait is None:
            return False
        wait.status, wait.ended_at = event.type.removeprefix("wait_"), event.at
        return True

    def _take_hook(self, event: Event) -> bool:
        if event.type in ("hook_created", "hook_conflict"):
            if self._is_wanted(event.id, event.op):
                hook = HookStory(event.id, event.op, event.name, event.at, readable_payload(event.payload))
                if event.type == "hook_conflict":
                    hook.status, hook.owner, hook.ended_at = "conflict", event.ref, event.at
                else:
                    hook.watch = event.watches
                self.history.hooks[event.id] = hook
            return True
        known = self.history.hooks.get(event.id)
        if known is None:
            return False
        if event.type == "hook_received":
            known.received.append(Receipt(event.at, event.ref, readable_payload(event.payload)))
        else:
            known.status, known.ended_at = "disposed", event.at
        return True

    def _take_rows(self) -> None:
        """Take in what the log does not have, or not any more, of what is open."""
        if self._rows is None:
            return
        history, rows = self.history, self._rows
        for step in rows.steps.values():
            if self._is_unknown(step.id, step.op, history.steps):
                history.steps[step.id] = StepStory(step.id, step.op, step.name, step.created_at, None)
            story = history.steps.get(step.id)
            if story is None or story.ended_at:
                continue
            story.created_at, story.status, story.why = step.created_at, step.status, step.snoozed
            story.progress = self._shown(step.progress)
            last = story.attempts[-1].number if story.attempts else 0
            if step.status == "running" and step.attempt > last:
                story.attempts.append(Attempt(step.attempt, step.started_at, step.worker))
        for wait in rows.waits.values():
            if self._is_unknown(wait.id, wait.op, history.waits):
                history.waits[wait.id] = WaitStory(wait.id, wait.op, 0, wait.due)
        for hook in rows.hooks.values():
            if self._is_unknown(hook.id, hook.op, history.hooks):
                metadata = self._shown(hook.metadata)
                about = (hook.id, hook.op, hook.token, hook.created_at, metadata, hook.status)
                history.hooks[hook.id] = HookStory(*about, watch=hook.watch)

    def _is_unknown(self, about: str, op: int, known: Container[str]) -> bool:
        return bool(self._base) and about not in known and about not in self._left_out and self._is_wanted(about, op)


def history_of(events: Iterable[Event], head: int) -> History:
    """Return what *events*, a whole log, tell; *head* is the seq that the last one should have."""
    historian = Historian()
    historian.read(events)
    return historian.end(head)


def _take_outcome(step: StepStory, event: Event) -> None:
    """Note what became of a step, or of an attempt."""
    match event.type:
        case "step_started":
            _begin_attempt(step, event)
        case "step_retrying":
            step.status = "retrying"
            _end_attempt(step, "failed", event)
        case "step_completed":
            step.status, step.ended_at = "completed", event.at
            step.output = readable_payload(event.payload)
            _end_attempt(step, "completed", event)
        case "step_failed":
            step.status, step.ended_at = "failed", event.at
            step.error = readable_failure(event)
            if event.payload is not None:  # else the world ended it, between attempts
                _end_attempt(step, "failed", event)
        case "step_blocked":
            step.status, step.why = "blocked", event.ref
            step.error = None if event.payload is None else readable_payload(event.payload)
            _end_attempt(step, "unstep", event)
        case "step_cancelled":
            step.status, step.ended_at = "cancelled", event.at
            if step.attempts:
                _end_attempt(step, "dropped", event)


def _stands(story: Story, retried: Event) -> bool:
    return not retried.op or story.op < retried.op


def _begin_attempt(step: StepStory, event: Event) -> None:
    last = step.attempts[-1] if step.attempts else None
    if last is not None and last.outcome == "running":
        last.outcome, last.ended_at = "lost", event.at
    step.status = "running"
    step.attempts.append(Attempt(event.attempt, event.at, event.ref))


def _end_attempt(step: StepStory, outcome: str, event: Event) -> None:
    last = step.attempts[-1] if step.attempts else None
    if last is None or last.outcome != "running":
        if not event.attempt or (last is not None and last.number >= event.attempt):
            return  # it failed without being begun
        step.attempts.append(last := Attempt(event.attempt, 0, ""))  # a task's: the log has its outcome only
    last.outcome, last.ended_at, last.retry_at = outcome, event.at, event.due
    if outcome == "failed":
        last.error = readable_payload(event.payload)
