"""
What must hold after every action, found out from the store alone, by rules of the auditor's own.

* The log is dense, its times do not go back, and it ends once.
* Every op has one outcome, in the order in which things were due.
* What a step wrote to its run's stream is stored when its outcome is, each chunk once and in order.
* A commit or outcome is stored only for who holds the claim, and each claim raises the fence.
* What was consumed is what the log says: a VM that is given the log asks for what the log says that it asked for, and
  is in the state of every snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from torpor.codec.crypto.keys import Keyring
from torpor.errors import TorporError
from torpor.lifecycle import RUN_ENDINGS
from torpor.model import ClaimRequest, Commit, Committed, Event, Snapshot, StepOutcome
from torpor.testing.simulation.machinery import Machinery
from torpor.testing.simulation.reference import Reference
from torpor.testing.simulation.steps import CHUNKS, WRITERS
from torpor.worlds.memory.store import Rows, Store

_FROM_OUTSIDE = frozenset(("finish_step", "resume_hook", "send", "cancel_run"))
_STEP_ENDS = frozenset(("step_completed", "step_failed", "step_cancelled"))


class Audit:
    """
    The auditor of one store; see :class:`torpor.testing.simulation.store.Auditor`.

    Args:
        store: what is looked at.
        machinery: runs the program of all runs.
        keyring: has the keys of all runs.
        found: told what is wrong, in a line.
    """

    def __init__(self, store: Store, machinery: Machinery, keyring: Keyring, found: Callable[[str], None]) -> None:
        self._store = store
        self._machinery = machinery
        self._keyring = keyring
        self._found = found
        self._files: dict[str, _File] = {}
        self._epochs: dict[tuple[str, str], int] = {}
        self._may_store = True
        self._woken: set[str] = set()  # waits that somebody ended before their time

    def before(self, name: str, args: tuple[Any, ...]) -> None:
        """Note whether who wants to store something may."""
        match args:
            case (Commit() as commit, *_):
                rows = self._store.runs.get(commit.run_id)
                claim = (commit.epoch, commit.worker_id)
                self._may_store = rows is not None and (rows.run.epoch, rows.run.worker) == claim
            case (StepOutcome() as outcome,):
                rows = self._store.runs.get(outcome.run_id)
                step = rows.steps.get(outcome.step_id) if rows is not None else None
                claim = (outcome.epoch, outcome.worker_id)
                self._may_store = step is not None and (step.epoch, step.worker) == claim

    def after(self, name: str, args: tuple[Any, ...], answer: Any, now: int) -> None:
        """Look at what has changed."""
        if name == "wake_up" and not isinstance(answer, TorporError):
            self._woken.update(answer)
        match args:
            case (Commit() as commit, *_) if isinstance(answer, Committed) and answer.stored and not self._may_store:
                self._found(f"{commit.run_id}: a commit of epoch {commit.epoch} was stored for who has no claim")
            case (StepOutcome() as outcome,) if answer is None and not self._may_store:
                self._found(f"{outcome.run_id}: an outcome of step {outcome.step_id} was stored for who has no claim")
            case (ClaimRequest() as request,) if not isinstance(answer, TorporError):
                for task in answer.tasks:
                    place = task.run_id, task.step_id
                    if task.epoch <= self._epochs.get(place, 0):
                        self._found(f"{place} was claimed by {request.worker_id} without raising epoch {task.epoch}")
                    self._epochs[place] = task.epoch
        for rows in self._store.runs.values():
            file = self._files.get(rows.run.id)
            if file is None:
                file = self._files[rows.run.id] = _File(rows, self._machinery, self._keyring, self._found, self._woken)
            if file.changed:
                file.look()
                if name in _FROM_OUTSIDE and not isinstance(answer, TorporError):
                    file.check_due(now)

    def log(self, run_id: str) -> Sequence[Event]:
        """Return a run's log, also what was archived."""
        return self._files[run_id].log

    def close(self) -> None:
        """Look at all of it once more, now that everything is over."""
        for file in self._files.values():
            file.close()


