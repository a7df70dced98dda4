"""Schedules as their users see them: ``app.schedules``, ``client.schedules``."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Unpack

import msgspec

from torpor.client import Client, chosen_runtime
from torpor.durations import Duration, milliseconds
from torpor.engine.deployments import Startable, find_workflow
from torpor.errors import (
    ConfigurationError,
    ConflictError,
    EntityConflictError,
    LimitExceededError,
    ScheduleNotFoundError,
    UsageError,
)
from torpor.limits import BACKFILL_MAX
from torpor.model import Runtime
from torpor.model.schedules import NEVER, Firing, Overlap, Schedule, Start
from torpor.run_handle import RunHandle
from torpor.scheduling import ScheduleOptions, plan, read_arguments
from torpor.workflow import Workflow, workflow_name
from torpor.worlds import schedules as rules

_TRIES: Final = 10
"""How often a change is tried that others come before; each of them has made one."""

Slots = list[int]
Handles = list[RunHandle[Any]]
Resolve = Callable[[str], Awaitable[Startable]]


class ScheduleInfo(msgspec.Struct, frozen=True, kw_only=True):
    """
    A schedule as it stands; times are epoch milliseconds.

    Attributes:
        name, app: which.
        workflow: what it starts.
        cron, zone, every_ms, at: when, as its author said; what was not said is empty.
        overlap, catch_up, jitter_ms, slot_as: see :class:`torpor.scheduling.ScheduleOptions`.
        declared: it is written in the application's code.
        paused, note: whether, and why.
        next_at: its next slot, None when there is none or it is paused.
        waiting: a slot that waits for the end of the last run, None when none does.
        last_at, last_run: slot and id of the newest run, None and ``""`` before there is one.
        skipped: how many slots began no run because the one before went on.
        problem: why no run could be started, ``""`` when nothing is wrong.
        created_at: when it was made.
    """

    name: str
    app: str
    workflow: str
    cron: str
    zone: str
    every_ms: int
    at: int
    overlap: Overlap
    catch_up: int
    jitter_ms: int
    slot_as: str
    declared: bool
    paused: bool
    note: str
    next_at: int | None
    waiting: int | None
    last_at: int | None
    last_run: str
    skipped: int
    problem: str
    created_at: int


class Schedules:
    """
    The schedules of a world.

    Args:
        client: whose world; its application's, or those of any when it has none.
        runtime: for runs that are started from here.
        opened: is awaited before the world is used.
        resolve: finds the workflow of a name; among what is deployed by default.
    """

    def __init__(
        self,
        client: Client,
        *,
        runtime: Runtime | None = None,
        opened: Callable[[], Awaitable[None]] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        self._client = client
        self._world = client.world
        self._runtime = runtime
        self._opened = opened
        self._resolve = resolve or self._deployed

    async def create(
        self,
        name: str,
        workflow: Workflow[..., Any] | str,
        /,
        *args: Any,
        kwargs: dict[str, Any] | None = None,
        paused: bool = False,
        **options: Unpack[ScheduleOptions],
    ) -> ScheduleInfo:
        """
        Make a schedule that starts runs of a workflow.

        Args:
            name: what it is called in its application.
            workflow: the workflow or its name; which version of it runs is decided when a run is started.
            args, kwargs: what it is started with.
            paused: start nothing before :meth:`unpause`.
            options: when, and how.

        Raises:
            EntityConflictError: there is one of this name.
            ConfigurationError: an option is wrong.
            WorkflowNotRegisteredError, ArgumentError: there is no such workflow, or it does not take these arguments.
        """
        await self._open()
        named = workflow_name(workflow)
        wanted = plan(name, named, args, kwargs or {}, dict(options))
        found = await self._resolve(named)
        check_arguments(found, wanted.args, wanted.kwargs, wanted.slot_as)
        made = wanted.schedule(found.app, self._client.keyring, declared=False)
        return info_of(await self._world.put_schedule(msgspec.structs.replace(made, paused=paused)))

    async def debounce(
        self,
        key: str,
        workflow: Workflow[..., Any] | str,
        /,
        *args: Any,
        wait: Duration,
        at_most: Duration | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> ScheduleInfo:
        """
        Start one run for many calls: when nobody has called with this key for a while, with what the last one gave.

        Args:
            key: what belongs together, such as ``search-index`` or ``c-17``.
            workflow: the workflow or its name.
            args, kwargs: what it is started with, in place of what the call before gave.
            wait: how long after the last call the run is started, to within a second.
            at_most: how long after the first call it is started at the latest, however many follow.

        Returns:
            The schedule that starts it, which is forgotten then.

        Raises:
            ConfigurationError: a duration is none.
            WorkflowNotRegisteredError, ArgumentError: there is no such workflow, or it does not take these arguments.
        """
        await self._open()
        named = workflow_name(workflow)
        found = await self._resolve(named)
        name = f"debounce {key}"
        for _ in range(_TRIES):
            stored = await self._stored(found.app, name)
            now = self._world.clock.now()
            latest = stored.latest if stored else 0 if at_most is None else now + _span(name, "at_most", at_most)
            at = now + _span(name, "wait", wait)
            moment = datetime.fromtimestamp((min(at, latest) if latest else at) / 1000, UTC)
            wanted = plan(name, named, args, kwargs or {}, {"at": moment, "overlap": "allow"})
            check_arguments(found, wanted.args, wanted.kwargs, "")
            made = wanted.schedule(found.app, self._client.keyring, declared=False)
            version = stored.version if stored else 0
            made = msgspec.structs.replace(made, once=True, latest=latest, version=version)
            try:
                return info_of(await self._world.put_schedule(made))
            except EntityConflictError:
                continue  # another call came between, or the run was started
        raise _busy(name)

    async def _stored(self, app: str, name: str) -> Schedule | None:
        try:
            return await self._world.schedule(app, name)
        except ScheduleNotFoundError:
            return None

    async def list(self) -> list[ScheduleInfo]:
        """Return all schedules, by name."""
        await self._open()
        return [info_of(schedule) for schedule in await self._world.schedules(self._client.app)]

    async def get(self, name: str) -> ScheduleInfo:
        """
        Return a schedule.

        Raises:
            ScheduleNotFoundError: there is none of this name.
            UsageError: several applications have one.
        """
        return info_of(await self._named(name))

    async def upcoming(self, name: str, count: int = 5) -> Slots:
        """Return the next slots of a schedule, up to *count*, whether it is paused or not; see :meth:`get`."""
        schedule = await self._named(name)
        after = max(self._world.clock.now(), schedule.slot - 1)
        return [*itertools.islice(rules.slots(schedule.timing, after), count)]

    async def pause(self, name: str, note: str = "") -> ScheduleInfo:
        """Start nothing any more; the run that goes on is left alone. See :meth:`get`."""
        return await self._change(name, paused=True, note=note)

    async def unpause(self, name: str) -> ScheduleInfo:
        """Go on with the next slot; those that passed are not made up for. See :meth:`get`."""
        return await self._change(name, paused=False, note="")

    async def delete(self, name: str) -> None:
        """Forget a schedule; its runs go on. A declared one comes back with the next worker. See :meth:`get`."""
        schedule = await self._named(name)
        await self._world.delete_schedule(schedule.app, schedule.name)

    async def trigger(self, name: str, *, overlap: Overlap | None = None) -> RunHandle[Any] | None:
        """
        Start a run now, beside the slots, also of a schedule that is paused.

        Args:
            name: of the schedule.
            overlap: in place of the schedule's own; what it skips or buffers starts no run now.

        Returns:
            The run, None when there is none because the one before has not ended.

        Raises:
            ScheduleNotFoundError, UsageError: as :meth:`get`.
            WorkflowNotRegisteredError, ArgumentError: the workflow is not deployed, or takes other arguments now.
        """
        for _ in range(_TRIES):
            schedule = await self._named(name)
            slot = self._world.clock.now()
            [start] = await starts(self._client, schedule, [slot], self._runtime)
            fired = await self._world.fire(Firing(schedule, (start,), None, overlap))
            if fired.schedule is not None:
                return self._client.run(start.run.id) if start.run.id in fired.started else None
        raise _busy(name)

    async def backfill(self, name: str, begin: datetime, end: datetime) -> Handles:
        """
        Start the runs of all slots from *begin* to *end*, both included, whatever the schedule's overlap policy.

        A slot that has its run gets no other one, so that this may be repeated.

        Args:
            name: of the schedule.
            begin, end: aware datetimes; no slot of the future is filled.

        Returns:
            The runs of these slots, in their order.

        Raises:
            LimitExceededError: there are more than :data:`torpor.limits.BACKFILL_MAX` slots.
            UsageError: a datetime has no time zone; and as :meth:`trigger`.
        """
        if begin.tzinfo is None or end.tzinfo is None:
            raise UsageError(f"from {begin} to {end}: both need a time zone, such as datetime(…, tzinfo=UTC)")
        schedule = await self._named(name)
        last = min(_ms(end), self._world.clock.now())
        found = itertools.takewhile(lambda slot: slot <= last, rules.slots(schedule.timing, _ms(begin) - 1))
        slots = [*itertools.islice(found, BACKFILL_MAX + 1)]
        if len(slots) > BACKFILL_MAX:
            raise LimitExceededError(
                f"schedule {name!r} has more than {BACKFILL_MAX} slots from {begin} to {end}; fill shorter ranges"
            )
        ids = {slot: rules.run_id(schedule, slot) for slot in slots}
        there = await self._world.statuses(list(ids.values()))
        for start in await starts(self._client, schedule, [s for s in slots if ids[s] not in there], self._runtime):
            try:
                await self._world.create_run(start.run)
            except EntityConflictError:
                continue  # somebody was quicker, with other arguments
        return [self._client.run(run_id) for run_id in ids.values()]

    async def _change(self, name: str, **fields: Any) -> ScheduleInfo:
        for _ in range(_TRIES):
            schedule = await self._named(name)
            try:
                changed = await self._world.put_schedule(msgspec.structs.replace(schedule, **fields))
            except ConflictError:
                continue
            return info_of(changed)
        raise _busy(name)

    async def _named(self, name: str) -> Schedule:
        await self._open()
        if self._client.app is not None:
            return await self._world.schedule(self._client.app, name)
        found = [schedule for schedule in await self._world.schedules() if schedule.name == name]
        if not found:
            raise ScheduleNotFoundError(
                f"no schedule {name!r} in world {self._world.url}; torpor schedules list shows those there are"
            )
        if len(found) > 1:
            apps = ", ".join(repr(schedule.app) for schedule in found)
            raise UsageError(
                f"several applications have a schedule {name!r}: {apps}; say which one is meant: Client(world, app=…), "
                f"or --app-name"
            )
        return found[0]

    async def _deployed(self, workflow: str) -> Startable:
        return await find_workflow(self._world, workflow, self._client.app)

    async def _open(self) -> None:
        if self._opened is not None:
            await self._opened()


def check_arguments(workflow: Startable, args: Sequence[Any], kwargs: dict[str, Any], slot_as: str) -> None:
    """
    Check that a workflow takes what it would be started with.

    Raises:
        ArgumentError: it does not.
    """
    workflow.arguments(args, with_slot(kwargs, slot_as, 0))


def with_slot(kwargs: dict[str, Any], slot_as: str, slot: int) -> dict[str, Any]:
    """Return the keyword arguments of the run of a slot."""
    return {**kwargs, slot_as: datetime.fromtimestamp(slot / 1000, UTC)} if slot_as else kwargs


async def starts(
    client: Client, schedule: Schedule, slots: Sequence[int], runtime: Runtime | None
) -> tuple[Start, ...]:
    """
    Return the runs that slots of a schedule begin, by what is deployed now; nothing is stored.

    Raises:
        WorkflowNotRegisteredError, ArgumentError: the workflow is not deployed, or takes other arguments now.
        KeyMissingError: the arguments or the program are stored under a key that is not here.
        ProgramMissingError: the world has lost the program.
        SerializationError: the arguments cannot be read here.
    """
    if not slots:
        return ()
    args, kwargs = read_arguments(schedule, client.keyring)
    found = await find_workflow(client.world, schedule.workflow, schedule.app)
    await client.require_program(found)
    made = []
    for slot in slots:
        arguments = found.arguments(args, with_slot(kwargs, schedule.slot_as, slot))
        run_id = rules.run_id(schedule, slot)
        new = await client.new_run(found, arguments, runtime=chosen_runtime(runtime), run_id=run_id)
        made.append(Start(slot, new))
    return tuple(made)


def info_of(schedule: Schedule) -> ScheduleInfo:
    """Return what users see of a schedule."""
    timing = schedule.timing
    return ScheduleInfo(
        name=schedule.name,
        app=schedule.app,
        workflow=schedule.workflow,
        cron=timing.cron,
        zone=timing.zone if timing.cron else "",
        every_ms=timing.every_ms,
        at=timing.at,
        overlap=schedule.overlap,
        catch_up=schedule.catch_up,
        jitter_ms=schedule.jitter_ms,
        slot_as=schedule.slot_as,
        declared=schedule.declared,
        paused=schedule.paused,
        note=schedule.note,
        next_at=None if schedule.paused else schedule.slot or None,
        waiting=schedule.buffered or None,
        last_at=schedule.last_slot or None,
        last_run=schedule.last_run,
        skipped=schedule.skipped,
        problem=schedule.problem,
        created_at=schedule.created_at,
    )


def _span(name: str, option: str, duration: Duration) -> int:
    try:
        return milliseconds(duration)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"{name}: {option}={duration!r}: {error}") from None


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _busy(name: str) -> ConflictError:
    return ConflictError(
        f"schedule {name!r} was changed by others {_TRIES} times in a row; nothing was done; try again"
    )


assert NEVER == 0, "what is never is no time to show"
