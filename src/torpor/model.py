"""
What is stored, as frozen values without behaviour.

Times are epoch milliseconds; payloads are codec envelopes (``devl…``, ``zstd…``), opaque to worlds.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from torpor.lifecycle import EventType, RunStatus

Runtime = Literal["snapshot", "replay"]
TaskKind = Literal["turn", "step"]

NOTHING: Final = b"devl[null]"
"""The envelope of null: what a hook that watches a run receives. Worlds write it, and know no codec."""


class Event(msgspec.Struct, frozen=True):
    """
    One entry of a run's log.

    Attributes:
        type: see :mod:`torpor.lifecycle`.
        at: when it happened; the world moves it up to the previous entry's time, except where a VM has seen it.
        id: correlation id of the step, wait or hook that it is about; ``""`` for the run itself.
        seq: place in the log, 1, 2, 3 …, dense; 0 until the world has stored it.
        op: number of the op that it records or answers; 0 for events without one.
        digest: of the op that it records (creations and ``hook_disposed``), else empty.
        name: step name, hook token, or error code of ``run_failed``.
        attempt: of ``step_started``, ``step_retrying``, ``step_completed``, ``step_failed``.
        due: when a wait ends, or when a retry may start.
        ref: another thing concerned: owner run of ``hook_conflict``, the run that a ``hook_created`` watches,
            resume id of ``hook_received`` (the watched run's id where a watching hook receives), the reason of
            ``run_cancelled``, the worker of ``step_started``.
        payload: arguments, step input, result, error, hook payload or hook metadata.
    """

    type: EventType
    at: int
    id: str = ""
    seq: int = 0
    op: int = 0
    digest: bytes = b""
    name: str = ""
    attempt: int = 0
    due: int = 0
    ref: str = ""
    payload: bytes | None = None


class Run(msgspec.Struct, frozen=True):
    """
    One execution of a workflow.

    Attributes:
        id: ``wrun_<ULID>``.
        workflow: name of the workflow.
        program: content address of the program that it keeps.
        guest: name of the guest language.
        runtime: whether snapshots are taken.
        status: see :mod:`torpor.lifecycle`.
        seed: the run's secret entropy, 32 bytes.
        created_at, started_at, ended_at: 0 until it happened.
        error_code: of a failed run.
        head: seq of the newest event.
        ops: ops that are committed.
        logs: log lines that are committed.
        epoch: fence; grows with every claim, a commit with an older one is refused.
        parent: the run that started it, ``""`` when none did.
        root: the first of its line of parents, ``""`` when it has none.
        key_id: of the deployment key that its payloads are encrypted with, ``""`` when they are plain. The key of the
            run itself is derived from that one, and then so is the seed, which is empty here.
        public: public half of the run's key, for those who write to it without the key.
    """

    id: str
    workflow: str
    program: str
    guest: str
    runtime: Runtime
    status: RunStatus
    seed: bytes
    created_at: int
    started_at: int = 0
    ended_at: int = 0
    error_code: str = ""
    head: int = 0
    ops: int = 0
    logs: int = 0
    epoch: int = 0
    parent: str = ""
    root: str = ""
    key_id: str = ""
    public: bytes = b""


class NewRun(msgspec.Struct, frozen=True):
    """What ``start`` stores: the run, its ``run_created`` event and its first wake-up."""

    id: str
    workflow: str
    program: str
    guest: str
    runtime: Runtime
    seed: bytes
    at: int
    input: bytes
    digest: bytes = b""
    parent: str = ""
    root: str = ""
    key_id: str = ""
    public: bytes = b""


class Step(msgspec.Struct, frozen=True):
    """A step of a run as it stands: ``pending running retrying completed failed``."""

    run_id: str
    id: str
    op: int
    name: str
    status: str
    attempt: int
    created_at: int
    started_at: int
    ended_at: int


class OpenStep(msgspec.Struct, frozen=True):
    """A step that is not finished and that no task stands for: its run's worker must carry it out."""

    id: str
    op: int
    name: str
    status: str
    attempt: int
    failures: int
    input: bytes


class Wait(msgspec.Struct, frozen=True):
    """A wait that has not ended."""

    id: str
    op: int
    due: int


class Hook(msgspec.Struct, frozen=True):
    """
    A hook as it stands: ``live``, ``disposed``, or ``conflict`` when its token was taken from the start.

    Attributes:
        watch: the run whose end it awaits, ``""`` when it awaits the outside world; see :class:`torpor.world.Hooks`.
        key_id, public: its run's; payloads for it are encrypted with them.
    """

    run_id: str
    id: str
    op: int
    token: str
    status: str
    created_at: int
    metadata: bytes | None = None
    watch: str = ""
    key_id: str = ""
    public: bytes = b""


class LogEntry(msgspec.Struct, frozen=True):
    """
    One line of a run's own log.

    Attributes:
        n: 1, 2, 3 … for lines that workflow code wrote; negative for the engine's notes, unique in the run.
        at, level, text: when, how grave (``debug info warn error``) and what.
    """

    n: int
    at: int
    level: str
    text: str


class Snapshot(msgspec.Struct, frozen=True):
    """
    VM state after consuming events 1 … cursor.

    Attributes:
        cursor: seq of the last event that the VM has consumed; later inputs are delivered after a restore.
        ops: ops that the VM had emitted.
        logs: log lines that the VM had emitted.
        image: hash of the image that the delta refers to.
        at: when it was taken.
        data: envelope of the delta.
    """

    cursor: int
    ops: int
    logs: int
    image: str
    at: int
    data: bytes


class RunState(msgspec.Struct, frozen=True):
    """
    All that a turn needs to go on.

    Attributes:
        run: the run, claimed.
        snapshot: the newest one, None to begin from the image.
        events: the log after the snapshot's cursor (the whole log without one), in order.
        waits: waits that have not ended.
        steps: unfinished steps that no task stands for.
        hooks: live hooks.
    """

    run: Run
    snapshot: Snapshot | None
    events: list[Event]
    waits: list[Wait]
    steps: list[OpenStep]
    hooks: list[Hook] = []


class Task(msgspec.Struct, frozen=True):
    """
    A claimed unit of work.

    Attributes:
        kind: ``turn`` or ``step``.
        run_id: whose.
        epoch: fence that commits and step outcomes must show.
        redeliveries: claims in a row without an effect, this one included.
        step_id, op, name, attempt, failures, input: of a step; *attempt* is this one's number (``step_started`` is
            already stored), *failures* how many attempts raised before.
        key_id, workflow, created_at: of the step's run.
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
    key_id: str = ""
    workflow: str = ""
    created_at: int = 0


class NewTask(msgspec.Struct, frozen=True):
    """
    A step that leaves the turn: work for any worker, or, when ``claimed``, still running at this one.

    Attributes:
        step_id: which.
        ready_at: when it may be claimed (ignored when claimed).
        claimed: the committing worker is running it and keeps it; the task's epoch is then that of the commit.
    """

    step_id: str
    ready_at: int
    claimed: bool = False


class Commit(msgspec.Struct, frozen=True):
    """
    What one turn produced; all of it is stored or none.

    Attributes:
        run_id, worker_id, epoch: who commits what; the epoch of the claim.
        at: time of the commit.
        expected_head: newest seq that the turn knew of.
        inputs: events that the VM has consumed already (results of inline steps, ended waits); their times
            stay as they are. If the log has got inputs from elsewhere after *expected_head*, nothing is stored,
            because a replay would consume them in another order.
        outputs: what the turn asks for; stored after the inputs.
        ops, logs: totals after this commit.
        log_entries: new lines of workflow code.
        tasks: steps that leave the turn.
        snapshot: state to keep; its ``cursor`` is set by the world.
        park: give up the claim: the run sleeps until its next wait or wake-up.
    """

    run_id: str
    worker_id: str
    epoch: int
    at: int
    expected_head: int
    inputs: tuple[Event, ...] = ()
    outputs: tuple[Event, ...] = ()
    ops: int = 0
    logs: int = 0
    log_entries: tuple[LogEntry, ...] = ()
    tasks: tuple[NewTask, ...] = ()
    snapshot: Snapshot | None = None
    park: bool = False


class Committed(msgspec.Struct, frozen=True):
    """
    Answer to a commit.

    Attributes:
        stored: False when foreign inputs came first and nothing was stored.
        head: newest seq of the log now.
        foreign: inputs that others appended after the expected head, in order.
        answers: ``hook_created`` and ``hook_conflict`` events of this commit, in order, to be delivered after
            the foreign ones; a taken token turns a ``hook_created`` into a ``hook_conflict``, and behind a
            ``hook_created`` that watches a run which has ended stands its ``hook_received``.
        parked: whether the claim was given up: always when the commit ended the run, else never with foreign
            inputs, a conflict or a refusal.
    """

    stored: bool
    head: int
    foreign: tuple[Event, ...] = ()
    answers: tuple[Event, ...] = ()
    parked: bool = False


class StepOutcome(msgspec.Struct, frozen=True):
    """
    How the attempt of a claimed step task ended.

    Attributes:
        run_id, step_id, worker_id, epoch: the task, with the fence of its claim.
        event: ``step_completed``, ``step_failed`` or ``step_retrying`` (``due`` says when to try again).
    """

    run_id: str
    step_id: str
    worker_id: str
    epoch: int
    event: Event


class WorkerRow(msgspec.Struct, frozen=True):
    """
    A worker process as others see it.

    Attributes:
        id: ``wrkr_<ULID>``.
        machine: identity of the host and its process namespace; equal only where pids can be compared.
        pid: process id.
        born: start time of the process, to tell a reused pid apart.
        seen_at: last heartbeat.
        until: when it counts as dead without another heartbeat.
    """

    id: str
    machine: str
    pid: int
    born: int
    seen_at: int
    until: int


class RunFilter(msgspec.Struct, frozen=True):
    """Which runs to list, newest first; ``before`` is the id of the last run of the previous page."""

    status: RunStatus | None = None
    workflow: str | None = None
    before: str | None = None
    limit: int = 50


class Notice(msgspec.Struct, frozen=True):
    """
    Something changed; a hint, never a fact.

    Attributes:
        run_id: which run, None when it is not known (another process wrote).
        work: there may be a task to claim.
        ended: the run may have ended.
    """

    run_id: str | None = None
    work: bool = False
    ended: bool = False