class _File:
    """
    What the auditor knows of one run.

    Attributes:
        log: all of it, also what was archived.
    """

    def __init__(
        self,
        rows: Rows,
        machinery: Machinery,
        keyring: Keyring,
        found: Callable[[str], None],
        woken: Collection[str],
    ) -> None:
        self._woken = woken
        self._rows = rows
        self._report = found
        self._seen: object = None
        self._snapshot: Snapshot | None = None
        self.log: list[Event] = []
        self._own_from = 0
        self._waits: dict[str, Event] = {}
        self._hooks: dict[str, str] = {}
        self._received: set[tuple[str, str]] = set()
        self._outcomes: set[str] = set()
        self._messages: list[str] = []
        self._reference = Reference(machinery, rows.run, keyring, self._found)

    @property
    def changed(self) -> bool:
        """Whether there is something to look at."""
        return self._rows.run is not self._seen

    def look(self) -> None:
        """Look at what is new."""
        rows = self._rows
        self._seen = run = rows.run
        new = rows.events(len(self.log))
        if not self.log:  # what was before was another run's, whose streams and wakings stay its own
            self._own_from = next((event.seq for event in new if event.type == "run_forked"), 0)
        for event in new:
            self._check(event)
            self.log.append(event)
        if len(self.log) != run.head or self.log[-1].at > run.latest_at:
            self._found(f"it says head {run.head} at {run.latest_at}, and has {len(self.log)} events")
        if run.ops != (made := sum(1 for event in self.log if event.digest and event.op)):
            self._found(f"it says that {run.ops} ops are committed, and {made} are in the log")
        if run.sent != len(self._messages) or not 0 <= run.received <= run.sent:
            said = f"it says that it was sent {run.sent} messages, and has received {run.received}"
            self._found(f"{said}; its log has {len(self._messages)}")
        if rows.snapshot is not None and rows.snapshot is not self._snapshot:
            self._snapshot = rows.snapshot
            self._reference.compare(self.log, rows.snapshot)

    def check_due(self, now: int) -> None:
        """Check that what was due when something came from outside stands before it."""
        for wait in self._waits.values():
            if wait.due <= now and self.log[-1].type not in RUN_ENDINGS:
                self._found(f"{self.log[-1].type} was accepted at {now}, and the wait of op {wait.op} was due")

    def close(self) -> None:
        """Check an ended run as a whole."""
        self.look()
        if self.log[-1].type in RUN_ENDINGS:
            self._reference.compare_ending(self.log)
            if any(event.type == "run_cancelling" for event in self.log) and self.log[-1].type != "run_cancelled":
                self._found(f"it was cancelled, and {self.log[-1].type} ends it")
        self._reference.close()

    def _found(self, what: str) -> None:
        self._report(f"{self._rows.run.id}: {what}")

    def _check(self, event: Event) -> None:
        log = self.log
        if event.seq != len(log) + 1:
            self._found(f"event {event.seq} stands at place {len(log) + 1} of the log")
        if log and event.at < log[-1].at:
            self._found(f"event {event.seq} is of {event.at}, and the one before is of {log[-1].at}")
        if log and log[-1].type in RUN_ENDINGS and event.type != "run_retried":
            self._found(f"{event.type} follows the end of the run")
        if event.type in _STEP_ENDS:
            if event.id in self._outcomes:
                self._found(f"the step of op {event.op} has a second outcome")
            self._outcomes.add(event.id)
            if event.type == "step_completed" and event.name in WRITERS and event.seq > self._own_from:
                self._check_written(event)
        elif event.type.startswith("wait_"):
            self._check_wait(event)
        elif event.type.startswith("hook_"):
            self._check_hook(event)
        elif event.type == "message_sent":
            if event.ref in self._messages:
                self._found(f"message {event.ref!r} stands in its log twice")
            self._messages.append(event.ref)

    def _check_written(self, event: Event) -> None:
        """Check that all that an attempt wrote is stored when its outcome is, each chunk once and in order."""
        chunks = [chunk for rows in self._rows.streams.values() for chunk in rows.chunks if chunk.writer == event.id]
        numbers = [chunk.n for chunk in chunks if chunk.attempt == event.attempt]
        if numbers != list(range(CHUNKS)):
            self._found(f"the step of op {event.op} is complete, and of its {CHUNKS} chunks there are {numbers}")

    def _check_wait(self, event: Event) -> None:
        if event.type == "wait_created":
            self._waits[event.id] = event
            return
        wait = self._waits.pop(event.id, None)
        if wait is None:
            self._found(f"the wait of op {event.op} ends, and it was over")
        elif event.type == "wait_completed":
            if event.at < wait.due and event.id not in self._woken and event.seq > self._own_from:
                self._found(f"the wait of op {event.op} ends at {event.at}, before it is due")
            for other in self._waits.values():
                if (other.due, other.op) < (wait.due, wait.op):
                    self._found(f"the wait of op {event.op} ends before that of op {other.op}, which is due earlier")

    def _check_hook(self, event: Event) -> None:
        status = self._hooks.get(event.id)
        match event.type:
            case "hook_created" | "hook_conflict":
                self._hooks[event.id] = event.type
            case "hook_disposed":
                self._hooks[event.id] = event.type
                if status not in {"hook_created", "hook_conflict"}:
                    self._found(f"the hook of op {event.op} is disposed of, and it is {status}")
            case "hook_received":
                if status != "hook_created":
                    self._found(f"the hook of op {event.op} receives something, and it is {status}")
                if (event.id, event.ref) in self._received:
                    self._found(f"the hook of op {event.op} receives {event.ref} twice")
                self._received.add((event.id, event.ref))
