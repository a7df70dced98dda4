"""
The contract of a world: a storage and queue back end, chosen by URL.

A world is small protocols put together. Every method is atomic: all of it is stored or nothing. A world has no rule of
its own: what an event does to a run is :mod:`torpor.worlds.rules`, differences between worlds are
:class:`Capabilities`. Worlds carry payloads without opening them.

**Time is the world's.** When something happened, what is ready, which wait is due and whose lease has passed is
decided by :attr:`World.clock`, never by who asks. What is ready at once is :data:`torpor.model.NOW`, which is no time.
Leases are measured by a clock that does not jump; see :mod:`torpor.clock`.

Errors that every method may raise: :class:`~torpor.errors.WorldError` when the back end fails (full disk, damaged
file, lost connection); nothing of the operation is stored then and it may be tried again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, Protocol

import msgspec

from torpor.attributes import Attributes
from torpor.clock import Clock
from torpor.errors import DamagedError
from torpor.limits import DELETED_ROWS_MAX
from torpor.model import (
    ClaimRequest,
    Claims,
    Commit,
    Committed,
    Deployment,
    EndedFilter,
    Entities,
    Event,
    Finished,
    Heartbeat,
    Hook,
    ImageUse,
    LogEntry,
    LongLogs,
    NewFork,
    NewRun,
    Notice,
    Parcel,
    ProgramUse,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    StepOutcome,
    Stream,
    StreamBatch,
    StreamPage,
    WaitingSteps,
    WorkerRow,
)
from torpor.model.flow import Limits, Place, QueueInfo
from torpor.model.schedules import DueSchedules, Fired, Firing, Schedule
from torpor.model.tenants import Tenant, TenantInfo

Unsubscribe = Callable[[], None]

READS: Final = frozenset(
    {
        "ahead_of", "blob", "blob_sizes", "damaged", "deployments", "due_schedules", "ended_runs", "events", "get_run",
        "has_blob", "hook", "images_in_use", "list_runs", "live_hooks", "log_entries", "long_logs", "open_entities",
        "open_entities_of", "programs_in_use", "programs_kept", "queues", "read_stream", "resumed",
        "runs_beginning_with", "runs_by_key", "schedule", "schedules", "snapshot", "snoozed_runs", "statuses",
        "streams", "tenant", "tenants", "waiting_steps", "workers",
    }
)  # fmt: skip
"""Methods that change nothing, and tell nothing that only who works on a run needs."""


class Capabilities(msgspec.Struct, frozen=True):
    """
    What a world can do that others cannot.

    Attributes:
        durable: survives the process.
        shared: several processes may use it at once.
        listen_ms: how late, at most, this process learns of what another process wrote; 0 when never.
        blob_bytes_max: size of the largest blob.
        transactions: it can be part of transactions in its database, see :class:`Transactions`.
        presence: what this process is known by to others, who see whether it is connected; ``""`` where nobody does.
    """

    durable: bool
    shared: bool
    listen_ms: int
    blob_bytes_max: int
    transactions: bool = False
    presence: str = ""


class Runs(Protocol):
    """Runs as a whole."""

    async def create_run(self, new: NewRun) -> Run:
        """
        Store a run with its ``run_created`` event (seq 1) and a turn that is ready at once, or at ``starts_at``.

        Creating the same id again with the same workflow and input returns the stored run.

        Raises:
            EntityConflictError: the id exists with another workflow or input.
        """
        ...

    async def fork_run(self, fork: NewFork) -> Run:
        """
        Store a run that begins with the log of another one, and a turn that is ready at once. The log was rewritten:
        ids and payloads are the new run's. Its rows follow from it; what was open is open, and no step has begun.

        Asking again for the same id, origin and place returns the stored run.

        Raises:
            EntityConflictError: the id exists otherwise, another run has a token that it is to take over, or the log
                is none that a run may begin with.
        """
        ...

    async def get_run(self, run_id: str) -> Run:
        """
        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def cancel_run(self, run_id: str, reason: str, *, force: bool = False) -> Run:
        """
        Ask a run to clean up and end: append ``run_cancelling`` and wake it. It ends as cancelled by ``cancel_by``.

        One that has not begun, whose guest cannot be told, that may not clean up, or is forced ends at once:
        ``run_cancelled`` is appended, its tasks are withdrawn, its tokens freed, its worker fenced off, and those who
        watch it are told. The runs that it has started are cancelled with it, and theirs, but for detached ones.
        Asking again changes nothing.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended already; the message says how.
        """
        ...

    async def retry_run(self, run_id: str, since: int | None = None) -> Run:
        """
        Append ``run_retried`` and take a failed run up again, as if one event and what followed from it had not
        happened: see :mod:`torpor.model.standing`. A step that failed has as many attempts as a new one; a deadline
        that has passed is no more.

        Args:
            run_id: which run.
            since: seq of the ``step_failed`` that is taken back; the run's own end without it.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: it has not failed, there is no such failure, its log has forgotten what that needs, or
                another run has a token that it waits for; the message says which.
        """
        ...

    async def pause_run(self, run_id: str) -> Run:
        """
        Append ``run_paused``: from then on nobody claims the run or its steps, no commit is stored but one that hands
        over the steps that run and parks, and what arrives is kept in the log. Pausing twice changes nothing.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended.
        """
        ...

    async def unpause_run(self, run_id: str) -> Run:
        """
        Append ``run_unpaused`` and wake the run; its step tasks are ready when they were to be.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended.
        """
        ...

    async def wake_up(self, run_id: str, wait_ids: Collection[str] | None = None) -> tuple[str, ...]:
        """
        Complete waits of a run before their time, and wake it; return their ids.

        Args:
            run_id: which run.
            wait_ids: of which waits; all that are open without it. Those that are not open are left out.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended.
        """
        ...

    async def set_attributes(self, run_id: str, attributes: Attributes) -> Run:
        """
        Append ``attr_set`` and change the run's attributes; None takes one away. What is written was checked by
        :func:`torpor.attributes.check_write`. The run is not woken.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run has ended.
            LimitExceededError: it would have more than :data:`torpor.attributes.PER_RUN_MAX`.
        """
        ...

    async def resolve_step(self, run_id: str, step_id: str, event: Event) -> Run:
        """
        Store what somebody has found out of a step that is blocked, and wake the run; waits that are due come first.

        Args:
            run_id, step_id: which.
            event: ``step_completed`` or ``step_failed`` with its payload; whose step it is, is filled in.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the step is not blocked, or its run has ended.
        """
        ...

    async def archive(self, run_id: str, through: int) -> Run:
        """
        Drop the log up to and including seq *through*. The run lives on: what is open carries its own facts.

        The caller has seen that the newest snapshot can be restored; the world makes sure that it lies behind the
        events and that the guest build that it needs is kept. An ended run keeps the event that ended it.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run needs the events; the message says why.
        """
        ...

    async def delete_run(self, run_id: str, *, keep_name: bool = False, rows_max: int = DELETED_ROWS_MAX) -> bool:
        """
        Delete a run that has ended, with everything that belongs to it, or begin to: about *rows_max* rows go in one
        transaction, so that nobody waits long for it. Return whether it is done; if not, ask again.

        Args:
            run_id: which run.
            keep_name: keep the run itself, the event that ended it, and the ids of what it has received, so that a
                start and a resumption that are tried again are recognised.
            rows_max: how many rows of its log, of its streams and of other long lists go at most.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: it has not ended.
        """
        ...


