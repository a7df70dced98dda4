"""What the memory world keeps: mutable rows around frozen logs."""

from __future__ import annotations

from dataclasses import dataclass, field

from torpor.model import Event, Hook, LogEntry, OpenStep, Run, Snapshot, Step, Wait, WorkerRow
from torpor.worlds.notifier import Notifier

UNFINISHED = frozenset(("pending", "running", "retrying"))


@dataclass(slots=True)
class Claim:
    """
    Claimable work: a run's turn, or a step's task.

    Attributes:
        ready_at: when it may be claimed, None when there is nothing to do.
        worker_id: who has it, ``""`` when nobody.
        redeliveries: claims in a row without an effect.
        epoch: fence of a step's task (a turn's is the run's own).
    """

    ready_at: int | None
    worker_id: str = ""
    redeliveries: int = 0
    epoch: int = 0

    def is_ready(self, at: int) -> bool:
        return not self.worker_id and self.ready_at is not None and self.ready_at <= at


@dataclass(slots=True)
class StepRow:
    """A step, with its task if one stands for it."""

    id: str
    op: int
    name: str
    status: str
    created_at: int
    input: bytes
    attempt: int = 0
    failures: int = 0
    started_at: int = 0
    ended_at: int = 0
    task: Claim | None = None

    def as_step(self, run_id: str) -> Step:
        """Return the step as others see it."""
        return Step(
            run_id=run_id,
            id=self.id,
            op=self.op,
            name=self.name,
            status=self.status,
            attempt=self.attempt,
            created_at=self.created_at,
            started_at=self.started_at,
            ended_at=self.ended_at,
        )

    def as_open_step(self) -> OpenStep:
        """Return what a worker needs to carry the step out."""
        return OpenStep(self.id, self.op, self.name, self.status, self.attempt, self.failures, self.input)


@dataclass(slots=True)
class WaitRow:
    """A wait, ``waiting`` or ``completed``."""

    wait: Wait
    status: str


@dataclass(slots=True)
class RunRow:
    """
    A run with everything that belongs to it.

    Attributes:
        latest_at: the latest time of its events.
        unfinished: those of the steps that have not ended, so that nobody looks through a long past.
        resumed: (hook id, resume id) of every payload that was received.
    """

    run: Run
    turn: Claim
    latest_at: int
    log: list[Event] = field(default_factory=list)
    steps: dict[str, StepRow] = field(default_factory=dict)
    unfinished: dict[str, StepRow] = field(default_factory=dict)
    waits: dict[str, WaitRow] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    resumed: set[tuple[str, str]] = field(default_factory=set)
    lines: dict[int, LogEntry] = field(default_factory=dict)
    snapshot: Snapshot | None = None

    def next_due(self) -> int | None:
        """Return when the earliest open wait ends."""
        return min((row.wait.due for row in self.waits.values() if row.status == "waiting"), default=None)


@dataclass(slots=True)
class Store:
    """
    All of one memory world.

    Attributes:
        runs: by run id.
        live: the runs that have not ended, the only ones that can have work.
        tokens: live hooks of the outside world, as (run id, hook id).
        watchers: by the id of a run that has not ended, the live hooks that watch it, in the order of their creation.
    """

    runs: dict[str, RunRow] = field(default_factory=dict)
    live: dict[str, RunRow] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    watchers: dict[str, dict[tuple[str, str], None]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    notifier: Notifier = field(default_factory=Notifier)
