"""Work on runs: what is claimed, what a turn commits, how a step ended."""

from __future__ import annotations

from typing import Literal

import msgspec

from torpor.model.flow import Place
from torpor.model.log import Event, LogEntry, Snapshot
from torpor.model.runs import NOW, Entities, Run, RunState

TaskKind = Literal["turn", "step"]


class Task(msgspec.Struct, frozen=True):
    """
    A claimed unit of work.

    Attributes:
        kind: ``turn`` or ``step``.
        run_id: whose.
        epoch: fence that commits and step outcomes must show.
        redeliveries: claims in a row without an effect, this one included.
        step_id, op, name, attempt, failures, input, signature, progress, close_by: of a step; *attempt* is this one's
            number, *failures* how many attempts raised before.
        key_id, workflow, created_at: of the run.
        queue: of the step's place, ``""`` for a step that waits in the queue of its run.
        state: what a turn needs, where the claim has read it; None when it is to be loaded.
    """

    kind: TaskKind
    run_id: str
    epoch: int
    redeliveries: int = 1
    step_id: str = ""
    op: int = 0
    name: str = ""
    attempt: int = 0
    failures: int = 0
    input: bytes = b""
    signature: str = ""
    key_id: str = ""
    workflow: str = ""
    created_at: int = 0
    queue: str = ""
    progress: bytes | None = None
    close_by: int = 0
    state: RunState | None = None


class ClaimRequest(msgspec.Struct, frozen=True):
    """
    What a worker has room for, and what it can work on: a *route* is an application, a queue, a guest and a key.

    Attributes:
        worker_id: who asks; its row must be alive.
        apps: names of applications; ``""`` stands for runs that have none.
        queues: names of queues; None for all that there are.
        guests: whose turns.
        key_ids: runs that are encrypted under one of these; ``""`` stands for those that are not.
        steps: full names of steps that it has; the others wait for a worker that has them.
        once: those of *steps* whose attempts must not be made again when nobody knows how they ended.
        left: ids of steps that it has given back, which are left to other workers.
        turns_max, steps_max: how many of each.
        elsewhere: a server asks for it, whose machine may fail while the worker lives.
    """

    worker_id: str
    apps: tuple[str, ...] = ("",)
    queues: tuple[str, ...] | None = ("",)
    guests: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ("",)
    steps: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    turns_max: int = 0
    steps_max: int = 0
    elsewhere: bool = False


class Claims(msgspec.Struct, frozen=True):
    """
    Answer to a claim request.

    Attributes:
        tasks: what was claimed, turns before steps, each longest ready first.
        next_at: when the next task becomes ready that the request would take, by the world's clock; None when no time
            is set for one. Not told when there may be more to claim at once.
        known: False when the worker's row is gone: it was presumed dead and released, nothing was claimed,
            and it must register anew.
    """

    tasks: list[Task] = []
    next_at: int | None = None
    known: bool = True


class NewTask(msgspec.Struct, frozen=True):
    """
    A step that leaves the turn: work for any worker, or, when ``claimed``, still running at this one.

    Attributes:
        step_id: which.
        ready_at: when it may be claimed, :data:`NOW` for at once (ignored when claimed).
        claimed: the committing worker is running it and keeps it; the task's epoch is then that of the commit.
        signature: see :class:`Step`.
        snoozed: why the committing worker does not carry it out itself, for people to read.
        place: where it waits, None for the queue of its run.
    """

    step_id: str
    ready_at: int = NOW
    claimed: bool = False
    signature: str = ""
    snoozed: str = ""
    place: Place | None = None


class Commit(msgspec.Struct, frozen=True):
    """
    What one turn produced; all of it is stored or none.

    Attributes:
        run_id, worker_id, epoch: who commits what; the epoch of the claim.
        expected_head: newest seq that the turn knew of.
        inputs: events that the VM has consumed already (results of inline steps, ended waits); their times
            stay as they are. If the log has got inputs from elsewhere after *expected_head*, or anything later than
            these, nothing is stored: a replay would consume them in another order, or times would go back.
        outputs: what the turn asks for; stored after the inputs.
        ops, logs: totals after this commit.
        received, receiving: as of :class:`torpor.model.Run` after this commit.
        log_entries: new lines of workflow code.
        tasks: steps that leave the turn.
        once: ids of steps whose attempts begin with it and must not be made again when nobody knows how they ended.
        snapshot: state to keep; its ``cursor`` is set by the world.
        build: guest build that the run goes on with, ``""`` for the one that it has. Another one comes with a snapshot,
            unless the run has none.
        deaf: that build cannot tell workflow code of a cancellation, so that the run ends at once when it is cancelled.
        park: give up the claim: the run sleeps until its next wait or wake-up.
        cpu_us: CPU time of the VM since the commit before, in microseconds; of tenants' runs only.
    """

    run_id: str
    worker_id: str
    epoch: int
    expected_head: int
    inputs: tuple[Event, ...] = ()
    outputs: tuple[Event, ...] = ()
    ops: int = 0
    logs: int = 0
    received: int = 0
    receiving: tuple[str, ...] = ()
    log_entries: tuple[LogEntry, ...] = ()
    tasks: tuple[NewTask, ...] = ()
    once: tuple[str, ...] = ()
    snapshot: Snapshot | None = None
    build: str = ""
    deaf: bool = False
    park: bool = False
    cpu_us: int = 0


class Committed(msgspec.Struct, frozen=True):
    """
    Answer to a commit.

    Attributes:
        stored: False when foreign inputs, or later events, came first and nothing was stored.
        head: newest seq of the log now.
        foreign: inputs that others appended after the expected head, in order.
        answers: ``hook_created`` and ``hook_conflict`` events of this commit, in order, to be delivered after
            the foreign ones; a taken token turns a ``hook_created`` into a ``hook_conflict``, and behind a
            ``hook_created`` that watches a run which has ended stands its ``hook_received``.
        parked: whether the claim was given up: always when the commit ended the run, else never with foreign
            inputs, a conflict or a refusal.
        held: the run and what is open in it after the commit, for the next one; None when nothing was stored. Steps
            that are tasks are as the turn knew them: others change them without the run.
    """

    stored: bool
    head: int
    foreign: tuple[Event, ...] = ()
    answers: tuple[Event, ...] = ()
    parked: bool = False
    held: Entities | None = None


class StepOutcome(msgspec.Struct, frozen=True):
    """
    How the attempt of a claimed step task ended.

    Attributes:
        run_id, step_id, worker_id, epoch: the task, with the fence of its claim.
        event: ``step_completed``, ``step_failed``, ``step_retrying`` (``due`` says when to try again) or
            ``step_blocked``.
        queue: of the task.
        spent: how much more of its queue's rate the attempt took than was known before it; less than 0 gives back.
    """

    run_id: str
    step_id: str
    worker_id: str
    epoch: int
    event: Event
    queue: str = ""
    spent: int = 0


class Finished(msgspec.Struct, frozen=True):
    """
    How the attempt of a step task ended, as it is stored.

    Attributes:
        run: as it is behind it.
        events: what was appended: waits that were due before, and last how the attempt ended.
    """

    run: Run
    events: tuple[Event, ...]