class Log(Protocol):
    """Reading what happened."""

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        """
        Return the log after seq *after*, in order. It begins after :attr:`torpor.model.Run.base`.

        Raises:
            RunNotFoundError: no such run.
        """
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
        """
        Forget the snapshot, so that the run is rebuilt from its log. Harmless when there is none.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: the run goes on, and the beginning of its log was dropped.
        """
        ...


class Hooks(Protocol):
    """
    The outside's way in, and how one run learns of another's end.

    A ``hook_created`` whose ``ref`` names a run makes a hook that *watches* that run. When the run ends, however it
    does, every live hook that watches it gets a ``hook_received`` with :data:`torpor.model.NOTHING` and the run's id
    in ``ref``, and its own run a wake-up, in the transaction that ends the run. When the watched run has ended
    already or does not exist, the reception follows the creation in the same transaction. A hook receives so once.

    The token of a watching hook is a name for people: nobody finds the hook by it, and it conflicts with no other.

    A token is free when its hook is disposed of or its run ends, however that comes, unless the ``hook_created`` has a
    ``due``: for so many milliseconds it is reserved then. Another run's ``hook_created`` becomes a ``hook_conflict``,
    as if the hook were still live; the run itself may have the token again. Nothing can be resumed by it.
    """

    async def hook(self, token: str) -> Hook:
        """
        Return the live hook with this token.

        Raises:
            HookNotFoundError: unknown or disposed of, its run has ended, or it watches a run.
        """
        ...

    async def resume_hook(self, token: str, payload: bytes, resume_id: str, *, run_id: str | None = None) -> str:
        """
        Append ``hook_received`` and wake the run, whose id is returned. Waits of it that are due are completed before.

        With a *run_id* the hook must be that run's, because the payload is encrypted for it.

        The same *resume_id* for the same token is recorded once, as long as the run is kept that received it; a
        repetition changes nothing and answers as the first did, whoever has the token by then, if anybody has.

        Raises:
            HookNotFoundError: unknown or disposed of, its run has ended, it watches a run, or it is another run's.
        """
        ...

    async def resumed(self, token: str, resume_id: str) -> str:
        """Return the id of the run that was resumed by a token under an id, ``""`` when none was, or it is gone."""
        ...


