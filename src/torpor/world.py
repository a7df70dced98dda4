"""
The contract of a world: a storage and queue back end, chosen by URL.

A world is small protocols put together. Every method is atomic: all of it is stored or nothing. A world adds no
semantics of its own: which event may follow which is :mod:`torpor.lifecycle`'s, differences between worlds are
:class:`Capabilities`. Worlds carry payloads without opening them.

Errors that every method may raise: :class:`~torpor.errors.WorldError` when the back end fails (full disk, damaged
file, lost connection); nothing of the operation is stored then and it may be tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

import msgspec

from torpor.model import (
    Commit,
    Committed,
    Event,
    Hook,
    LogEntry,
    NewRun,
    Notice,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    Step,
    StepOutcome,
    Task,
    WorkerRow,
)

Unsubscribe = Callable[[], None]


class Capabilities(msgspec.Struct, frozen=True):
    """
    What a world can do that others cannot.

    Attributes:
        durable: survives the process.
        shared: several processes may use it at once.
        listen_ms: how late, at most, this process learns of what another process wrote; 0 when never.
        blob_bytes_max: size of the largest blob.
    """

    durable: bool
    shared: bool
    listen_ms: int
    blob_bytes_max: int


class Runs(Protocol):
    """Runs as a whole."""

    async def create_run(self, new: NewRun) -> Run:
        """
        Store a run with its ``run_created`` event (seq 1) and a turn that is ready at once.

        Creating the same id again with the same workflow and input returns the stored run.

        Raises:
            EntityConflictError: the id exists with another workflow or input.
        """
        ...

    async def get_run(self, run_id: str) -> Run:
        """
        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def list_runs(self, where: RunFilter) -> list[Run]:
        """Return runs, newest (largest id) first."""
        ...

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        """
        Return how many encrypted runs there are under each key, by the key's id.

        Args:
            live: count only runs that have not ended; then no look is taken at the others.
        """
        ...

    async def cancel_run(self, run_id: str, reason: str, at: int) -> Run:
        """
        Append ``run_cancelled``, end the run's waits, hooks and tasks, fence its worker off, and tell those who
        watch it.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended already; the message says how.
        """
        ...


class Events(Protocol):
    """Reading what happened."""

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """
        Return the log after seq *after*, in order.

        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def steps(self, run_id: str) -> list[Step]:
        """Return the run's steps in the order of their ops."""
        ...

    async def log_entries(self, run_id: str, *, after: int | None = None) -> list[LogEntry]:
        """Return the run's log lines in the order of ``n``, the engine's notes first; or those after *after*."""
        ...


class Snapshots(Protocol):
    """Checkpoints of the log."""

    async def snapshot(self, run_id: str) -> Snapshot | None:
        """Return the newest snapshot, None when there is none. It is saved by :meth:`Turns.commit`."""
        ...

    async def delete_snapshot(self, run_id: str) -> None:
        """Forget the snapshot, so that the run is rebuilt from its log. Harmless when there is none."""
        ...


class Hooks(Protocol):
    """
    The outside's way in, and how one run learns of another's end.

    A ``hook_created`` whose ``ref`` names a run makes a hook that *watches* that run. When the run ends, however it
    does, every live hook that watches it gets a ``hook_received`` with :data:`torpor.model.NOTHING` and the run's id
    in ``ref``, and its own run a wake-up, in the transaction that ends the run. When the watched run has ended
    already or does not exist, the reception follows the creation in the same transaction. A hook receives so once.

    The token of a watching hook is a name for people: nobody finds the hook by it, and it conflicts with no other.
    """

    async def hook(self, token: str) -> Hook:
        """
        Return the live hook with this token.

        Raises:
            HookNotFoundError: unknown or disposed of, its run has ended, or it watches a run.
        """
        ...

    async def hooks(self, run_id: str) -> list[Hook]:
        """Return all hooks of a run, in the order of their ops."""
        ...

    async def resume_hook(
        self, token: str, payload: bytes, resume_id: str, at: int, *, run_id: str | None = None
    ) -> Hook:
        """
        Append ``hook_received`` and wake the run.

        With a *run_id* the hook must be that run's, because the payload is encrypted for it.

        The same *resume_id* for the same hook is recorded once; a repetition changes nothing and succeeds.

        Raises:
            HookNotFoundError: unknown or disposed of, its run has ended, it watches a run, or it is another run's.
        """
        ...


