"""What a worker does for schedules: keeps those that its application declares, and starts what is due."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace

from torpor.client import Client
from torpor.clock import Clock
from torpor.engine.observer import Observer, Remark, ignore
from torpor.errors import ConflictError, NotFoundError, TorporError, WorldError
from torpor.model import Runtime
from torpor.model.schedules import NEVER, Firing, Schedule
from torpor.retries import Backoff
from torpor.schedules import starts
from torpor.scheduling import Plan, same_plan
from torpor.worlds import schedules as rules

_TRIES: Final = 10
"""How often a declared schedule is stored that others change at the same time."""

_BACKOFF: Final = Backoff(first=1.0, most=60.0)


class Scheduler:
    """
    The schedules of one application, as one of its workers sees them. Any number of workers may do the same.

    Args:
        client: of the application.
        runtime: for the runs.
        plans: what the application declares.
        has: whether the application has a workflow of this name. Applications without a name cannot be told apart by
            it: of what such a one does not declare it forgets schedules of its own workflows only.
        observe: is told what was missed, and what could not be started.

    Attributes:
        started: how many runs it has started.
    """

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        plans: Iterable[Plan],
        has: Callable[[str], Awaitable[bool]],
        observe: Observer = ignore,
    ) -> None:
        assert client.app is not None, "a worker is one application's"
        self._app = client.app
        self._client = client
        self._world = client.world
        self._clock: Clock = client.world.clock
        self._runtime = runtime
        self._plans = tuple(plans)
        self._has = has
        self._observe = observe
        self.started = 0
        self._left: dict[str, tuple[int, int]] = {}  # name → until when it is left alone, and how often in a row

    async def begin(self) -> None:
        """
        Store what the application declares, and forget what it declared before and does not any more.

        Raises:
            SerializationError, LimitExceededError: arguments of a declared schedule cannot be stored.
            WorldError: the world failed.
        """
        declared = {plan.name for plan in self._plans}
        for plan in self._plans:
            await self._declare(plan.schedule(self._app, self._client.keyring, declared=True))
        for schedule in await self._world.schedules(self._app):
            left = schedule.declared and schedule.name not in declared
            if left and (self._app or await self._has(schedule.workflow)):
                await self._forget(schedule)

    async def round(self) -> int | None:
        """
        Start what is due; return when the next slot is, None when none is known of.

        Raises:
            WorldError: the world failed; the next round tries again.
        """
        found = await self._world.due_schedules((self._app,))
        later = [] if found.next_at is None else [found.next_at]
        for schedule in found.schedules:
            if (until := self._left.get(schedule.name, (0, 0))[0]) > self._clock.steady():
                later.append(self._clock.now() + until - self._clock.steady())
                continue
            try:
                moved = await self._fire(schedule)
            except WorldError:
                raise
            except TorporError as error:
                await self._leave(schedule, str(error))
            else:
                self._left.pop(schedule.name, None)
                if moved is not None and moved.wakes_at is not None:
                    later.append(moved.wakes_at)
        return min(later, default=None)

    async def _fire(self, schedule: Schedule) -> Schedule | None:
        now = self._clock.now()
        slots = rules.wanted(schedule, now)
        made = await starts(self._client, schedule, slots, self._runtime)
        fired = await self._world.fire(Firing(schedule, made, now))
        self.started += len(fired.started)
        if fired.schedule is None:
            return None  # another worker was quicker
        if schedule.slot != NEVER and schedule.due <= now - rules.LATE_MS:
            begun = f"{len(fired.started)} of them began a run now" if fired.started else "none of them began a run now"
            told = f"schedule {schedule.name!r}: slots have passed since {_clock_text(schedule.slot)}, {begun}"
            self._observe(Remark(logging.WARNING, told))
        return fired.schedule

    async def _leave(self, schedule: Schedule, why: str) -> None:
        """Leave a schedule alone for a while whose run could not be made, and say why where people look."""
        times = self._left.get(schedule.name, (0, 0))[1] + 1
        self._left[schedule.name] = self._clock.steady() + _BACKOFF.delay_ms(times), times
        if times == 1:
            told = f"schedule {schedule.name!r} is due, and its run cannot be started: {why}"
            self._observe(Remark(logging.WARNING, told))
        if schedule.problem != why:
            try:
                await self._world.put_schedule(replace(schedule, problem=why))
            except ConflictError:
                return  # somebody else is at it

    async def _declare(self, wanted: Schedule) -> None:
        """Store a schedule as code has it; whether it is paused, and what it has done, stays."""
        for _ in range(_TRIES):
            try:
                stored = await self._world.schedule(self._app, wanted.name)
            except NotFoundError:
                stored = None
            if stored is not None and same_plan(stored, wanted):
                return
            try:
                await self._world.put_schedule(wanted if stored is None else _changed(stored, wanted))
            except ConflictError:
                continue  # another worker of the application is beginning too
            return

    async def _forget(self, schedule: Schedule) -> None:
        try:
            await self._world.delete_schedule(schedule.app, schedule.name)
        except NotFoundError:
            return
        told = f"schedule {schedule.name!r} is not declared any more, and was deleted; its runs go on"
        self._observe(Remark(logging.INFO, told))


def _clock_text(slot: int) -> str:
    return datetime.fromtimestamp(slot / 1000, UTC).isoformat(sep=" ", timespec="seconds")


def _changed(stored: Schedule, wanted: Schedule) -> Schedule:
    """Return a stored schedule as code has it now."""
    return replace(
        stored,
        workflow=wanted.workflow,
        timing=wanted.timing,
        arguments=wanted.arguments,
        digest=wanted.digest,
        key_id=wanted.key_id,
        slot_as=wanted.slot_as,
        overlap=wanted.overlap,
        catch_up=wanted.catch_up,
        jitter_ms=wanted.jitter_ms,
        declared=True,
        problem="",
    )