class Mailbox(Protocol):
    """Messages to a run, which it keeps until its code receives them."""

    async def send(self, run_id: str, name: str, payload: bytes, message_id: str) -> Run:
        """
        Append ``message_sent`` and wake the run. Waits of the run that are due are completed before it.

        The same *message_id* for the same run is recorded once, as long as the run is kept; a repetition changes
        nothing and succeeds, also when the run has ended.

        Raises:
            RunNotFoundError: no such run.
            RunEndedError: the run has ended.
            LimitExceededError: :data:`torpor.limits.MESSAGES_WAITING_MAX` messages wait in it already.
        """
        ...


class Blobs(Protocol):
    """Content-addressed bytes: programs, images, guest builds. A key always means the same bytes."""

    async def put_blob(self, key: str, data: bytes) -> None:
        """Store *data* under *key*, in place of what is there: it means the same, and may have been damaged."""
        ...

    async def blob(self, key: str) -> bytes | None: ...

    async def has_blob(self, key: str) -> bool: ...

    async def delete_blob(self, key: str) -> None:
        """Forget a blob; harmless when there is none."""
        ...

    async def blob_sizes(self, prefix: str) -> dict[str, int]:
        """Return the keys that begin with *prefix*, in order, and how many bytes are stored under each."""
        ...


class Queue(Protocol):
    """Who works, and on what."""

    async def register(self, worker: WorkerRow) -> None:
        """Record a worker; it lives from now on, until somebody releases it: see :meth:`release`."""
        ...

    async def heartbeat(self, worker_id: str) -> Heartbeat:
        """
        Record that a worker lives, take all claims away whose owner has no row, and tell of the other workers.

        A worker whose row is gone is not revived: the answer says so. One that was silent for longer than its lease and
        that nobody has released has lost nothing, and lives on.
        """
        ...

    async def release(self, worker_ids: Sequence[str], *, expired_only: bool = False) -> int:
        """
        Take all claims away from workers that died or stopped, and forget the workers.

        Their tasks are ready at once, for anybody; their fences are stale. Returns the number of tasks.

        Args:
            worker_ids: which.
            expired_only: leave alone those whose lease has not passed by now.
        """
        ...

    async def claim(self, request: ClaimRequest) -> Claims:
        """
        Claim what is ready and fits the request: highest priority first, then longest ready, of equals the one that was
        created first.

        Before that, and with a :meth:`heartbeat`, runs of any application whose deadline has passed end as failed, with
        code ``DEADLINE_EXCEEDED``, and step tasks that nobody has claimed end as failed by their
        :attr:`~torpor.model.Step.gives_up_at`.

        A turn fits when the request has the run's application, queue, guest and key; a step task, when it has the
        run's application, queue and key, and the step's name. What fits no worker waits.

        Each claim raises the fence. Claiming a step changes nothing but the step's row.
        """
        ...


