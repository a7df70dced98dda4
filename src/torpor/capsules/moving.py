"""
Moving a world: every run with all that belongs to it, and what starts and holds runs, goes to another one.

Workers may be at work in both. A run is left alone while somebody works on it; then it leaves, arrives and is gone, in
the order of :mod:`torpor.worlds.leaving`, so that nothing happens in it in two worlds. Whoever is interrupted does the
same again: whether a run has arrived is told by the run that is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.attributes import LEAVING, MOVED
from torpor.capsules import blobs
from torpor.engine.images import PROGRAMS
from torpor.engine.liveness import gone, silent
from torpor.errors import (
    CapsuleError,
    EntityConflictError,
    LimitExceededError,
    RunBusyError,
    RunMovedError,
    RunNotFoundError,
    ScheduleNotFoundError,
    TenantNotFoundError,
)
from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Run, RunFilter
from torpor.model.flow import Limits
from torpor.model.schedules import Schedule
from torpor.model.tenants import Tenant
from torpor.tenant_names import tenant_of
from torpor.world import World
from torpor.worlds.parcels import same_run

PAUSED: Final = "$pausedToMove"
"""Attribute of a run that was paused because it was always at work; it goes on where it arrives."""

_PAGE: Final = 200
_LOOK_MS: Final = 200
_LOOKS_MAX: Final = 15
"""How often a run is found at work before it is paused, so that it comes to rest."""


class Progress(msgspec.Struct):
    """
    How far a move is.

    Attributes:
        moved: runs that have arrived, by status.
        busy: runs that somebody works on, and that are waited for.
        stayed: why runs, schedules, queues and tenants stay where they are, by what they are.
        schedules, queues, tenants, deployments: how many have arrived.
        awaited: runs that are in neither world's hands: others that have arrived wait for their ends.
    """

    moved: Counter[str] = msgspec.field(default_factory=Counter)
    busy: int = 0
    stayed: dict[str, str] = {}
    schedules: int = 0
    queues: int = 0
    tenants: int = 0
    deployments: int = 0
    awaited: list[str] = []


class Plan(msgspec.Struct):
    """
    What a move would do.

    Attributes:
        runs: that would move, by status.
        taken: ids that runs have in both worlds.
        schedules, queues, tenants: how many there are.
    """

    runs: Counter[str] = msgspec.field(default_factory=Counter)
    taken: list[str] = []
    schedules: int = 0
    queues: int = 0
    tenants: int = 0


class Move:
    """
    A move from one open world to another.

    Args:
        source, target: open worlds.
        run_ids: which runs go, and nothing else; without it all do, with schedules, queues, tenants and deployments.
    """

    def __init__(
        self,
        source: World,
        target: World,
        run_ids: Collection[str] = (),
    ) -> None:
        self._source, self._target, self._run_ids = source, target, run_ids
        self._told: Callable[[Progress], None] = lambda _: None
        self._copied: set[str] = set()
        self._looks: Counter[str] = Counter()
        self._watched: set[str] = set()
        self.progress = Progress()

    def tell(self, told: Callable[[Progress], None]) -> None:
        """Tell somebody of progress from now on."""
        self._told = told

    async def plan(self) -> Plan:
        """Return what :meth:`carry_out` would do; nothing is changed."""
        plan = Plan()
        async for page in self._pages():
            here = [run for run in page if MOVED not in run.attributes and not run.damage]
            there = await self._target.statuses([run.id for run in here])
            for run in here:
                if run.id in there and not (LEAVING in run.attributes and same_run(run, there[run.id])):
                    plan.taken.append(run.id)
                else:
                    plan.runs[run.status] += 1
        if not self._run_ids:
            plan.schedules = len(await self._source.schedules())
            plan.queues = len([info for info in await self._source.queues() if info.limits != Limits()])
            plan.tenants = len(await self._source.tenants())
        return plan

    async def carry_out(self) -> Progress:
        """
        Move all that is to be moved, and return what became of it.

        Raises:
            WorldError: one of the worlds failed; do the same again.
        """
        if not self._run_ids:
            await self._move_deployments()
            await self._move_queues()
            await self._move_tenants()
            await self._move_schedules()
        while True:
            await self._release_the_dead()
            moved, self.progress.busy = False, 0
            async for page in self._pages():
                for run in page:
                    if MOVED in run.attributes or _named(run) in self.progress.stayed:
                        continue
                    try:
                        moved = await self._move_run(run) or moved
                    except RunBusyError:
                        self.progress.busy += 1
                        await self._calm(run)
                    self._told(self.progress)
            if self.progress.busy:
                await self._source.clock.sleep(_LOOK_MS)
            elif not moved or self._run_ids:
                break  # a run that was started meanwhile has gone with another round
        if not self._run_ids:
            await self._move_tenants()  # with what their runs have used meanwhile
        there = await self._target.statuses(self._watched)
        self.progress.awaited = sorted(self._watched - there.keys())
        return self.progress

    async def _pages(self) -> AsyncIterator[list[Run]]:
        if self._run_ids:
            found = await self._source.statuses(self._run_ids)
            yield [found[run_id] for run_id in self._run_ids if run_id in found]
            return
        before: str | None = None
        while page := await self._source.list_runs(RunFilter(before=before, limit=_PAGE)):
            yield page
            before = page[-1].id

    # One run

    async def _move_run(self, run: Run) -> bool:
        """
        Move a run, or note why it stays.

        Raises:
            RunBusyError: somebody works on it.
        """
        if run.damage:
            return self._stays(run, run.damage)
        if LEAVING not in run.attributes and await self._found(run.id) is not None:
            return self._stays(run, f"a run with its id is in world {self._target.url}")
        if (tenant := tenant_of(run.id)) and not await self._has_tenant(tenant, run.app):
            why = f"its tenant {tenant} is not in world {self._target.url}; move all, or make it there"
            return self._stays(run, why)
        try:
            await self._source.leave(run.id, self._target.url)
            there = await self._found(run.id)
            if there is None or not same_run(run, there):
                await self._send(run.id)
        except RunBusyError:
            raise
        except RunNotFoundError:
            return False  # somebody has deleted it
        except (RunMovedError, CapsuleError, EntityConflictError, LimitExceededError) as error:
            if not isinstance(error, RunMovedError):
                await self._source.stay(run.id)
            return self._stays(run, str(error))
        await self._go_on(run.id)
        await self._source.left(run.id)
        while not await self._source.delete_run(run.id, keep_name=True):
            pass  # it goes some hundred rows at a time
        self.progress.moved[run.status] += 1
        return True

    async def _send(self, run_id: str) -> None:
        parcel = await self._source.parcel(run_id)
        found = await blobs.kept(self._source, parcel.run, self._copied)
        await blobs.put(self._target, found)
        await self._target.put_parcel(parcel)
        await blobs.put(self._target, found)  # what no run needed then may have been dropped meanwhile
        self._copied |= found.keys()
        hooks = parcel.entities.hooks.values()
        self._watched |= {hook.watch for hook in hooks if hook.status == "live" and hook.watch}

    async def _go_on(self, run_id: str) -> None:
        """Let a run go on that was paused to come to rest."""
        run = await self._found(run_id)
        if run is not None and PAUSED in run.attributes and run.status not in RUN_TERMINAL:
            await self._target.unpause_run(run_id)
            await self._target.set_attributes(run_id, {PAUSED: None})

    async def _found(self, run_id: str) -> Run | None:
        return (await self._target.statuses([run_id])).get(run_id)

    async def _calm(self, run: Run) -> None:
        """Pause a run that is always at work: what it does ends, and nothing begins any more."""
        self._looks[run.id] += 1
        if self._looks[run.id] != _LOOKS_MAX or run.paused:
            return
        try:
            await self._source.set_attributes(run.id, {PAUSED: "yes"})
            await self._source.pause_run(run.id)
        except EntityConflictError:
            pass  # it has ended

    async def _release_the_dead(self) -> None:
        """Take claims away from workers that have died, whom nobody else may miss here."""
        workers = await self._source.workers()
        if dead := gone(workers):
            await self._source.release(dead)
        if lost := silent(workers):
            await self._source.release(lost, expired_only=True)

    def _stays(self, run: Run, why: str) -> bool:
        self.progress.stayed[_named(run)] = why
        return False

    # What starts runs, and holds them

    async def _move_deployments(self) -> None:
        there = {deployment.id for deployment in await self._target.deployments()}
        for deployment in reversed(await self._source.deployments()):
            if deployment.id not in there:
                await self._target.put_deployment(deployment)
                self.progress.deployments += 1
        programs = await self._source.blob_sizes(PROGRAMS)
        for key in programs.keys() - (await self._target.blob_sizes(PROGRAMS)).keys():
            data = await self._source.blob(key)
            if data is not None:
                await self._target.put_blob(key, data)

    async def _move_queues(self) -> None:
        there = {(info.app, info.name): info.limits for info in await self._target.queues()}
        for info in await self._source.queues():
            limits = there.get((info.app, info.name), Limits())
            if info.limits == Limits() or limits == info.limits:
                continue
            if limits != Limits():
                self.progress.stayed[f"queue {info.name}"] = f"it has other limits in world {self._target.url}"
                continue
            await self._target.set_queue(info.app, info.name, info.limits)
            self.progress.queues += 1

    async def _move_tenants(self) -> None:
        """Make tenants there, or tell those that are there what was used here."""
        elsewhere = f"in world {self._target.url}"
        for info in await self._source.tenants():
            tenant = info.tenant
            named, there = f"tenant {tenant.name}", await self._tenant(tenant.name)
            if there is not None and there.app != tenant.app:
                self.progress.stayed[named] = f"another application has one of its name {elsewhere}"
                continue
            if there is not None and (there.quotas, there.allow) != (tenant.quotas, tenant.allow):
                self.progress.stayed[named] = f"it has other quotas, or may call other steps, {elsewhere}"
            self.progress.tenants += there is None
            await self._target.put_tenant(replace(there or tenant, brought=info.brought()))

    async def _tenant(self, name: str) -> Tenant | None:
        try:
            return (await self._target.tenant(name)).tenant
        except TenantNotFoundError:
            return None

    async def _has_tenant(self, name: str, app: str) -> bool:
        there = await self._tenant(name)
        return there is not None and there.app == app

    async def _move_schedules(self) -> None:
        for schedule in await self._source.schedules():
            try:
                await self._move_schedule(schedule)
            except (EntityConflictError, ScheduleNotFoundError) as error:
                self.progress.stayed[f"schedule {schedule.name}"] = str(error)

    async def _move_schedule(self, schedule: Schedule) -> None:
        """Pause a schedule here, so that no slot begins two runs; make it there; forget it here."""
        mark = f"moves to {self._target.url}"
        try:
            there = await self._target.schedule(schedule.app, schedule.name)
        except ScheduleNotFoundError:
            there = None
        if there is not None and schedule.note != mark and not _alike(schedule, there):
            self.progress.stayed[f"schedule {schedule.name}"] = f"another of its name is in world {self._target.url}"
            return
        if not schedule.paused:
            schedule = await self._source.put_schedule(replace(schedule, paused=True, note=mark))
        if there is None:
            wanted = replace(schedule, paused=False, note="") if schedule.note == mark else schedule
            await self._target.put_schedule(replace(wanted, version=0))
        await self._source.delete_schedule(schedule.app, schedule.name)
        self.progress.schedules += 1


def _alike(one: Schedule, other: Schedule) -> bool:
    return (one.workflow, one.timing, one.digest) == (other.workflow, other.timing, other.digest)


def _named(run: Run) -> str:
    return f"run {run.id}"
