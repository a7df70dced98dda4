"""The memory world: every operation is one synchronous change of a store, so each is atomic."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.attributes import Attributes
from torpor.clock import Clock, SystemClock
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
    Heartbeat,
    Hook,
    ImageUse,
    LogEntry,
    LongLogs,
    NewRun,
    Notice,
    ProgramUse,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    Step,
    StepOutcome,
    Stream,
    StreamBatch,
    StreamPage,
    Task,
    WaitingSteps,
    WorkerRow,
)
from torpor.model.flow import Limits, Place, QueueInfo
from torpor.model.schedules import DueSchedules, Fired, Firing, Schedule
from torpor.world import Capabilities, Unsubscribe
from torpor.worlds import claims, erasing, firing, operations
from torpor.worlds.flow import Waiting
from torpor.worlds.memory import flow, queries, schedules, streams
from torpor.worlds.memory.flow import Lanes
from torpor.worlds.memory.store import Rows, Store
from torpor.worlds.notifier import Listener
from torpor.worlds.requests import Operation, converse

T = TypeVar("T")

_CAPABILITIES: Final = Capabilities(durable=False, shared=False, listen_ms=0, blob_bytes_max=sys.maxsize)
_STORES: Final[dict[str, Store]] = {}


class MemoryWorld:
    """
    A world in the process's own memory, gone with it.

    Args:
        url: ``memory://`` is a store of its own, ``memory://name`` one that all worlds of that name in the process
            share, for as long as the process lives.
        clock: decides about time; the machine's by default.
        store: what it keeps its runs in, shared with whoever else has it; else the one that *url* says.
    """

    def __init__(self, url: str = "memory://", clock: Clock | None = None, store: Store | None = None) -> None:
        name = url.removeprefix("memory://")
        self._url = url
        self._clock = clock or SystemClock()
        self._store = store or (_STORES.setdefault(name, Store(url)) if name else Store(url))

    @property
    def url(self) -> str:
        return self._url

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        """Do nothing: the store is there."""

    async def close(self) -> None:
        """Do nothing: the store stays as long as somebody holds it."""

    def subscribe(self, listener: Listener) -> Unsubscribe:
        return self._store.notifier.subscribe(listener)

    # Runs

    async def create_run(self, new: NewRun) -> Run:
        return self._carry_out(operations.create(new, self._clock.now(), self._url))

    async def get_run(self, run_id: str) -> Run:
        return self._read(lambda store: store.existing(run_id).run)

    async def cancel_run(self, run_id: str, reason: str, *, force: bool = False) -> Run:
        return self._carry_out(operations.cancel(run_id, reason, self._clock.now(), self._url, force=force))

    async def retry_run(self, run_id: str, since: int | None = None) -> Run:
        return self._carry_out(operations.retry(run_id, since, self._clock.now(), self._url))

    async def pause_run(self, run_id: str) -> Run:
        return self._carry_out(operations.pause(run_id, True, self._clock.now(), self._url))

    async def unpause_run(self, run_id: str) -> Run:
        return self._carry_out(operations.pause(run_id, False, self._clock.now(), self._url))

    async def wake_up(self, run_id: str, wait_ids: Collection[str] | None = None) -> tuple[str, ...]:
        return self._carry_out(operations.wake_up(run_id, wait_ids, self._clock.now(), self._url))

    async def set_attributes(self, run_id: str, attributes: Attributes) -> Run:
        return self._carry_out(operations.set_attributes(run_id, attributes, self._clock.now(), self._url))

    async def resolve_step(self, run_id: str, step_id: str, event: Event) -> Run:
        return self._carry_out(operations.resolve_step(run_id, step_id, event, self._clock.now(), self._url))

    async def archive(self, run_id: str, through: int) -> Run:
        return self._carry_out(operations.archive(run_id, through, self._url))

    async def delete_run(self, run_id: str, *, keep_name: bool = False, rows_max: int = DELETED_ROWS_MAX) -> bool:
        return self._carry_out(erasing.delete(run_id, keep_name, rows_max, self._url))

    # Log and snapshots

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        return self._read(lambda store: store.existing(run_id).events(after)[:limit])

    async def log_entries(self, run_id: str, *, after: int | None = None) -> list[LogEntry]:
        lines = self._read(lambda store: sorted(store.existing(run_id).lines.items()))
        return [line for n, line in lines if after is None or n > after]

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return self._read(lambda store: store.existing(run_id).snapshot)

    async def delete_snapshot(self, run_id: str) -> None:
        self._carry_out(operations.forget_snapshot(run_id, self._url))

    # Hooks and messages

    async def send(self, run_id: str, name: str, payload: bytes, message_id: str) -> Run:
        return self._carry_out(operations.send(run_id, name, payload, message_id, self._clock.now(), self._url))

    async def hook(self, token: str) -> Hook:
        return self._read(lambda store: converse(operations.hook_of(token), store.answer))

    async def resume_hook(self, token: str, payload: bytes, resume_id: str, *, run_id: str | None = None) -> str:
        return self._carry_out(
            operations.resume(token, payload, resume_id, self._clock.now(), self._url, run_id=run_id)
        )

    async def resumed(self, token: str, resume_id: str) -> str:
        return self._read(lambda store: converse(operations.resumed(token, resume_id), store.answer))

    # Blobs

    async def put_blob(self, key: str, data: bytes) -> None:
        self._store.blobs[key] = bytes(data)

    async def blob(self, key: str) -> bytes | None:
        return self._store.blobs.get(key)

    async def has_blob(self, key: str) -> bool:
        return key in self._store.blobs

    async def delete_blob(self, key: str) -> None:
        self._store.blobs.pop(key, None)

    async def blob_sizes(self, prefix: str) -> dict[str, int]:
        blobs = self._read(lambda store: sorted(store.blobs.items()))
        return {key: len(data) for key, data in blobs if key.startswith(prefix)}

    # Queue

    async def register(self, worker: WorkerRow) -> None:
        with self._store.lock:
            self._store.workers[worker.id] = replace(worker, seen_at=self._clock.now(), silent_ms=0)
            self._store.beats[worker.id] = self._clock.steady()

    async def heartbeat(self, worker_id: str) -> Heartbeat:
        store = self._store
        with store.lock:
            everybody = {worker.id: worker for worker in self._all_workers()}
            me = everybody.pop(worker_id, None)
            known = me is not None
            if known:
                store.workers[worker_id] = replace(store.workers[worker_id], seen_at=self._clock.now())
                store.beats[worker_id] = self._clock.steady()
            strangers = [owner for owner in store.claims if owner not in store.workers]
            orphans = sum(store.release(owner, self._clock.now()) for owner in strangers)
        self._expire(self._clock.now())
        self._tell_released(orphans)
        return Heartbeat(known, tuple(everybody.values()), orphans)

    async def release(self, worker_ids: Sequence[str], *, expired_only: bool = False) -> int:
        store = self._store
        with store.lock:
            alive = {worker.id for worker in self._all_workers() if not worker.expired} if expired_only else set()
            gone = [worker_id for worker_id in worker_ids if worker_id not in alive]
            released = sum(store.release(worker_id, self._clock.now()) for worker_id in gone)
            for worker_id in gone:
                store.workers.pop(worker_id, None)
                store.beats.pop(worker_id, None)
        self._tell_released(released)
        return released

    async def claim(self, request: ClaimRequest) -> Claims:
        store, now = self._store, self._clock.now()
        self._expire(now)
        with store.lock:
            if not any(worker.id == request.worker_id for worker in self._all_workers()):
                return Claims(known=False)
            deadlines = [at for at in (*store.deadlines.values(), *store.giving_up.values()) if at > now]
            lanes = Lanes(store, request.worker_id, now)
            turns, turns_at = _choose(
                now,
                request.turns_max,
                [
                    (rows.run.ready_at, (-rows.run.priority, rows.run.queued_at, rows.n), rows, _lane_of_turn(rows.run))
                    for rows in store.ready_turns()
                    if claims.fits_turn(request, rows.run)
                ],
                lanes,
            )
            steps, steps_at = _choose(
                now,
                request.steps_max,
                [
                    (
                        step.ready_at,
                        (-rows.run.priority, step.queued_at, rows.n, step.seq),
                        (rows, step),
                        _lane_of_step(rows.run, step),
                    )
                    for rows, step in store.ready_steps()
                    if claims.fits_step(request, rows.run, step)
                ],
                lanes,
            )
            tasks = [self._claim_turn(rows, request.worker_id, lanes) for rows in turns]
            tasks += [self._claim_step(rows, step, request, now, lanes) for rows, step in steps]
            retry_at = lanes.save()
        full = 0 < request.turns_max == len(turns) or 0 < request.steps_max == len(steps)
        later = turns_at + steps_at + deadlines + ([] if retry_at is None else [retry_at])
        return Claims(tasks, None if full else min(later, default=None))

    # Queues with limits

    async def set_queue(self, app: str, name: str, limits: Limits) -> None:
        self._read(lambda store: flow.set_limits(store, app, name, limits))
        self._store.notifier.notify(Notice(None, work=True))

    async def delete_queue(self, app: str, name: str) -> None:
        self._read(lambda store: store.queues.pop((app, name), None))
        self._store.notifier.notify(Notice(None, work=True))

    async def queues(self, app: str | None = None) -> list[QueueInfo]:
        return self._read(lambda store: flow.all_of(store, app))

    async def ahead_of(self, run_id: str) -> int | None:
        return self._read(lambda store: flow.ahead_of(store, run_id))

    # Turns

    async def load(self, run_id: str) -> RunState:
        with self._store.lock:
            rows = self._store.existing(run_id)
            steps = [replace(step, input=None if step.task else rows.input_of(step)) for step in rows.steps.values()]
            newest = rows.snapshot
            return RunState(rows.entities(steps), newest, rows.events(newest.cursor if newest else 0))

    async def commit(self, commit: Commit, held: Entities | None = None) -> Committed:
        return self._carry_out(operations.commit(commit, held, self._clock.now(), self._url))

    def commit_at_once(self, commit: Commit, held: Entities) -> Committed | None:
        return None  # all that is stored here is the event loop's

    def hand_in(self, commit: Commit, held: Entities, stored: asyncio.Future[Committed]) -> bool:
        return False

    async def snooze(self, run_id: str, worker_id: str, epoch: int, *, delay_ms: int, why: str) -> None:
        until = self._clock.now() + delay_ms
        self._carry_out(operations.snooze(run_id, worker_id, epoch, until, why, self._url))

    async def finish_step(self, outcome: StepOutcome) -> None:
        self._carry_out(operations.finish_step(outcome, self._clock.now(), self._url))

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
        until = self._clock.now() + delay_ms
        self._carry_out(operations.snooze_step(run_id, step_id, worker_id, epoch, until, why, place, self._url))

    async def keep_progress(self, run_id: str, step_id: str, attempt: int, progress: bytes) -> None:
        self._carry_out(operations.keep_progress(run_id, step_id, attempt, progress, self._url))

    # Streams

    async def write_stream(self, batch: StreamBatch) -> Stream:
        return self._carry_out(operations.write_stream(batch, self._clock.now(), self._url))

    async def read_stream(
        self, run_id: str, name: str, *, start: int = 0, limit: int | None = None, bytes_max: int | None = None
    ) -> StreamPage:
        return self._read(lambda store: streams.page(store.existing(run_id), name, start, limit, bytes_max))

    async def streams(self, run_id: str) -> list[Stream]:
        rows = self._read(lambda store: list(store.existing(run_id).streams.values()))
        return sorted((each.stream for each in rows), key=lambda stream: stream.name)

    # Deployments

    async def put_deployment(self, deployment: Deployment) -> None:
        store = self._store
        with store.lock:
            stored = store.deployments.pop(deployment.id, None)
            created_at = stored.created_at if stored else self._clock.now()
            store.deployments[deployment.id] = replace(deployment, created_at=created_at)
            ids = [each.id for each in store.deployments.values() if each.app == deployment.app]
            for old in claims.outdated(ids[::-1], {worker.deployment for worker in store.workers.values()}):
                del store.deployments[old]

    async def deployments(self, app: str | None = None) -> list[Deployment]:
        newest_first = self._read(lambda store: list(reversed(store.deployments.values())))
        return [deployment for deployment in newest_first if app is None or deployment.app == app]

    # Schedules

    async def put_schedule(self, schedule: Schedule) -> Schedule:
        return self._carry_out(firing.put(schedule, self._clock.now()))

    async def schedule(self, app: str, name: str) -> Schedule:
        return self._read(lambda store: converse(firing.existing(app, name, self._url), store.answer))

    async def schedules(self, app: str | None = None) -> list[Schedule]:
        return self._read(lambda store: schedules.all_of(store, app))

    async def delete_schedule(self, app: str, name: str) -> None:
        self._carry_out(firing.delete(app, name, self._url))

    async def due_schedules(self, apps: Sequence[str], *, limit: int = 50) -> DueSchedules:
        return self._read(lambda store: schedules.due(store, apps, limit, self._clock.now()))

    async def fire(self, wanted: Firing) -> Fired:
        return self._carry_out(firing.fire(wanted, self._clock.now(), self._url))

    # Queries

    async def list_runs(self, where: RunFilter) -> list[Run]:
        return self._read(lambda store: queries.list_runs(store, where))

    async def runs_beginning_with(self, prefix: str, *, limit: int = 50) -> list[Run]:
        return self._read(lambda store: queries.runs_beginning_with(store, prefix, limit))

    async def open_entities(self, run_id: str) -> Entities:
        return self._read(lambda store: queries.open_entities(store, run_id))

    async def open_entities_of(self, run_ids: Collection[str]) -> dict[str, Entities]:
        return self._read(lambda store: queries.open_entities_of(store, run_ids))

    async def live_hooks(self, *, limit: int = 50, before: str | None = None) -> list[Hook]:
        return self._read(lambda store: queries.live_hooks(store, limit, before))

    async def waiting_steps(self) -> list[WaitingSteps]:
        return self._read(lambda store: queries.waiting_steps(store, self._clock.now()))

    async def programs_in_use(self) -> list[ProgramUse]:
        return self._read(queries.programs_in_use)

    async def snoozed_runs(self, *, limit: int = 50) -> list[Run]:
        return self._read(lambda store: queries.snoozed_runs(store, limit))

    async def workers(self) -> list[WorkerRow]:
        return self._read(lambda _: self._all_workers())

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        return self._read(lambda store: queries.runs_by_key(store, live))

    async def damaged(self) -> list[DamagedError]:
        return []

    async def programs_kept(self) -> set[tuple[str, str]]:
        return self._read(queries.programs_kept)

    async def ended_runs(self, where: EndedFilter) -> list[Run]:
        return self._read(lambda store: queries.ended_runs(store, where))

    async def long_logs(self, where: LongLogs) -> list[Run]:
        return self._read(lambda store: queries.long_logs(store, where))

    async def images_in_use(self) -> set[ImageUse]:
        return self._read(queries.images_in_use)

    async def statuses(self, run_ids: Collection[str]) -> dict[str, Run]:
        return self._read(lambda store: queries.statuses(store, run_ids))

    # Within

    def _carry_out(self, operation: Operation[T]) -> T:
        with self._store.lock:
            result, notice = converse(operation, self._store.answer)
        if notice is not None:
            self._store.notifier.notify(notice)
        return result

    def _read(self, query: Callable[[Store], T]) -> T:
        with self._store.lock:
            return query(self._store)

    def _claim_turn(self, rows: Rows, worker_id: str, lanes: Lanes) -> Task:
        lanes.claimed(rows.run)
        asleep = flow.state_of(self._store, (rows.run.app, rows.run.queue)).limits.asleep
        self._store.put_run(claims.claim(rows.run, worker_id, asleep))
        return claims.turn_task(rows.run, rows.log)

    def _claim_step(self, rows: Rows, step: Step, request: ClaimRequest, now: int, lanes: Lanes) -> Task:
        lanes.claimed(rows.run, step)
        claimed = claims.claim_step(step, request, now)
        self._store.put_step(claimed)
        return claims.step_task(rows.run, replace(claimed, input=rows.input_of(step)))

    def _expire(self, now: int) -> None:
        """End the runs whose deadline has passed, and the steps that have waited too long."""
        for run_id in [run_id for run_id, deadline in self._store.deadlines.items() if deadline <= now]:
            self._carry_out(operations.expire(run_id, now, self._url))
        overdue = [
            (at, self._store.runs[place[0]].n, place) for place, at in self._store.giving_up.items() if at <= now
        ]
        for _, _, (run_id, step_id) in sorted(overdue):
            self._carry_out(operations.give_up(run_id, step_id, now, self._url))

    def _all_workers(self) -> list[WorkerRow]:
        steady = self._clock.steady()
        beats = self._store.beats
        return [replace(row, silent_ms=steady - beats[name]) for name, row in sorted(self._store.workers.items())]

    def _tell_released(self, tasks: int) -> None:
        if tasks:
            self._store.notifier.notify(Notice(None, work=True))


def _lane_of_turn(run: Run) -> tuple[flow.Name, str, int] | None:
    """Return the queue in which a run waits for a slot, its key and its weight; None when it waits for none."""
    return ((run.app, run.queue), run.key, 1) if run.slot == "waits" else None


def _lane_of_step(run: Run, step: Step) -> tuple[flow.Name, str, int] | None:
    place = step.place
    return None if place is None else ((run.app, place.queue), place.key, place.weight)


def _choose(
    now: int,
    most: int,
    found: Iterable[tuple[int | None, tuple[int, ...], T, tuple[flow.Name, str, int] | None]],
    lanes: Lanes,
) -> tuple[list[T], list[int]]:
    """
    Return those that come first, and when the others become ready; nothing when *most* is 0.

    Args:
        now: what is ready by then is ready.
        most: how many are wanted.
        found: what there is, with when it becomes ready, its place in the queue, and the lane that it waits in.
        lanes: those queues.
    """
    if not most:
        return [], []
    ready: list[tuple[tuple[int, ...], T]] = []
    waiting: list[tuple[flow.Name, Waiting[T]]] = []
    later: list[int] = []
    for ready_at, place, item, lane in found:
        if ready_at is None:
            continue
        if ready_at > now:
            if lane is None or not lanes.is_full(lane[0]):
                later.append(ready_at)
        elif lane is None:
            ready.append((place, item))
        else:
            name, key, weight = lane
            waiting.append((name, Waiting(place[0], key, place[1:], weight, item)))
    ready += [((each.rank, *each.place), each.item) for each in lanes.chosen(waiting, most)]
    ready.sort(key=lambda one: one[0])
    return [item for _, item in ready[:most]], later