class Queues(Protocol):
    """
    Queues with limits, each of one application; see :mod:`torpor.worlds.flow`.

    A queue needs no making: one that nobody has set has no limits. They may change at any time; what has a slot keeps
    it.
    """

    async def set_queue(self, app: str, name: str, limits: Limits) -> None:
        """
        Set what a queue allows.

        Raises:
            ConfigurationError: a number is out of bounds, or the name is none.
        """
        ...

    async def delete_queue(self, app: str, name: str) -> None:
        """Forget what a queue allows; harmless when nothing was set."""
        ...

    async def queues(self, app: str | None = None) -> list[QueueInfo]:
        """Return the queues that were set, and those in which something waits or has a slot, by name."""
        ...

    async def ahead_of(self, run_id: str) -> int | None:
        """
        Return how many runs in the queue of a run wait for a slot before it, of its key only if the queue is limited by
        key; None when it waits for none.

        Raises:
            RunNotFoundError: no such run.
        """
        ...


class Tenants(Protocol):
    """
    Tenants, whose runs have ids that begin with ``@NAME:`` (:mod:`torpor.tenant_names`).

    What a run uses is counted in the transaction that stores it. A run of a tenant begins only if there is the tenant,
    and it has not used up what its quotas allow: then :meth:`Runs.create_run` and :meth:`Runs.fork_run` raise
    TenantNotFoundError or QuotaExceededError.
    """

    async def put_tenant(self, tenant: Tenant) -> Tenant:
        """
        Store what a tenant may do, in place of what it could before; what it has used stays.

        Raises:
            EntityConflictError: another application has a tenant of this name.
        """
        ...

    async def tenant(self, name: str) -> TenantInfo:
        """
        Return a tenant with what it has used.

        Raises:
            TenantNotFoundError: no such tenant.
        """
        ...

    async def tenants(self, app: str | None = None) -> list[TenantInfo]:
        """Return the tenants of an application, or all, by name."""
        ...

    async def delete_tenant(self, name: str) -> None:
        """
        Forget a tenant that has no runs.

        Raises:
            TenantNotFoundError: no such tenant.
            EntityConflictError: it has runs.
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

    async def commit(self, commit: Commit, held: Entities | None = None) -> Committed:
        """
        Store what a turn produced.

        Each event changes its entity's row in the same transaction. A ``hook_created`` whose token is taken is
        stored as ``hook_conflict`` with the owner in ``ref``. An ending tells those who watch the run. When parked,
        the run's next wake-up is the earliest of its waits.

        A commit without inputs is always stored; one with inputs is refused (``stored=False``) when foreign inputs
        came first, or anything that the log dates later than one of the commit's inputs.

        Args:
            commit: what to store.
            held: the entities that :meth:`load` or the last commit returned. With them a commit that meets no
                conflict reads nothing; without, or when they are stale, the world reads them itself.

        Raises:
            LeaseLostError: the epoch is stale.
            EntityConflictError: the run has ended, or the lifecycle does not allow an event.
        """
        ...

    def commit_at_once(self, commit: Commit, held: Entities) -> Committed | None:
        """
        Do the same in the calling thread, which is not an event loop's, if that can be done without waiting for others.

        Returns None, and has stored nothing, when it cannot: then :meth:`commit` will do. A world need not be able to.

        Raises:
            LeaseLostError, EntityConflictError: as :meth:`commit`.
        """
        ...

    def hand_in(self, commit: Commit, held: Entities, stored: asyncio.Future[Committed]) -> bool:
        """
        Take a commit from any thread, and settle *stored*, on its event loop, as :meth:`commit` would return or raise.

        Returns False, and has taken nothing, when it cannot: then :meth:`commit` will do. A world need not be able to.
        """
        ...

    async def snooze(self, run_id: str, worker_id: str, epoch: int, *, delay_ms: int, why: str) -> None:
        """
        Give a claimed run back, without harm to it: its turn is ready again after *delay_ms*, for any worker, or as
        soon as something wakes it. *why* stands in the run until something of it is stored.

        Raises:
            LeaseLostError: the epoch is stale.
            EntityConflictError: the run has ended.
        """
        ...

    async def finish_step(self, outcome: StepOutcome) -> Finished:
        """
        Store how a step task's attempt ended, and wake the run, or make the task ready again at the event's ``due``.

        Waits of the run that are due are completed before it.

        Raises:
            LeaseLostError: the task is somebody else's now, or gone because the run or step has ended.
        """
        ...

    async def snooze_step(
        self,
        run_id: str,
        step_id: str,
        worker_id: str,
        epoch: int,
        *,
        delay_ms: int,
        why: str,
        place: Place | None = None,
    ) -> None:
        """
        Give a claimed step task back before its attempt began, which then does not count.

        With a *place*, it waits there from now on.

        Raises:
            LeaseLostError: as :meth:`finish_step`.
        """
        ...

    async def keep_progress(self, run_id: str, step_id: str, attempt: int, progress: bytes) -> None:
        """
        Keep what an attempt tells of its progress in place of what was told before: until the step has its outcome, for
        the next attempt, and for people. It is no event, wakes nobody, and changes no claim.

        Raises:
            LeaseLostError: the step has its outcome, or another attempt is its newest; nothing was stored.
        """
        ...


class Streams(Protocol):
    """
    What steps write for others to read while they run. A stream is there from its first batch on, is append-only, and
    goes with its run. Its chunks have indexes from 0.

    Streams are no part of the log: workflow code does not see what is in them.
    """

    async def write_stream(self, batch: StreamBatch) -> Stream:
        """
        Add chunks to a stream, close it, or both, and tell who reads it.

        The run may have ended. Who sends a batch again, because he does not know whether it arrived, adds nothing.
        Closing a closed stream changes nothing.

        Raises:
            RunNotFoundError: no such run.
            StreamClosedError: there are chunks, and the stream has ended; only a newer attempt of the step that closed
                it opens it again.
            StreamTypeError: it carries something else.
            LeaseLostError: a newer attempt of the step has written to it.
            EntityConflictError: the chunks that were written before these are not there.
        """
        ...

    async def read_stream(
        self, run_id: str, name: str, *, start: int = 0, limit: int | None = None, bytes_max: int | None = None
    ) -> StreamPage:
        """
        Return chunks of a stream in their order, and the stream as it stands; an empty one before its first batch.

        Args:
            run_id, name: which stream.
            start: index of the first chunk; a negative one counts from the end, and not beyond the beginning.
            limit: how many chunks at most.
            bytes_max: how many bytes at most; a chunk that has more comes alone.

        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def streams(self, run_id: str) -> list[Stream]:
        """
        Return the streams of a run, in the order of their names.

        Raises:
            RunNotFoundError: no such run.
        """
        ...


