"""
What a memory world keeps, and what it answers to the requests of :mod:`torpor.worlds.operations`.

Values are frozen and are put into place one by one; a request is answered whole or refused before anything is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from torpor.lifecycle import INPUTS, RUN_TERMINAL
from torpor.model import (
    Chunk,
    Deployment,
    Entities,
    Event,
    Hook,
    LogEntry,
    Run,
    Snapshot,
    Step,
    Stream,
    StreamWriter,
    Wait,
    WorkerRow,
)
from torpor.model.flow import QueueState
from torpor.model.schedules import Schedule
from torpor.model.tenants import Tenant, TenantInfo, Usage
from torpor.tenant_names import tenant_of
from torpor.worlds import claims, flow, refusals
from torpor.worlds import requests as ask
from torpor.worlds.draft import MAILBOX, Changes, fence
from torpor.worlds.notifier import Notifier
from torpor.worlds.requests import StaleError, TokenTakenError
from torpor.worlds.tenants import Charge, charge, written

T = TypeVar("T")

Place = tuple[str, str]
"""A run's id, and a step's or a hook's; ``""`` stands for the run's turn."""


@dataclass(slots=True)
class StreamRows:
    """A stream with its chunks, and who has written to it."""

    stream: Stream
    chunks: list[Chunk] = field(default_factory=list)
    writers: dict[str, StreamWriter] = field(default_factory=dict)


@dataclass(slots=True)
class Rows:
    """
    A run with everything that belongs to it.

    Attributes:
        n: its number in the order of creation.
        log: the events after the run's base.
        messages: ids of those that it was sent.
        lines: of the run's own log, by number.
        streams: by name.
    """

    n: int
    run: Run
    steps: dict[str, Step] = field(default_factory=dict)
    waits: dict[str, Wait] = field(default_factory=dict)
    hooks: dict[str, Hook] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    messages: set[str] = field(default_factory=set)
    lines: dict[int, LogEntry] = field(default_factory=dict)
    snapshot: Snapshot | None = None
    streams: dict[str, StreamRows] = field(default_factory=dict)

    def events(self, after: int) -> list[Event]:
        """Return the log after seq *after*, or after its base."""
        return self.log[max(0, after - self.run.base) :]

    def payload(self, seq: int) -> bytes:
        """Return the payload of an event."""
        return self.log[seq - self.run.base - 1].payload or b""

    def input_of(self, step: Step) -> bytes:
        """Return the input of a step, from its row or from the log."""
        return self.payload(step.seq) if step.input is None else step.input

    def entities(self, steps: Iterable[Step]) -> Entities:
        """Return the run with *steps* and all else that is open, in the order of their ops."""
        return Entities(
            self.run,
            {step.id: step for step in sorted(steps, key=lambda step: step.op)},
            {wait.id: wait for wait in sorted(self.waits.values(), key=lambda wait: wait.op)},
            {hook.id: hook for hook in sorted(self.hooks.values(), key=lambda hook: hook.op)},
        )


@dataclass(slots=True)
class Used:
    """What a run of a tenant has used; see :mod:`torpor.worlds.tenants`."""

    tenant: str
    usage: Usage
    snapshot: int = 0


@dataclass(slots=True)
class Store:
    """
    All of one memory world.

    Attributes:
        url: of the world, for messages.
        lock: held during an operation: a store that is shared by name may be used on several threads.
        runs: by id, in the order of creation.
        ready: turns and step tasks that nobody has claimed and that are ready now or at some time.
        claims: those that are claimed, by worker.
        tokens: places of the live hooks that await the outside world.
        resumed: the run that has received a payload, by the token and the resume id that it came with.
        reserved: tokens of hooks that are gone, with the run that they are reserved for, and until when.
        watchers: places of the live hooks that watch a run, by the run's id.
        children: ids of the runs that a run has started, by its id.
        beats: when a worker was heard of last, by the steady clock.
        deployments: by id, the newest last.
        schedules, queues: by application and name.
        deadlines: of the runs that have one and have not ended.
        giving_up: when step tasks are ended that wait too long, by their places.
        tenants: by name.
        used: what runs of tenants have used, by their ids.
        created: how many runs there have been.
    """

    url: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    runs: dict[str, Rows] = field(default_factory=dict)
    ready: dict[Place, None] = field(default_factory=dict)
    claims: dict[str, dict[Place, None]] = field(default_factory=dict)
    tokens: dict[str, Place] = field(default_factory=dict)
    resumed: dict[tuple[str, str], str] = field(default_factory=dict)
    reserved: dict[str, tuple[str, int]] = field(default_factory=dict)
    watchers: dict[str, set[Place]] = field(default_factory=dict)
    children: dict[str, list[str]] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    beats: dict[str, int] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    schedules: dict[tuple[str, str], Schedule] = field(default_factory=dict)
    queues: dict[tuple[str, str], QueueState] = field(default_factory=dict)
    deadlines: dict[str, int] = field(default_factory=dict)
    giving_up: dict[Place, int] = field(default_factory=dict)
    tenants: dict[str, Tenant] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    created: int = 0
    notifier: Notifier = field(default_factory=Notifier)

    def answer(self, request: ask.Request) -> Any:
        """
        Answer a request of an operation.

        Raises:
            StaleError, TokenTakenError: in answer to changes that came too late; nothing of them is stored.
        """
        return _ANSWERS[type(request)](self, request)

    def existing(self, run_id: str) -> Rows:
        """
        Return a run with all that belongs to it.

        Raises:
            RunNotFoundError: no such run.
        """
        rows = self.runs.get(run_id)
        if rows is None:
            raise refusals.run_not_found(run_id, self.url)
        return rows

    def live(self) -> Iterator[Run]:
        """Return the runs that have not ended."""
        return (rows.run for rows in self.runs.values() if rows.run.status not in RUN_TERMINAL)

    def ready_turns(self) -> Iterator[Rows]:
        """Return the runs whose turns nobody has claimed, and that are ready now or at some time."""
        return (self.runs[run_id] for run_id, step_id in self.ready if not step_id)

    def ready_steps(self) -> Iterator[tuple[Rows, Step]]:
        """Return the step tasks that nobody has claimed, and that are ready now or at some time, with their runs."""
        places = ((self.runs[run_id], step_id) for run_id, step_id in self.ready if step_id)
        return ((rows, rows.steps[step_id]) for rows, step_id in places)

    def hook(self, place: Place) -> Hook:
        """Return the hook at a place."""
        return self.runs[place[0]].hooks[place[1]]

    def put_run(self, run: Run) -> None:
        """Put a run's row in place of the one there is."""
        rows = self.runs[run.id]
        self._index((run.id, ""), rows.run.worker, run.worker, run.ready_at)
        rows.run = run
        if run.deadline and run.status not in RUN_TERMINAL:
            self.deadlines[run.id] = run.deadline
        else:
            self.deadlines.pop(run.id, None)

    def erase(self, run_id: str, *, keep_name: bool) -> None:
        """Take away what belongs to a run that has ended, all of it or all but what its name needs."""
        rows = self.runs[run_id]
        self.settle(run_id)
        self.watchers.pop(run_id, None)
        for hook in rows.hooks.values():  # of one that has gone to another world they may be live
            self._unfind(hook)
        for step_id in rows.steps:
            self.giving_up.pop((run_id, step_id), None)
        if not keep_name:
            del self.runs[run_id]
            self.reserved = {token: its for token, its in self.reserved.items() if its[0] != run_id}
            self.resumed = {known: receiver for known, receiver in self.resumed.items() if receiver != run_id}
            if rows.run.parent:
                siblings = self.children[rows.run.parent]
                siblings.remove(run_id)
                if not siblings:  # children may outlive who started them
                    del self.children[rows.run.parent]
            return
        bare = Rows(rows.n, replace(rows.run, base=rows.run.head - 1), log=rows.log[-1:], messages=rows.messages)
        self.runs[run_id] = bare

    def put_step(self, step: Step) -> None:
        """Put a step's row in place of the one there is, if there is one."""
        steps = self.runs[step.run_id].steps
        was = steps.get(step.id)
        self._index((step.run_id, step.id), was.worker if was else "", step.worker, step.ready_at)
        if was is not None and was.progress is not step.progress:  # a turn does not know the newest
            step = replace(step, progress=was.progress)
        steps[step.id] = step
        self.giving_up.pop((step.run_id, step.id), None)
        if step.gives_up_at:
            self.giving_up[step.run_id, step.id] = step.gives_up_at

    def release(self, worker_id: str, now: int) -> int:
        """Take all claims away from a worker; return how many there were."""
        places = list(self.claims.get(worker_id, ()))
        for run_id, step_id in places:
            rows = self.runs[run_id]
            if step_id:
                self.put_step(claims.release_step(rows.run, rows.steps[step_id], now))
            else:
                self.put_run(claims.release(rows.run, now))
        return len(places)

    def apply(self, changes: Changes) -> None:
        """
        Store changes, all or none.

        Raises:
            StaleError: the run is not as it was any more.
            TokenTakenError: another hook has a token.
        """
        run = changes.run
        rows = self._expected(run.id, changes.before)
        self._check_tokens(changes)
        if rows is None:
            rows = self.runs[run.id] = Rows(self.created, run)
            self.created += 1
            if run.parent:
                self.children.setdefault(run.parent, []).append(run.id)
        if changes.drop_log:
            del rows.log[: run.base - rows.run.base]
        rows.log += changes.events
        self.put_run(run)
        for step_id, step in changes.steps.items():
            if step is not None:
                self.put_step(step)
            elif step_id in rows.steps:
                self._index((run.id, step_id), rows.steps.pop(step_id).worker, "", None)
                self.giving_up.pop((run.id, step_id), None)
        for wait_id, wait in changes.waits.items():
            _put(rows.waits, wait_id, wait)
        self._put_hooks(rows, changes.hooks)
        if changes.reserved:
            others = {token: its for token, its in self.reserved.items() if its[1] > run.latest_at}
            self.reserved = others | {token: (run.id, until) for token, until in changes.reserved.items()}
        if changes.resumed is not None:
            self._remember(rows, *changes.resumed)
        for line in changes.lines:
            rows.lines.setdefault(line.n, line)
        if changes.snapshot is not None or changes.drop_snapshot:
            rows.snapshot = changes.snapshot
        self._count(run.id, charge(changes))

    def _count(self, run_id: str, cost: Charge | None) -> None:
        if cost is None:
            return
        used = self.used.setdefault(run_id, Used(cost.tenant, Usage(runs=cost.runs)))
        added = Usage(0, 0, cost.cpu_us, cost.steps, cost.stored)
        used.usage = replace(used.usage + added, open=int(not cost.ended))
        if cost.snapshot is not None:
            used.snapshot = cost.snapshot

    def usage_of(self, tenant: str) -> Usage:
        """Return what a tenant's runs have used that are here."""
        mine = [used for used in self.used.values() if used.tenant == tenant]
        total = sum((used.usage for used in mine), start=Usage())
        return replace(total, stored=total.stored + sum(used.snapshot for used in mine))

    def settle(self, run_id: str) -> None:
        """Keep what a run has used that goes, but for what is stored no more."""
        used = self.used.pop(run_id, None)
        if used is not None and used.tenant in self.tenants:
            tenant = self.tenants[used.tenant]
            past = tenant.past + replace(used.usage, open=0, stored=0)
            self.tenants[used.tenant] = replace(tenant, past=past)

    def _remember(self, rows: Rows, token: str, resume_id: str) -> None:
        if token == MAILBOX:
            rows.messages.add(resume_id)
        else:
            self.resumed[token, resume_id] = rows.run.id

    def _expected(self, run_id: str, before: Run | None) -> Rows | None:
        rows = self.runs.get(run_id)
        if (rows and fence(rows.run)) != (before and fence(before)):
            raise StaleError
        return rows

    def _check_tokens(self, changes: Changes) -> None:
        for hook in changes.hooks.values():
            if hook is not None and hook.status == "live" and not hook.watch and hook.token in self.tokens:
                run_id, hook_id = self.tokens[hook.token]
                if run_id != changes.run.id or hook_id not in changes.hooks:
                    raise TokenTakenError(hook.token, run_id)

    def _put_hooks(self, rows: Rows, hooks: dict[str, Hook | None]) -> None:
        for hook_id, hook in hooks.items():
            self._unfind(rows.hooks.get(hook_id))
            _put(rows.hooks, hook_id, hook)
        for hook in hooks.values():  # after all that let go of a token
            self._find(hook)

    def _find(self, hook: Hook | None) -> None:
        """Make a live hook known by its token, or to the run that it watches."""
        if hook is None or hook.status != "live":
            return
        place = (hook.run_id, hook.id)
        if hook.watch:
            self.watchers.setdefault(hook.watch, set()).add(place)
        else:
            self.tokens[hook.token] = place

    def _unfind(self, hook: Hook | None) -> None:
        """Undo :meth:`_find`."""
        if hook is None or hook.status != "live":
            return
        if hook.watch:
            self.watchers.get(hook.watch, set()).discard((hook.run_id, hook.id))  # that run may have moved away
        else:
            del self.tokens[hook.token]

    def _index(self, place: Place, was: str, worker: str, ready_at: int | None) -> None:
        """Note who has a turn or a task, or that it is there for anybody."""
        self.claims.get(was, {}).pop(place, None)
        self.ready.pop(place, None)
        if worker:
            self.claims.setdefault(worker, {})[place] = None
        elif ready_at is not None:
            self.ready[place] = None


