"""Runs, and what is open in them: steps, waits and hooks."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from torpor.lifecycle import RunStatus
from torpor.model.flow import Place, Slot
from torpor.model.log import Event, Snapshot

Runtime = Literal["snapshot", "replay"]

BY_PARENT: Final = "$parent"
"""Why a run was cancelled, in the world's own words, which know no codec: the run that started it was."""

NOW: Final = 0
"""In place of a time: at once. A state, not a time, so that whose clock is ahead cannot delay anybody."""


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
        priority: of equals that are ready, runs of a higher one are claimed first, with their steps.
        starts_at: before then its turn is not claimed, whatever comes; 0 for no such time.
        deadline: when it fails if it has not ended, 0 for never.
        attributes: what is said of it in plain text, for searching; see :mod:`torpor.attributes`.
        paused: nothing goes into its VM, and none of its steps begins, before it goes on.
        key: of whom it is in its queue, ``""`` for nobody in particular.
        slot: what it has of its queue.
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
        sent: messages that were sent to it.
        received: of those, how many its code has received.
        receiving: mailboxes in which its code waits for a message, in the order of their names; at most
            :data:`torpor.limits.RECEIVING_TOLD_MAX` of them.
        cleanup_ms: how long its code may clean up once it is cancelled; 0 when it then ends at once, because nobody
            wants it to clean up, or its guest build cannot be told.
        cleanup_steps: how many steps it may still ask for while it is being cancelled.
        cancel_by: by when a run that is being cancelled ends, 0 when nobody has cancelled it.
        cancel_reason: why it was cancelled, as its codec packs texts.
        detached: it lives on when the run that started it is cancelled.
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
    priority: int = 0
    starts_at: int = 0
    deadline: int = 0
    attributes: dict[str, str] = {}
    paused: bool = False
    sent: int = 0
    received: int = 0
    receiving: tuple[str, ...] = ()
    cleanup_ms: int = 0
    cleanup_steps: int = 0
    cancel_by: int = 0
    cancel_reason: str = ""
    detached: bool = False
    key: str = ""
    slot: Slot = ""
    damage: str = ""


class NewRun(msgspec.Struct, frozen=True):
    """
    What ``start`` stores: the run, its ``run_created`` event and its first wake-up. The world says when.

    Attributes:
        program_bytes: what its program takes, which is counted for its tenant.
    """

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
    priority: int = 0
    starts_at: int = 0
    deadline: int = 0
    attributes: dict[str, str] = {}
    cleanup_ms: int = 0
    cleanup_steps: int = 0
    detached: bool = False
    key: str = ""
    program_bytes: int = 0


class Step(msgspec.Struct, frozen=True):
    """
    A step that is open: it has no outcome yet. It stands alone: nothing of the log is needed to carry it out.

    The step belongs to its run's turn until it is handed over; then it is a *task* of its own, which workers claim
    without touching the run.

    Attributes:
        run_id, id, op, name: which.
        seq: of its ``step_created``.
        status: ``pending``, ``running``, ``retrying`` or ``blocked``.
        attempt: number of the newest attempt, 0 before the first.
        failures: how many attempts raised.
        created_at, started_at: of the step and of its newest attempt; 0 until it happened.
        input: envelope of its arguments; None while the log has it at *seq* (:class:`RunState` and tasks always
            have it).
        signature: what the run's program takes the step's signature for, ``""`` when it is not known.
        task: whether it was handed over; the fields that follow are the task's.
        place: where it waits, None for the queue of its run.
        ready_at, queued_at: as of a run.
        worker: who has it, ``""`` when nobody.
        epoch: fence of the task.
        redeliveries: claims in a row without an effect.
        snoozed: why no worker took it or kept it, or why it is blocked; ``""`` when it simply waits for its turn.
        once: its newest attempt must not be made again when nobody knows how it ended.
        start_by, close_by: by when its first attempt must begin, and by when it must have its outcome; 0 for never.
        progress: envelope of what an attempt has told of its progress last, None for nothing. Attempts change it
            without their run's turn, which knows the one of when it loaded the step.
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
    place: Place | None = None
    once: bool = False
    start_by: int = 0
    close_by: int = 0
    progress: bytes | None = None

    @property
    def gives_up_at(self) -> int:
        """When the world ends it because nobody has begun it or tries it again in time; 0 for never."""
        if not (self.start_by or self.close_by) or not self.task or self.worker or self.ready_at is None:
            return 0
        return min((by for by in (self.close_by, 0 if self.attempt else self.start_by) if by), default=0)


class StepInfo(msgspec.Struct, frozen=True):
    """
    A step of a run as people see it, ended or not.

    Attributes:
        run_id, id, op, name: which.
        status: ``pending running retrying blocked completed failed cancelled``.
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
        retention_ms: how long its token stays reserved for its run once the hook is gone.
        takes: class of its payloads, ``module:name``, ``""`` for any; of a webhook how its requests are answered, see
            :mod:`torpor.model.webhooks`.
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
    retention_ms: int = 0
    takes: str = ""
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
