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

NOW: Final = 0
"""In place of a time: at once. A state, not a time, so that whose clock is ahead cannot delay anybody."""

NOTHING: Final = b"devl[null]"
"""The envelope of null: what a hook that watches a run receives. Worlds write it, and know no codec."""


def build_key(build: str) -> str:
    """Return the blob key of a guest build."""
    return f"build/{build}"


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
        attempt: of ``step_started``, ``step_retrying``, ``step_completed``, ``step_failed``; 1 in a ``step_created``
            whose first attempt the turn begins with it, which spares a ``step_started``.
        due: when a wait ends, or when a retry may start.
        ref: another thing concerned: owner run of ``hook_conflict``, the run that a ``hook_created`` watches,
            resume id of ``hook_received`` (the watched run's id where a watching hook receives), the reason of
            ``run_cancelled``, the worker of ``step_started`` and of a ``step_created`` with an attempt.
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
    One execution of a workflow, and its turn: the one claimable piece of work that a run is.

    Attributes:
        id: ``wrun_<ULID>``, or a name of the starter's own.
        workflow: full name of the workflow.
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
        key_id: id of the deployment key that its payloads are encrypted with, ``""`` when they are plain. The key of
            the run itself is derived from that one, and then so is the seed, which is empty here.
        public: public half of the run's key, for those who write to it without the key.
        app: name of the application that it belongs to; workers of others leave it alone. ``""`` is any application's:
            runs of version 0.1.0 have none.
        queue: which of the application's queues.
        build: hash of the guest build that its snapshot is of, and that made its log; before it begins, the one that
            its program was made for; ``""`` when it is not known (version 0.1.0).
        base: seq of the newest event that was dropped from the beginning of the log, 0 when the log is whole.
        latest_at: latest time of its events.
        ready_at: when its turn may be claimed: None when there is nothing to do, :data:`NOW` at once, else the time
            when a wait ends or a snooze is over. Of no meaning while it is claimed.
        queued_at: its place in the queue among those that are ready: when it became ready, as its writer saw the time.
        worker: who has claimed its turn, ``""`` when nobody.
        redeliveries: claims in a row without an effect.
        snoozes: how often in a row it was snoozed, 0 once something of it was stored.
        snoozed: why it was snoozed last, ``""`` once something of it was stored.
        damage: what of it cannot be read, ``""`` of a sound run; only lists have others. Then its id is here, its
            application and workflow if they can be told, and the other fields tell nothing.
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
    app: str = ""
    queue: str = ""
    build: str = ""
    base: int = 0
    latest_at: int = 0
    ready_at: int | None = None
    queued_at: int = 0
    worker: str = ""
    redeliveries: int = 0
    snoozes: int = 0
    snoozed: str = ""
    damage: str = ""


class NewRun(msgspec.Struct, frozen=True):
    """What ``start`` stores: the run, its ``run_created`` event and its first wake-up. The world says when."""

    id: str
    workflow: str
    program: str
    guest: str
    runtime: Runtime
    seed: bytes
    input: bytes
    digest: bytes = b""
    parent: str = ""
    root: str = ""
    key_id: str = ""
    public: bytes = b""
    app: str = ""
    queue: str = ""
    build: str = ""


class Step(msgspec.Struct, frozen=True):
    """
    A step that is open: it has no outcome yet. It stands alone: nothing of the log is needed to carry it out.

    The step belongs to its run's turn until it is handed over; then it is a *task* of its own, which workers claim
    without touching the run.

    Attributes:
        run_id, id, op, name: which.
        seq: of its ``step_created``.
        status: ``pending``, ``running`` or ``retrying``.
        attempt: number of the newest attempt, 0 before the first.
        failures: how many attempts raised.
        created_at, started_at: of the step and of its newest attempt; 0 until it happened.
        input: envelope of its arguments; None while the log has it at *seq* (:class:`RunState` and :class:`Task` always
            have it).
        signature: what the run's program takes the step's signature for, ``""`` when it is not known.
        task: whether it was handed over; the fields that follow are the task's.
        ready_at, queued_at: as of a run.
        worker: who has it, ``""`` when nobody.
        epoch: fence of the task.
        redeliveries: claims in a row without an effect.
        snoozed: why no worker took it or kept it, ``""`` when it simply waits for its turn.
    """

    run_id: str
    id: str
    op: int
    seq: int
    name: str
    status: str
    created_at: int
    attempt: int = 0
    failures: int = 0
    started_at: int = 0
    input: bytes | None = None
    signature: str = ""
    task: bool = False
    ready_at: int | None = None
    queued_at: int = 0
    worker: str = ""
    epoch: int = 0
    redeliveries: int = 0
    snoozed: str = ""


class StepInfo(msgspec.Struct, frozen=True):
    """
    A step of a run as people see it, ended or not.

    Attributes:
        run_id, id, op, name: which.
        status: ``pending running retrying completed failed``.
        attempt: number of the newest attempt.
        created_at, started_at, ended_at: *started_at* is the first attempt's where the log tells; 0 until it happened.
    """

    run_id: str
    id: str
    op: int
    name: str
    status: str
    attempt: int
    created_at: int
    started_at: int = 0
    ended_at: int = 0


class Wait(msgspec.Struct, frozen=True):
    """A wait that has not ended; *due* is when it does."""

    id: str
    op: int
    due: int


class Hook(msgspec.Struct, frozen=True):
    """
    A hook that is not disposed of.

    Attributes:
        run_id, id, op: which.
        token: what the outside calls it by, for a watching hook a text for people.
        status: ``live``; ``conflict`` when its token was taken from the start; ``told`` when it has heard of the end of
            the run that it watches; ``ended`` when its run is over and only its facts are kept.
        created_at: when.
        metadata: envelope of what its creator says of it, None when nothing.
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


class Entities(msgspec.Struct, frozen=True):
    """
    A run and all that is open in it, as one moment has them.

    Who holds a run's claim keeps them from commit to commit, so that a commit need not read them.

    Attributes:
        run: the run.
        steps, waits, hooks: by id, in the order of their ops.
    """

    run: Run
    steps: dict[str, Step] = {}
    waits: dict[str, Wait] = {}
    hooks: dict[str, Hook] = {}


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
        held: the run, claimed, and what is open in it; steps that are no tasks have their input.
        snapshot: the newest one, None to begin from the image.
        events: the log after the snapshot's cursor (the whole log without one), in order.
    """

    held: Entities
    snapshot: Snapshot | None
    events: list[Event]

    @property
    def run(self) -> Run:
        """The run."""
        return self.held.run


class Task(msgspec.Struct, frozen=True):
    """
    A claimed unit of work.

    Attributes:
        kind: ``turn`` or ``step``.
        run_id: whose.
        epoch: fence that commits and step outcomes must show.
        redeliveries: claims in a row without an effect, this one included.
        step_id, op, name, attempt, failures, input, signature: of a step; *attempt* is this one's number, *failures*
            how many attempts raised before.
        key_id, workflow, created_at: of the run.
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


class ClaimRequest(msgspec.Struct, frozen=True):
    """
    What a worker has room for, and what it can work on: a *route* is an application, a queue, a guest and a key.

    Attributes:
        worker_id: who asks; its row must be alive.
        apps: names of applications; ``""`` stands for runs that have none.
        queues: names of queues.
        guests: whose turns.
        key_ids: runs that are encrypted under one of these; ``""`` stands for those that are not.
        steps: full names of steps that it has; the others wait for a worker that has them.
        left: ids of steps that it has given back, which are left to other workers.
        turns_max, steps_max: how many of each.
    """

    worker_id: str
    apps: tuple[str, ...] = ("",)
    queues: tuple[str, ...] = ("",)
    guests: tuple[str, ...] = ()
    key_ids: tuple[str, ...] = ("",)
    steps: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    turns_max: int = 0
    steps_max: int = 0


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
    """

    step_id: str
    ready_at: int = NOW
    claimed: bool = False
    signature: str = ""
    snoozed: str = ""


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
        log_entries: new lines of workflow code.
        tasks: steps that leave the turn.
        snapshot: state to keep; its ``cursor`` is set by the world.
        build: guest build that the run goes on with, ``""`` for the one that it has. Another one comes with a snapshot,
            unless the run has none.
        park: give up the claim: the run sleeps until its next wait or wake-up.
    """

    run_id: str
    worker_id: str
    epoch: int
    expected_head: int
    inputs: tuple[Event, ...] = ()
    outputs: tuple[Event, ...] = ()
    ops: int = 0
    logs: int = 0
    log_entries: tuple[LogEntry, ...] = ()
    tasks: tuple[NewTask, ...] = ()
    snapshot: Snapshot | None = None
    build: str = ""
    park: bool = False


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
        lease_ms: how long a silence counts as life.
        app: name of its application.
        deployment: id of its deployment, ``""`` when it stored none.
        seen_at: last heartbeat, by the world's clock; the world's to set.
        silent_ms: how long ago that was, by the world's steady clock; the world's to tell.
    """

    id: str
    machine: str
    pid: int
    born: int
    lease_ms: int
    app: str = ""
    deployment: str = ""
    seen_at: int = 0
    silent_ms: int = 0

    @property
    def expired(self) -> bool:
        """Whether the silence is longer than the lease."""
        return self.silent_ms > self.lease_ms


class Heartbeat(msgspec.Struct, frozen=True):
    """
    The world's answer to a sign of life.

    Attributes:
        known: False when the worker's row is gone: it was presumed dead and released, and must register anew.
        others: the other workers, so that the dead among them are found.
        orphans: how many tasks this heartbeat took from owners that have no row at all.
    """

    known: bool
    others: tuple[WorkerRow, ...] = ()
    orphans: int = 0


class DeployedWorkflow(msgspec.Struct, frozen=True):
    """
    A workflow of a deployment.

    Attributes:
        program: content address.
        guest, build: of the program.
        signature: text of the parameters, by which arguments are checked; ``""`` when it is not known.
    """

    program: str
    guest: str
    build: str
    signature: str = ""


class Deployment(msgspec.Struct, frozen=True):
    """
    What a worker brings: which workflows of an application it knows, and which steps it can carry out.

    Attributes:
        id: content address of what follows, without the time.
        app: name of the application.
        workflows: by full name.
        steps: full name → text of its signature; aliases of renamed steps are among them.
        created_at: when a worker stored it first, by the world's clock; the world's to set.
    """

    id: str
    app: str
    workflows: dict[str, DeployedWorkflow] = {}
    steps: dict[str, str] = {}
    created_at: int = 0


class RunFilter(msgspec.Struct, frozen=True):
    """
    Which runs to list, newest first.

    Attributes:
        status, workflow, app: only these; the workflow by its full or its short name.
        before: id of the last run of the previous page.
        limit: how many at most.
    """

    status: RunStatus | None = None
    workflow: str | None = None
    app: str | None = None
    before: str | None = None
    limit: int = 50


class WaitingSteps(msgspec.Struct, frozen=True):
    """
    Steps of one name that wait for a worker: nobody has claimed them, and they are ready, or were given back.

    Attributes:
        app, name: of which application, and which step.
        signature: what the runs' programs take its signature for.
        count: how many.
        since: since when the longest waiting one is ready; of one that was given back, when it was asked for.
        run_id: a run that has one.
        snoozed: why one of them was not taken, ``""`` when no worker has said.
    """

    app: str
    name: str
    signature: str
    count: int
    since: int
    run_id: str
    snoozed: str = ""


class ProgramUse(msgspec.Struct, frozen=True):
    """
    Runs that have not ended and keep one program.

    Attributes:
        app: of which application.
        program, guest: content address of the program, and its guest language.
        key_id: id of the key that the program is stored under for them.
        count: how many.
        run_id: one of them.
    """

    app: str
    program: str
    guest: str
    key_id: str
    count: int
    run_id: str


class ImageUse(msgspec.Struct, frozen=True):
    """
    What images runs need: those of one program in one guest build.

    Attributes:
        program: its content address.
        build: the guest build.
        key_id: id of the key that the program and its image are stored under.
    """

    program: str
    build: str
    key_id: str


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