def _put(rows: dict[str, T], row_id: str, row: T | None) -> None:
    if row is None:
        rows.pop(row_id, None)
    else:
        rows[row_id] = row


def _load(store: Store, request: ask.Load) -> Entities | None:
    rows = store.runs.get(request.run_id)
    return None if rows is None else rows.entities(rows.steps.values())


def _part(store: Store, request: ask.Part) -> Entities | None:
    rows = store.runs.get(request.run_id)
    if rows is None:
        return None
    return Entities(
        rows.run,
        {step_id: rows.steps[step_id] for step_id in [request.step] if step_id in rows.steps},
        {wait.id: wait for wait in rows.waits.values() if wait.due <= request.due},
        {hook_id: rows.hooks[hook_id] for hook_id in [request.hook] if hook_id in rows.hooks},
    )


def _moved(store: Store, request: ask.Moved) -> ask.Since | None:
    rows = store.runs.get(request.run_id)
    if rows is None:
        return None
    about = {event.id for event in rows.events(request.after) if event.id}.union(request.also)
    now = Entities(
        rows.run,
        {step_id: rows.steps[step_id] for step_id in about & rows.steps.keys()},
        {wait_id: rows.waits[wait_id] for wait_id in about & rows.waits.keys()},
        {hook_id: rows.hooks[hook_id] for hook_id in about & rows.hooks.keys()},
    )
    return ask.Since(now, frozenset(about))