class Parcels(Protocol):
    """Runs that go from world to world, with all that belongs to them; see :mod:`torpor.worlds.parcels`."""

    async def parcel(self, run_id: str) -> Parcel:
        """
        Return a run with all that belongs to it, as one moment has it; nothing changes.

        Raises:
            RunNotFoundError: no such run.
            LimitExceededError: its streams have more than :data:`torpor.limits.PARCEL_STREAM_BYTES_MAX`.
        """
        ...

    async def put_parcel(self, parcel: Parcel, *, paused: bool = False) -> Run:
        """
        Store a run that comes from elsewhere, asleep: nobody has claimed it or a step of it, and it goes on from where
        it was. What was being carried out there is as if its worker had died. Those who watch it are told when it has
        ended, and it is told of the ends of those that it watches, as far as they are here.

        Args:
            parcel: the run.
            paused: nothing happens in it before somebody lets it go on.

        Raises:
            EntityConflictError: the id is taken, or somebody has a token that the run waits for; names them.
            CapsuleError: what it is made of does not fit together.
        """
        ...

    async def leave(self, run_id: str, where: str) -> Run:
        """
        Let nothing happen in a run any more, which goes to the world at the URL *where*: nobody claims it or a step
        of it, and whatever else is asked for is refused with :class:`~torpor.errors.RunMovedError`. Its parcel can be
        read. Leaving twice for the same world changes nothing.

        Raises:
            RunNotFoundError: no such run.
            RunBusyError: somebody works on it, or on a step of it.
            RunMovedError: it goes, or has gone, to another world.
        """
        ...

    async def stay(self, run_id: str) -> Run:
        """
        Let a run go on here that was about to leave.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: it was not about to leave, or has gone.
        """
        ...

    async def left(self, run_id: str) -> Run:
        """
        Note that a run that was about to leave is in the other world. :meth:`Runs.delete_run` takes it then.

        Raises:
            RunNotFoundError: no such run.
            EntityConflictError: it was not about to leave.
        """
        ...


