"""Attempts of steps that are to be made, and what they are made from: a call, a step that is open, a task."""

from __future__ import annotations

import msgspec

from torpor.codec.crypto.run_codec import RunCodec
from torpor.model import Event, Run, Step, Task


class TaskClaim(msgspec.Struct, frozen=True):
    """
    A claim of a step task.

    Attributes:
        worker_id: who has it.
        epoch: its fence.
        queue: in which it took a slot, ``""`` for none.
    """

    worker_id: str
    epoch: int
    queue: str


class Attempt(msgspec.Struct, frozen=True):
    """
    An attempt to be made.

    Attributes:
        run_id, step_id, op, name: which step.
        attempt: its number, 1 for the first.
        failures: how many attempts have raised before.
        input: envelope of ``{args: […], kwargs?: {…}, thisVal?: …, options?: {…}}``.
        run_codec: unpacks the input and packs the outcome.
        signature: what the run's program takes the step's signature for, ``""`` when it does not say.
        workflow: full name of the run's workflow.
        run_created_at: creation of the run, epoch milliseconds.
        progress: envelope of what earlier attempts have told of their progress, None for nothing.
        close_by: by when the step must have its outcome, epoch milliseconds, 0 for never.
        claim: whose claim of a step task it is made under, None for one that its turn makes.
    """

    run_id: str
    step_id: str
    op: int
    name: str
    attempt: int
    failures: int
    input: bytes
    run_codec: RunCodec
    signature: str = ""
    workflow: str = ""
    run_created_at: int = 0
    progress: bytes | None = None
    close_by: int = 0
    claim: TaskClaim | None = None


def first_attempt(run_codec: RunCodec, run: Run, created: Event, signature: str) -> Attempt:
    """Return the first attempt of a step that the VM has just asked for."""
    return Attempt(
        run.id,
        created.id,
        created.op,
        created.name,
        attempt=1,
        failures=0,
        input=created.payload or b"",
        run_codec=run_codec,
        signature=signature,
        workflow=run.workflow,
        run_created_at=run.created_at,
        close_by=created.due,
    )


def next_attempt(run_codec: RunCodec, run: Run, step: Step, signature: str) -> Attempt:
    """Return the next attempt of a step that nobody is carrying out: its worker died, or its turn was rewound."""
    return Attempt(
        run.id,
        step.id,
        step.op,
        step.name,
        attempt=step.attempt + 1,
        failures=step.failures,
        input=step.input or b"",
        run_codec=run_codec,
        signature=signature,
        workflow=run.workflow,
        run_created_at=run.created_at,
        progress=step.progress,
        close_by=step.close_by,
    )


def begun(attempt: Attempt, now: int, worker_id: str) -> Event:
    """Return the event that an attempt has begun."""
    return Event(
        "step_started",
        now,
        attempt.step_id,
        op=attempt.op,
        name=attempt.name,
        attempt=attempt.attempt,
        ref=worker_id,
    )


def task_attempt(run_codec: RunCodec, task: Task, worker_id: str) -> Attempt:
    """Return the attempt that a step task stands for which a worker has claimed."""
    return Attempt(
        task.run_id,
        task.step_id,
        task.op,
        task.name,
        attempt=task.attempt,
        failures=task.failures,
        input=task.input,
        run_codec=run_codec,
        signature=task.signature,
        workflow=task.workflow,
        run_created_at=task.created_at,
        progress=task.progress,
        close_by=task.close_by,
        claim=TaskClaim(worker_id, task.epoch, task.queue),
    )