def _first(store: Store, request: ask.First) -> Event | None:
    rows = store.runs[request.run_id]
    return None if rows.run.base else rows.log[0]


def _whole(store: Store, request: ask.Whole) -> tuple[Event, ...]:
    return tuple(store.runs[request.run_id].log)


def _inputs(store: Store, request: ask.Inputs) -> tuple[Event, ...]:
    return tuple(event for event in store.runs[request.run_id].events(request.after) if event.type in INPUTS)


def _payloads(store: Store, request: ask.Payloads) -> dict[int, bytes]:
    rows = store.runs[request.run_id]
    return {seq: rows.payload(seq) for seq in request.seqs}


def _owner(store: Store, request: ask.Owner) -> Hook | None:
    place = store.tokens.get(request.token)
    return place and store.hook(place)


def _reserved(store: Store, request: ask.Reserved) -> str:
    run_id, until = store.reserved.get(request.token, ("", 0))
    return run_id if until > request.now and run_id in store.runs else ""


def _received(store: Store, request: ask.Received) -> bool:
    return request.message_id in store.runs[request.run_id].messages


def _watchers(store: Store, request: ask.Watchers) -> tuple[Hook, ...]:
    hooks = [store.hook(place) for place in store.watchers.get(request.run_id, ())]
    return tuple(sorted(hooks, key=lambda hook: (store.runs[hook.run_id].n, hook.op)))