class Deployments(Protocol):
    """What the workers of a world bring, for whoever has no code: starting by name, and telling what waits for whom."""

    async def put_deployment(self, deployment: Deployment) -> None:
        """
        Store a deployment; storing it again makes it the newest of its application.

        The :data:`torpor.limits.DEPLOYMENTS_KEPT` newest of the application stay, and those that the row of a worker
        names; the others are forgotten.
        """
        ...

    async def deployments(self, app: str | None = None) -> list[Deployment]:
        """Return deployments, of one application or of all, newest first."""
        ...


class Schedules(Protocol):
    """When runs are started; see :class:`torpor.model.schedules.Schedule`, and :mod:`torpor.worlds.schedules`."""

    async def put_schedule(self, schedule: Schedule) -> Schedule:
        """
        Store a schedule in place of the one with its name, or as a new one, and return it with its next slot.

        Raises:
            EntityConflictError: what there is has another version than *schedule* (none has version 0).
            ConfigurationError: its timing names no slots, or a number is out of bounds.
        """
        ...

    async def schedule(self, app: str, name: str) -> Schedule:
        """
        Raises:
            ScheduleNotFoundError: there is none.
        """
        ...

    async def schedules(self, app: str | None = None) -> list[Schedule]:
        """Return the schedules of one application, or of all, in the order of their names."""
        ...

    async def delete_schedule(self, app: str, name: str) -> None:
        """
        Forget a schedule; its runs go on.

        Raises:
            ScheduleNotFoundError: there is none.
        """
        ...

    async def due_schedules(self, apps: Sequence[str], *, limit: int = 50) -> DueSchedules:
        """Return which schedules of these applications somebody must look at now, longest due first."""
        ...

    async def fire(self, wanted: Firing) -> Fired:
        """
        Start runs of a schedule, and let the schedule move on, in one transaction.

        A slot whose run is there already begins no second one, whatever that run was started with.
        """
        ...


