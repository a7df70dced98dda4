"""
What all worlds have in common that keep a store of their own: each method of the contract begins a conversation
(:mod:`.operations`), or asks a module of the back end (:mod:`.tables`).

A back end says how that is carried out, and nothing else: :meth:`StoredWorld._operate` and the others below it.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Generic, TypeVar

from torpor.attributes import Attributes
from torpor.clock import Clock
from torpor.errors import DamagedError, LimitExceededError
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
from torpor.tenant_names import tenant_of
from torpor.world import Capabilities
from torpor.worlds import arriving, erasing, firing, forking, operations, refusals, tenants
from torpor.worlds.requests import Conversation, Operation
from torpor.worlds.tables import Tables

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")

Begin = Callable[[int], Operation[R]]
"""Begins an operation at a time; it may be begun more than once."""

Change = Callable[[S], tuple[R, Notice | None]]
"""Changes what is stored; returns its result, and whom to tell."""


class StoredWorld(ABC, Generic[S, T]):
    """
    A world that keeps a store.

    Args:
        url: of the world, for messages.
        tables: the modules of the back end.
        times: what they know the time by.
    """

    def __init__(self, url: str, tables: Tables[S, T], times: T) -> None:
        self._url = url
        self._tables = tables
        self._times = times

    @property
    def url(self) -> str:
        return self._url

    @property
    @abstractmethod
    def clock(self) -> Clock: ...

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    # What a back end brings

    @abstractmethod
    def _operate(self, begin: Begin[R], about: str) -> Awaitable[R]:
        """Carry an operation out in one transaction, which *about* names in errors, and tell listeners behind it."""

    def _operate_on(self, run_id: str, begin: Begin[R], about: str) -> Awaitable[R]:
        """Carry an operation out that hardly ever locks more than one run: it may share a transaction with others."""
        return self._operate(begin, about)

    @abstractmethod
    def _write(self, change: Change[S, R], about: str) -> Awaitable[R]:
        """Do the same with a function of the store."""

    @abstractmethod
    def _read(self, read: Callable[[S], R], about: str) -> Awaitable[R]:
        """Answer the engine from what is stored at one moment."""

    @abstractmethod
    def _query(self, read: Callable[[S], R], about: str) -> Awaitable[R]:
        """Answer people, without delay for the engine."""

    @abstractmethod
    def _converse(self, store: S, conversation: Conversation[R]) -> R:
        """Carry on a conversation that only asks."""

    def _operate_at_once(self, begin: Begin[R], about: str) -> tuple[R] | None:
        """Carry an operation out in the calling thread, if nobody is waited for; see :meth:`commit_at_once`."""
        return None

    def _hand_in(self, run_id: str, begin: Begin[R], about: str, stored: asyncio.Future[R]) -> bool:
        """Take an operation from any thread, if that can be; see :meth:`hand_in`."""
        return False

    # Runs

    async def create_run(self, new: NewRun) -> Run:
        about = f"creation of run {new.id}"
        if tenant_of(new.id):  # its tenant is locked, too
            return await self._operate(lambda now: operations.create(new, now, self._url), about)
        return await self._operate_on(new.id, lambda now: operations.create(new, now, self._url), about)

    async def fork_run(self, fork: NewFork) -> Run:
        return await self._operate(lambda now: forking.fork(fork, now, self._url), f"fork {fork.new.id}")

    async def get_run(self, run_id: str) -> Run:
        return await self._read(lambda store: self._tables.reads.run(store, run_id), f"reading of run {run_id}")

    async def cancel_run(self, run_id: str, reason: str, *, force: bool = False) -> Run:
        return await self._operate(
            lambda now: operations.cancel(run_id, reason, now, self._url, force=force),
            f"cancellation of run {run_id}",
        )

    async def retry_run(self, run_id: str, since: int | None = None) -> Run:
        return await self._operate(
            lambda now: operations.retry(run_id, since, now, self._url), f"retrying of run {run_id}"
        )

    async def pause_run(self, run_id: str) -> Run:
        return await self._operate(
            lambda now: operations.pause(run_id, True, now, self._url), f"pausing of run {run_id}"
        )

    async def unpause_run(self, run_id: str) -> Run:
        return await self._operate(
            lambda now: operations.pause(run_id, False, now, self._url), f"unpausing of run {run_id}"
        )

    async def wake_up(self, run_id: str, wait_ids: Collection[str] | None = None) -> tuple[str, ...]:
        return await self._operate(
            lambda now: operations.wake_up(run_id, wait_ids, now, self._url), f"waking up of run {run_id}"
        )

    async def set_attributes(self, run_id: str, attributes: Attributes) -> Run:
        return await self._operate(
            lambda now: operations.set_attributes(run_id, attributes, now, self._url), f"attributes of run {run_id}"
        )

    async def resolve_step(self, run_id: str, step_id: str, event: Event) -> Run:
        return await self._operate(
            lambda now: operations.resolve_step(run_id, step_id, event, now, self._url),
            f"resolving of step {step_id} of run {run_id}",
        )

    async def archive(self, run_id: str, through: int) -> Run:
        return await self._operate(
            lambda _: operations.archive(run_id, through, self._url), f"archiving of the log of run {run_id}"
        )

    async def delete_run(self, run_id: str, *, keep_name: bool = False, rows_max: int = DELETED_ROWS_MAX) -> bool:
        return await self._operate_on(
            run_id, lambda _: erasing.delete(run_id, keep_name, rows_max, self._url), f"deletion of run {run_id}"
        )

    # Log

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        return await self._read(
            lambda store: self._tables.reads.events(store, run_id, after, limit),
            f"reading of the log of run {run_id}",
        )

    async def log_entries(self, run_id: str, *, after: int | None = None) -> list[LogEntry]:
        return await self._read(
            lambda store: self._tables.reads.lines(store, run_id, after), f"reading of the log lines of run {run_id}"
        )

    # Snapshots

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return await self._read(
            lambda store: self._tables.reads.snapshot(store, run_id), f"reading of the snapshot of run {run_id}"
        )

    async def delete_snapshot(self, run_id: str) -> None:
        await self._operate(
            lambda _: operations.forget_snapshot(run_id, self._url), f"deletion of the snapshot of run {run_id}"
        )

    # Hooks and messages

    async def hook(self, token: str) -> Hook:
        return await self._read(
            lambda store: self._converse(store, operations.hook_of(token)), f"reading of hook {token!r}"
        )

    async def resume_hook(self, token: str, payload: bytes, resume_id: str, *, run_id: str | None = None) -> str:
        return await self._operate(
            lambda now: operations.resume(token, payload, resume_id, now, self._url, run_id),
            f"resumption of hook {token!r}",
        )

    async def resumed(self, token: str, resume_id: str) -> str:
        return await self._read(
            lambda store: self._converse(store, operations.resumed(token, resume_id)), f"reading of hook {token!r}"
        )

    async def send(self, run_id: str, name: str, payload: bytes, message_id: str) -> Run:
        return await self._operate_on(
            run_id,
            lambda now: operations.send(run_id, name, payload, message_id, now, self._url),
            f"sending to run {run_id}",
        )

    # Blobs

    async def put_blob(self, key: str, data: bytes) -> None:
        most = self.capabilities.blob_bytes_max
        if len(data) > most:
            raise LimitExceededError(
                f"blob {key} has {len(data)} bytes, world {self._url} stores up to {most}; split it"
            )
        await self._write(lambda store: self._tables.blobs.put(store, key, data), f"storing of blob {key}")

    async def blob(self, key: str) -> bytes | None:
        return await self._read(lambda store: self._tables.blobs.get(store, key), f"reading of blob {key}")

    async def has_blob(self, key: str) -> bool:
        return await self._read(lambda store: self._tables.blobs.has(store, key), f"search for blob {key}")

    async def delete_blob(self, key: str) -> None:
        await self._write(lambda store: self._tables.blobs.delete(store, key), f"deletion of blob {key}")

    async def blob_sizes(self, prefix: str) -> dict[str, int]:
        return await self._query(lambda store: self._tables.blobs.sizes(store, prefix), f"listing of blobs {prefix}*")

    # Queue

    async def register(self, worker: WorkerRow) -> None:
        await self._write(
            lambda store: self._tables.workers.register(store, worker, self._times),
            f"registration of worker {worker.id}",
        )

    async def heartbeat(self, worker_id: str) -> Heartbeat:
        return await self._write(
            lambda store: self._tables.workers.heartbeat(store, worker_id, self._times),
            f"heartbeat of worker {worker_id}",
        )

    async def release(self, worker_ids: Sequence[str], *, expired_only: bool = False) -> int:
        names = tuple(worker_ids)
        return await self._write(
            lambda store: self._tables.workers.release(store, names, self._times, expired_only=expired_only),
            f"release of workers {', '.join(names)}",
        )

    async def claim(self, request: ClaimRequest) -> Claims:
        return await self._write(
            lambda store: self._tables.queue.claim(store, request, self._times), f"claim of worker {request.worker_id}"
        )

    # Queues with limits

    async def set_queue(self, app: str, name: str, limits: Limits) -> None:
        await self._write(
            lambda store: self._tables.flow.set_limits(store, app, name, limits),
            f"setting of the limits of queue {name!r}",
        )

    async def delete_queue(self, app: str, name: str) -> None:
        await self._write(
            lambda store: self._tables.flow.delete(store, app, name), f"deletion of the limits of queue {name!r}"
        )

    async def queues(self, app: str | None = None) -> list[QueueInfo]:
        return await self._query(lambda store: self._tables.flow.all_of(store, app), "listing of queues")

    async def ahead_of(self, run_id: str) -> int | None:
        return await self._query(
            lambda store: self._tables.flow.ahead_of(store, run_id),
            f"search for the place of run {run_id} in its queue",
        )

    # Tenants

    async def put_tenant(self, tenant: Tenant) -> Tenant:
        return await self._operate(lambda now: tenants.put(tenant, now), f"storing of tenant {tenant.name!r}")

    async def tenant(self, name: str) -> TenantInfo:
        found = await self._read(lambda store: self._tables.tenants.info(store, name), f"reading of tenant {name!r}")
        if found is None:
            raise refusals.tenant_not_found(name, self._url)
        return found

    async def tenants(self, app: str | None = None) -> list[TenantInfo]:
        return await self._query(lambda store: self._tables.tenants.all_of(store, app), "listing of tenants")

    async def delete_tenant(self, name: str) -> None:
        await self._operate(lambda _: tenants.delete(name, self._url), f"deletion of tenant {name!r}")

    # Turns

    async def load(self, run_id: str) -> RunState:
        return await self._read(lambda store: self._tables.reads.state(store, run_id), f"loading of run {run_id}")

    async def commit(self, commit: Commit, held: Entities | None = None) -> Committed:
        return await self._operate_on(
            commit.run_id,
            lambda now: operations.commit(commit, held, now, self._url),
            f"commit of run {commit.run_id}",
        )

    def commit_at_once(self, commit: Commit, held: Entities) -> Committed | None:
        stored = self._operate_at_once(
            lambda now: operations.commit(commit, held, now, self._url), f"commit of run {commit.run_id}"
        )
        return None if stored is None else stored[0]

    def hand_in(self, commit: Commit, held: Entities, stored: asyncio.Future[Committed]) -> bool:
        return self._hand_in(
            commit.run_id,
            lambda now: operations.commit(commit, held, now, self._url),
            f"commit of run {commit.run_id}",
            stored,
        )

    async def snooze(self, run_id: str, worker_id: str, epoch: int, *, delay_ms: int, why: str) -> None:
        await self._operate(
            lambda now: operations.snooze(run_id, worker_id, epoch, now + delay_ms, why, self._url),
            f"snooze of run {run_id}",
        )

    async def finish_step(self, outcome: StepOutcome) -> Finished:
        about = f"outcome of step {outcome.step_id} of run {outcome.run_id}"

        def finish(now: int) -> Operation[Finished]:
            return operations.finish_step(outcome, now, self._url)

        if outcome.spent:  # its queue is locked, too
            return await self._operate(finish, about)
        return await self._operate_on(outcome.run_id, finish, about)

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
        await self._operate(
            lambda now: operations.snooze_step(
                run_id, step_id, worker_id, epoch, now + delay_ms, why, place, self._url
            ),
            f"snooze of step {step_id} of run {run_id}",
        )

    async def keep_progress(self, run_id: str, step_id: str, attempt: int, progress: bytes) -> None:
        await self._operate(
            lambda _: operations.keep_progress(run_id, step_id, attempt, progress, self._url),
            f"progress of step {step_id} of run {run_id}",
        )

    # Streams

    async def write_stream(self, batch: StreamBatch) -> Stream:
        return await self._operate(
            lambda now: operations.write_stream(batch, now, self._url),
            f"writing of stream {batch.name} of run {batch.run_id}",
        )

    async def read_stream(
        self, run_id: str, name: str, *, start: int = 0, limit: int | None = None, bytes_max: int | None = None
    ) -> StreamPage:
        return await self._query(
            lambda store: self._tables.streams.page(store, run_id, name, start, limit, bytes_max),
            f"reading of stream {name} of run {run_id}",
        )

    async def streams(self, run_id: str) -> list[Stream]:
        return await self._query(
            lambda store: self._tables.streams.of_run(store, run_id), f"listing of the streams of run {run_id}"
        )

    # Parcels

    async def parcel(self, run_id: str) -> Parcel:
        return await self._query(lambda store: self._tables.parcels.parcel(store, run_id), f"packing of run {run_id}")

    async def put_parcel(self, parcel: Parcel, *, paused: bool = False) -> Run:
        return await self._operate(
            lambda now: arriving.arrive(parcel, paused, now, self._url), f"arrival of run {parcel.run.id}"
        )

    async def leave(self, run_id: str, where: str) -> Run:
        return await self._operate(lambda _: arriving.leave(run_id, where, self._url), f"leaving of run {run_id}")

    async def stay(self, run_id: str) -> Run:
        return await self._operate(lambda now: arriving.stay(run_id, now, self._url), f"staying of run {run_id}")

    async def left(self, run_id: str) -> Run:
        return await self._operate(lambda _: arriving.left(run_id, self._url), f"departure of run {run_id}")

    # Deployments

    async def put_deployment(self, deployment: Deployment) -> None:
        await self._write(
            lambda store: self._tables.workers.put_deployment(store, deployment, self._times),
            f"storing of deployment {deployment.id}",
        )

    async def deployments(self, app: str | None = None) -> list[Deployment]:
        return await self._read(lambda store: self._tables.workers.deployments(store, app), "reading of deployments")

    # Schedules

    async def put_schedule(self, schedule: Schedule) -> Schedule:
        return await self._operate(lambda now: firing.put(schedule, now), f"storing of schedule {schedule.name!r}")

    async def schedule(self, app: str, name: str) -> Schedule:
        return await self._read(
            lambda store: self._tables.schedules.existing(store, app, name), f"reading of schedule {name!r}"
        )

    async def schedules(self, app: str | None = None) -> list[Schedule]:
        return await self._query(lambda store: self._tables.schedules.all_of(store, app), "listing of schedules")

    async def delete_schedule(self, app: str, name: str) -> None:
        await self._operate(lambda _: firing.delete(app, name, self._url), f"deletion of schedule {name!r}")

    async def due_schedules(self, apps: Sequence[str], *, limit: int = 50) -> DueSchedules:
        return await self._read(
            lambda store: self._tables.schedules.due(store, apps, limit, self.clock.now()), "search for due schedules"
        )

    async def fire(self, wanted: Firing) -> Fired:
        return await self._operate(
            lambda now: firing.fire(wanted, now, self._url), f"firing of schedule {wanted.schedule.name!r}"
        )

    # Queries

    async def list_runs(self, where: RunFilter) -> list[Run]:
        return await self._query(lambda store: self._tables.queries.list_runs(store, where), "listing of runs")

    async def runs_beginning_with(self, prefix: str, *, limit: int = 50) -> list[Run]:
        return await self._query(
            lambda store: self._tables.queries.runs_beginning_with(store, prefix, limit=limit),
            f"search for runs {prefix}…",
        )

    async def open_entities(self, run_id: str) -> Entities:
        return await self._query(
            lambda store: self._tables.queries.open_entities(store, run_id), f"reading of what is open in run {run_id}"
        )

    async def open_entities_of(self, run_ids: Collection[str]) -> dict[str, Entities]:
        return await self._query(
            lambda store: self._tables.queries.open_entities_of(store, run_ids),
            f"reading of what is open in {len(run_ids)} runs",
        )

    async def live_hooks(self, *, limit: int = 50, before: str | None = None) -> list[Hook]:
        return await self._query(
            lambda store: self._tables.queries.live_hooks(store, limit=limit, before=before), "listing of hooks"
        )

    async def waiting_steps(self) -> list[WaitingSteps]:
        return await self._query(
            lambda store: self._tables.queries.waiting_steps(store, self.clock.now()), "listing of waiting steps"
        )

    async def programs_in_use(self) -> list[ProgramUse]:
        return await self._query(self._tables.queries.programs_in_use, "listing of programs in use")

    async def snoozed_runs(self, *, limit: int = 50) -> list[Run]:
        return await self._query(
            lambda store: self._tables.queries.snoozed_runs(store, limit=limit), "listing of snoozed runs"
        )

    async def workers(self) -> list[WorkerRow]:
        return await self._query(lambda store: self._tables.workers.all_of(store, self._times), "listing of workers")

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        return await self._query(
            lambda store: self._tables.queries.runs_by_key(store, live=live), "counting of runs by key"
        )

    async def programs_kept(self) -> set[tuple[str, str]]:
        return await self._query(self._tables.queries.programs_kept, "listing of the programs of all runs")

    async def ended_runs(self, where: EndedFilter) -> list[Run]:
        return await self._query(lambda store: self._tables.pruning.ended_runs(store, where), "search for ended runs")

    async def long_logs(self, where: LongLogs) -> list[Run]:
        return await self._query(lambda store: self._tables.pruning.long_logs(store, where), "search for long logs")

    async def images_in_use(self) -> set[ImageUse]:
        return await self._query(self._tables.queries.images_in_use, "listing of images in use")

    async def damaged(self) -> list[DamagedError]:
        return await self._query(
            lambda store: self._tables.examination.damaged(store, self._times), "examination of rows"
        )

    async def statuses(self, run_ids: Collection[str], *, ended: bool = False) -> dict[str, Run]:
        return await self._query(lambda store: self._tables.queries.statuses(store, run_ids, ended), "reading of runs")