def _children(store: Store, request: ask.Children) -> tuple[str, ...]:
    runs = [store.runs[run_id].run for run_id in store.children.get(request.run_id, ())]
    return tuple(run.id for run in runs if run.status not in RUN_TERMINAL and not run.detached)


def _put_step(store: Store, request: ask.PutStep) -> None:
    stored = store.runs[request.step.run_id].steps.get(request.step.id)
    if stored is None or stored.epoch != request.expected:
        raise StaleError
    store.put_step(request.step)


def _put_progress(store: Store, request: ask.PutProgress) -> None:
    store.runs[request.step.run_id].steps[request.step.id] = request.step


def _stream_of(store: Store, request: ask.StreamOf) -> ask.StreamState | None:
    run = store.runs.get(request.run_id)
    if run is None:
        return None
    rows = run.streams.get(request.name)
    return ask.StreamState() if rows is None else ask.StreamState(rows.stream, rows.writers.get(request.writer))


def _put_stream(store: Store, request: ask.PutStream) -> None:
    changes = request.changes
    streams = store.runs[changes.stream.run_id].streams
    rows = streams.get(changes.stream.name)
    if (rows and rows.stream) != changes.before:
        raise StaleError
    if rows is None:
        rows = streams[changes.stream.name] = StreamRows(changes.stream)
    rows.stream = changes.stream
    rows.chunks += changes.chunks
    rows.writers[changes.writer.id] = changes.writer
    if (used := store.used.get(changes.stream.run_id)) is not None:
        used.usage += Usage(stored=written(changes))


