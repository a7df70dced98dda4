"""
What a back end answers beside conversations: each part of the contract is a module, of functions of a store.

A back end hands its modules to :class:`~torpor.worlds.stored.StoredWorld` as one :class:`Tables`. ``S`` is its store,
within a transaction or one moment, and ``T`` what it knows the time by.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from torpor.errors import DamagedError
from torpor.model import (
    ClaimRequest,
    Claims,
    Deployment,
    EndedFilter,
    Entities,
    Event,
    Heartbeat,
    Hook,
    ImageUse,
    LogEntry,
    LongLogs,
    Notice,
    Parcel,
    ProgramUse,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    Stream,
    StreamPage,
    WaitingSteps,
    WorkerRow,
)
from torpor.model.flow import Limits, QueueInfo
from torpor.model.schedules import DueSchedules, Schedule
from torpor.model.tenants import TenantInfo

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Reads(Protocol[S_contra]):
    """Of one run; see :class:`torpor.world.Runs`, :class:`torpor.world.Log` and :class:`torpor.world.Turns`."""

    def run(self, store: S_contra, run_id: str, /) -> Run: ...
    def events(self, store: S_contra, run_id: str, after: int, limit: int | None, /) -> list[Event]: ...
    def lines(self, store: S_contra, run_id: str, after: int | None, /) -> list[LogEntry]: ...
    def snapshot(self, store: S_contra, run_id: str, /) -> Snapshot | None: ...
    def state(self, store: S_contra, run_id: str, /) -> RunState: ...


class Blobs(Protocol[S_contra]):
    """See :class:`torpor.world.Blobs`."""

    def put(self, store: S_contra, key: str, data: bytes, /) -> tuple[None, None]: ...
    def get(self, store: S_contra, key: str, /) -> bytes | None: ...
    def has(self, store: S_contra, key: str, /) -> bool: ...
    def delete(self, store: S_contra, key: str, /) -> tuple[None, None]: ...
    def sizes(self, store: S_contra, prefix: str, /) -> dict[str, int]: ...


class Queue(Protocol[S_contra, T_contra]):
    """See :class:`torpor.world.Queue`."""

    def claim(self, store: S_contra, request: ClaimRequest, times: T_contra, /) -> tuple[Claims, Notice | None]: ...


class Workers(Protocol[S_contra, T_contra]):
    """See :class:`torpor.world.Queue` and :class:`torpor.world.Deployments`."""

    def register(self, store: S_contra, worker: WorkerRow, times: T_contra, /) -> tuple[None, None]: ...
    def heartbeat(self, store: S_contra, worker_id: str, times: T_contra, /) -> tuple[Heartbeat, Notice | None]: ...
    def release(
        self, store: S_contra, worker_ids: Sequence[str], times: T_contra, /, *, expired_only: bool
    ) -> tuple[int, Notice | None]: ...
    def all_of(self, store: S_contra, times: T_contra, /) -> list[WorkerRow]: ...
    def put_deployment(self, store: S_contra, deployment: Deployment, times: T_contra, /) -> tuple[None, None]: ...
    def deployments(self, store: S_contra, app: str | None, /) -> list[Deployment]: ...


class Flow(Protocol[S_contra]):
    """See :class:`torpor.world.Queues`."""

    def set_limits(self, store: S_contra, app: str, name: str, limits: Limits, /) -> tuple[None, Notice]: ...
    def delete(self, store: S_contra, app: str, name: str, /) -> tuple[None, Notice]: ...
    def all_of(self, store: S_contra, app: str | None, /) -> list[QueueInfo]: ...
    def ahead_of(self, store: S_contra, run_id: str, /) -> int | None: ...


class Streams(Protocol[S_contra]):
    """See :class:`torpor.world.Streams`."""

    def page(
        self, store: S_contra, run_id: str, name: str, start: int, limit: int | None, bytes_max: int | None, /
    ) -> StreamPage: ...
    def of_run(self, store: S_contra, run_id: str, /) -> list[Stream]: ...


class Parcels(Protocol[S_contra]):
    """See :class:`torpor.world.Parcels`."""

    def parcel(self, store: S_contra, run_id: str, /) -> Parcel: ...


class Schedules(Protocol[S_contra]):
    """See :class:`torpor.world.Schedules`."""

    def existing(self, store: S_contra, app: str, name: str, /) -> Schedule: ...
    def all_of(self, store: S_contra, app: str | None, /) -> list[Schedule]: ...
    def due(self, store: S_contra, apps: Sequence[str], limit: int, now: int, /) -> DueSchedules: ...


class Tenants(Protocol[S_contra]):
    """See :class:`torpor.world.Tenants`."""

    def info(self, store: S_contra, name: str, /) -> TenantInfo | None: ...
    def all_of(self, store: S_contra, app: str | None, /) -> list[TenantInfo]: ...


class Pruning(Protocol[S_contra]):
    """See :meth:`torpor.world.Queries.ended_runs`."""

    def ended_runs(self, store: S_contra, where: EndedFilter, /) -> list[Run]: ...
    def long_logs(self, store: S_contra, where: LongLogs, /) -> list[Run]: ...


class Examination(Protocol[S_contra, T_contra]):
    """See :meth:`torpor.world.Queries.damaged`."""

    def damaged(self, store: S_contra, times: T_contra, /) -> list[DamagedError]: ...


class Queries(Protocol[S_contra]):
    """See :class:`torpor.world.Queries`."""

    def list_runs(self, store: S_contra, where: RunFilter, /) -> list[Run]: ...
    def runs_beginning_with(self, store: S_contra, prefix: str, /, *, limit: int) -> list[Run]: ...
    def open_entities(self, store: S_contra, run_id: str, /) -> Entities: ...
    def open_entities_of(self, store: S_contra, run_ids: Collection[str], /) -> dict[str, Entities]: ...
    def live_hooks(self, store: S_contra, /, *, limit: int, before: str | None) -> list[Hook]: ...
    def waiting_steps(self, store: S_contra, now: int, /) -> list[WaitingSteps]: ...
    def programs_in_use(self, store: S_contra, /) -> list[ProgramUse]: ...
    def snoozed_runs(self, store: S_contra, /, *, limit: int) -> list[Run]: ...
    def runs_by_key(self, store: S_contra, /, *, live: bool) -> dict[str, int]: ...
    def images_in_use(self, store: S_contra, /) -> set[ImageUse]: ...
    def programs_kept(self, store: S_contra, /) -> set[tuple[str, str]]: ...
    def statuses(self, store: S_contra, run_ids: Collection[str], ended: bool, /) -> dict[str, Run]: ...


@dataclass(frozen=True)
class Tables(Generic[S, T]):
    """The modules of a back end."""

    reads: Reads[S]
    blobs: Blobs[S]
    queue: Queue[S, T]
    workers: Workers[S, T]
    flow: Flow[S]
    streams: Streams[S]
    parcels: Parcels[S]
    schedules: Schedules[S]
    tenants: Tenants[S]
    pruning: Pruning[S]
    examination: Examination[S, T]
    queries: Queries[S]