class Blobs(Protocol):
    """Content-addressed bytes: programs and images. A key always means the same bytes."""

    async def put_blob(self, key: str, data: bytes) -> None:
        """Store *data* under *key*; harmless when the key is there."""
        ...

    async def blob(self, key: str) -> bytes | None: ...


class Queue(Protocol):
    """Who works on what."""

    async def heartbeat(self, worker: WorkerRow) -> None:
        """Record that the worker lives; the first one registers it."""
        ...

    async def workers(self) -> list[WorkerRow]: ...

    async def claim(
        self,
        worker_id: str,
        at: int,
        *,
        turns: int,
        steps: int,
        guests: Collection[str],
        keys: Collection[str] = ("",),
    ) -> list[Task]:
        """
        Claim up to *turns* runs of these *guests*, and *steps* steps of any run, that are ready at *at*: longest
        ready first, of equals the one that was created first. A run whose guest no worker has waits.

        Only runs that are encrypted under one of these *keys* are touched; ``""`` stands for those that are not
        encrypted.

        Each claim raises the fence. Claiming a step appends its ``step_started`` event with the next attempt number.
        """
        ...

    async def next_ready_at(
        self, *, guests: Collection[str], steps: bool = True, keys: Collection[str] = ("",)
    ) -> int | None:
        """
        Return when the earliest unclaimed task becomes ready, None when there is none.

        Args:
            guests: of which guests turns count; none when empty.
            steps: whether steps count.
            keys: of runs under which keys; see :meth:`claim`.
        """
        ...

    async def release(self, worker_ids: Sequence[str], at: int) -> int:
        """
        Take all claims away from workers that died or stopped, and forget the workers.

        Their tasks are ready at once, for anybody; their fences are stale. Returns the number of tasks.
        """
        ...


class Turns(Protocol):
    """Reading and writing for the one who holds a claim."""

    async def load(self, run_id: str) -> RunState:
        """
        Return what a turn needs.

        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def commit(self, commit: Commit) -> Committed:
        """
        Store what a turn produced.

        Each event changes its entity's row in the same transaction. A ``hook_created`` whose token is taken is
        stored as ``hook_conflict`` with the owner in ``ref``. An ending tells those who watch the run. When parked,
        the run's next wake-up is the earliest of its waits, or now if it has been woken since the expected head.

        A commit without inputs is always stored; one with inputs is refused (``stored=False``) when foreign inputs
        came first.

        Raises:
            LeaseLostError: the epoch is stale.
            EntityConflictError: the run has ended, or the lifecycle does not allow an event.
        """
        ...

    async def snooze(self, run_id: str, worker_id: str, epoch: int, until: int) -> None:
        """
        Give up the claim of a run from which nothing can be stored; its turn is ready again at *until*.

        Raises:
            LeaseLostError: the epoch is stale.
        """
        ...

    async def finish_step(self, outcome: StepOutcome) -> None:
        """
        Store how a step task's attempt ended, and wake the run, or make the task ready again at the event's ``due``.

        Raises:
            LeaseLostError: the task is somebody else's now, or gone because the run or step has ended.
        """
        ...


class World(Runs, Events, Snapshots, Hooks, Blobs, Queue, Turns, Protocol):
    """All of it, with a life of its own."""

    @property
    def url(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def open(self) -> None:
        """
        Connect and bring the schema up to date. May be called twice.

        Raises:
            ConfigurationError: the store belongs to a newer version, or is not ours.
        """
        ...

    async def close(self) -> None:
        """Finish what was begun and let go. May be called twice."""
        ...

    def subscribe(self, listener: Callable[[Notice], None]) -> Unsubscribe:
        """
        Call *listener* on the event loop after each change that may mean work or a run's end, or some time after
        another process made one.

        Notices are hints: they may come too often, and the listener must look for itself.
        """
        ...