class Queries(Protocol):
    """
    Lists, searches and counts, for people. They are answered apart from the engine's work and never delay it.
    """

    async def list_runs(self, where: RunFilter) -> list[Run]:
        """Return runs, those that were created last first."""
        ...

    async def runs_beginning_with(self, prefix: str, *, limit: int = 50) -> list[Run]:
        """Return the runs whose ids begin with *prefix*, in the order of their ids."""
        ...

    async def open_entities(self, run_id: str) -> Entities:
        """
        Return a run and what is open in it, steps without their input.

        Raises:
            RunNotFoundError: no such run.
        """
        ...

    async def open_entities_of(self, run_ids: Collection[str]) -> dict[str, Entities]:
        """Return those of these runs that exist, each with what is open in it, by id; see :meth:`open_entities`."""
        ...

    async def live_hooks(self, *, limit: int = 50, before: str | None = None) -> list[Hook]:
        """Return the live hooks that wait for the outside, newest first; *before* is the id of the last one seen."""
        ...

    async def waiting_steps(self) -> list[WaitingSteps]:
        """
        Return what step tasks wait for a worker, by application, name and signature, longest waiting first; those that
        wait in a queue of their own are :meth:`Queues.queues`' to tell.

        They are not claimed, and are ready or were given back by a worker that is not the right one.
        """
        ...

    async def programs_in_use(self) -> list[ProgramUse]:
        """Return which programs the runs keep that have not ended, by application, program and key."""
        ...

    async def snoozed_runs(self, *, limit: int = 50) -> list[Run]:
        """Return the live runs that were snoozed and of which nothing was stored since, longest snoozed first."""
        ...

    async def workers(self) -> list[WorkerRow]: ...

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        """
        Return how many encrypted runs there are under each key, by the key's id.

        Args:
            live: count only runs that have not ended; then no look is taken at the others.
        """
        ...

    async def images_in_use(self) -> set[ImageUse]:
        """
        Return what images are needed by runs that have not ended, and by those that failed or were cancelled, which may
        be looked into. Those of a guest build that is not known are left out.
        """
        ...

    async def programs_kept(self) -> set[tuple[str, str]]:
        """Return the programs that any run keeps, ended or not, each with the id of the key that it is stored under."""
        ...

    async def ended_runs(self, where: EndedFilter) -> list[Run]:
        """Return runs that have ended, those that ended first first."""
        ...

    async def long_logs(self, where: LongLogs) -> list[Run]:
        """Return runs that have not ended, are kept by snapshots and have long logs."""
        ...

    async def damaged(self) -> list[DamagedError]:
        """
        Look through all that the world has, and return what makes no sense in itself or belongs to nothing; where there
        is very much, the beginning of it.
        """
        ...

    async def statuses(self, run_ids: Collection[str], *, ended: bool = False) -> dict[str, Run]:
        """Return those of these runs that exist, by id; only those that have ended, if asked so."""
        ...


class Transactions(Protocol):
    """Being part of a transaction of somebody else's, in the database that the world is in."""

    async def within(self, connection: object) -> World:
        """
        Return this world as it is within a transaction: what is stored through it is there once the transaction is
        committed, and never if it is not. Workers hear of it then. What fails leaves the transaction as it was.

        Args:
            connection: a driver's connection on which a transaction is open, or what SQLAlchemy or Django have around
                one. It is used during operations only, which are not to overlap with others of its owner's.

        Raises:
            TransactionError: the world knows no transactions, the connection leads elsewhere, or none is open on it.
        """
        ...

    def transaction(self) -> AbstractAsyncContextManager[object]:
        """
        Return a block whose value is a connection to the world's database, with a transaction that is committed behind
        the block, and rolled back if an error leaves it. For an event loop, where the driver has such connections.

        Raises:
            TransactionError: the world knows none.
        """
        ...

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        """Return the same for a thread, which alone uses the connection."""
        ...


class World(
    Runs,
    Log,
    Snapshots,
    Hooks,
    Mailbox,
    Blobs,
    Queue,
    Queues,
    Tenants,
    Turns,
    Streams,
    Parcels,
    Deployments,
    Schedules,
    Queries,
    Transactions,
    Protocol,
):
    """All of it, with a life of its own."""

    @property
    def url(self) -> str: ...

    @property
    def clock(self) -> Clock:
        """The world's clock, as well as this process knows it."""
        ...

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