def _put_schedule(store: Store, request: ask.PutSchedule) -> None:
    store.schedules[request.schedule.app, request.schedule.name] = request.schedule


def _erase(store: Store, request: ask.Erase) -> bool:
    store.erase(request.run.id, keep_name=request.keep_name)
    return True


def _spend(store: Store, request: ask.Spend) -> None:
    name = request.app, request.queue
    state = store.queues.get(name)
    if state is not None and state.limits.rate:
        store.queues[name] = replace(state, spent=flow.add_spent(state, request.now, request.weight))


def tenant_info(store: Store, name: str) -> TenantInfo | None:
    """Return a tenant with what it has used, None when there is none."""
    tenant = store.tenants.get(name)
    return None if tenant is None else TenantInfo(tenant, tenant.past + tenant.elsewhere + store.usage_of(name))


def _put_tenant(store: Store, request: ask.PutTenant) -> None:
    store.tenants[request.tenant.name] = request.tenant


def _drop_tenant(store: Store, request: ask.DropTenant) -> None:
    if count := sum(tenant_of(run_id) == request.name for run_id in store.runs):
        raise refusals.tenant_has_runs(request.name, count)
    store.tenants.pop(request.name)


_ANSWERS: Final[dict[type, Callable[[Store, Any], Any]]] = {
    ask.Load: _load,
    ask.Part: _part,
    ask.Moved: _moved,
    ask.First: _first,
    ask.Whole: _whole,
    ask.Inputs: _inputs,
    ask.Payloads: _payloads,
    ask.Newest: lambda store, request: store.runs[request.run_id].snapshot,
    ask.Owner: _owner,
    ask.Resumed: lambda store, request: store.resumed.get((request.token, request.resume_id), ""),
    ask.Received: _received,
    ask.Reserved: _reserved,
    ask.Watchers: _watchers,
    ask.Children: _children,
    ask.Kept: lambda store, request: request.key in store.blobs,
    ask.Apply: lambda store, request: store.apply(request.changes),
    ask.PutStep: _put_step,
    ask.PutProgress: _put_progress,
    ask.StreamOf: _stream_of,
    ask.PutStream: _put_stream,
    ask.Spend: _spend,
    ask.Scheduled: lambda store, request: store.schedules.get((request.app, request.name)),
    ask.PutSchedule: _put_schedule,
    ask.TenantOf: lambda store, request: tenant_info(store, request.name),
    ask.PutTenant: _put_tenant,
    ask.DropTenant: _drop_tenant,
    ask.Erase: _erase,
    ask.DropSchedule: lambda store, request: store.schedules.pop((request.app, request.name), None),
}
