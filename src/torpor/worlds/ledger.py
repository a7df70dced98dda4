"""What every world must answer alike about a run's log: which events it writes itself, and where a turn stands."""

from __future__ import annotations

from collections.abc import Sequence

from torpor.model import NOTHING, Event, Hook, NewRun, OpenStep


def first_event(new: NewRun) -> Event:
    """Return the event that a run begins with."""
    return Event("run_created", new.at, seq=1, digest=new.digest, payload=new.input)


def same_start(new: NewRun, workflow: str, first: Event) -> bool:
    """
    Return whether *new* asks for the run that is there already.

    Equal digests stand for equal input, because encryption makes equal input different bytes.
    """
    same_input = new.input == first.payload or (new.digest != b"" and new.digest == first.digest)
    return new.workflow == workflow and same_input


def started(step: OpenStep, worker_id: str, at: int) -> Event:
    """Return the event of a step task's claim."""
    return Event("step_started", at, step.id, op=step.op, name=step.name, attempt=step.attempt + 1, ref=worker_id)


def received(hook: Hook, payload: bytes, resume_id: str, at: int) -> Event:
    """Return the event of a payload for *hook*."""
    return Event("hook_received", at, hook.id, op=hook.op, ref=resume_id, payload=payload)


def watched_ended(hook_id: str, op: int, run_id: str, at: int) -> Event:
    """Return the event that tells a hook of the end of the run that it watches."""
    return Event("hook_received", at, hook_id, op=op, ref=run_id, payload=NOTHING)


def cursor(expected_head: int, head: int, foreign: Sequence[Event], answers: Sequence[Event]) -> int:
    """
    Return the seq up to which the committing VM has consumed every input; a replay delivers the inputs after it.

    Args:
        expected_head: newest seq that the turn knew of.
        head: newest seq now.
        foreign: inputs that others appended after *expected_head*; the VM has seen none of them.
        answers: stored outputs of the turn that are inputs themselves; the VM has seen none of them either, while
            the turn's own inputs, which it has seen, stand before them.
    """
    if foreign:
        return expected_head
    if answers:
        return answers[0].seq - 1
    return head


def may_park(foreign: Sequence[Event], answers: Sequence[Event]) -> bool:
    """
    Return whether a turn that asks to park may: no input that could make its VM go on is waiting for it.

    A ``hook_created`` does not count: only the engine knows whether workflow code awaits it, and it does not ask
    to park then.
    """
    return not foreign and all(event.type == "hook_created" for event in answers)
