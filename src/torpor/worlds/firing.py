"""What is asked of a store to keep schedules and to start their runs; :mod:`.schedules` has the rules."""

from __future__ import annotations

from contextlib import suppress

from msgspec.structs import replace

from torpor.lifecycle import RUN_TERMINAL
from torpor.model import Entities, Notice
from torpor.model.schedules import NEVER, Fired, Firing, Overlap, Schedule, Start
from torpor.worlds import operations, refusals, rules, schedules
from torpor.worlds.requests import (
    Apply,
    Conversation,
    DropSchedule,
    Operation,
    Part,
    PutSchedule,
    Scheduled,
    StaleError,
)


def put(wanted: Schedule, now: int) -> Operation[Schedule]:
    """Answer :meth:`torpor.world.Schedules.put_schedule`."""
    stored: Schedule | None = yield Scheduled(wanted.app, wanted.name)
    if (stored.version if stored else 0) != wanted.version:
        raise refusals.schedule_changed(wanted.name, stored.version if stored else 0)
    made = schedules.put(stored, wanted, now)
    yield PutSchedule(made)
    return made, Notice(None, work=True)


def delete(app: str, name: str, url: str) -> Operation[None]:
    """Answer :meth:`torpor.world.Schedules.delete_schedule`."""
    yield from existing(app, name, url)
    yield DropSchedule(app, name)
    return None, None


def existing(app: str, name: str, url: str) -> Conversation[Schedule]:
    """
    Return a schedule.

    Raises:
        ScheduleNotFoundError: there is none of this name.
    """
    found: Schedule | None = yield Scheduled(app, name)
    if found is None:
        raise refusals.schedule_not_found(app, name, url)
    return found


def fire(firing: Firing, now: int, url: str) -> Operation[Fired]:
    """Answer :meth:`torpor.world.Schedules.fire`; the runs and the schedule are one transaction."""
    schedule: Schedule | None = yield Scheduled(firing.schedule.app, firing.schedule.name)
    if schedule is None or schedule.version != firing.schedule.version:
        return Fired(None), None
    if firing.now is not None:
        schedule = schedules.moved(schedule, firing.now)
    started: list[str] = []
    skipped: list[int] = []
    cancelled: list[str] = []
    for start in firing.starts:
        before = schedule
        schedule, ended = yield from _start(schedule, start, firing.overlap, now, url)
        cancelled += ended
        if schedule.last_slot == start.slot and schedule.last_run == start.run.id:
            started.append(start.run.id)
        elif schedule.skipped > before.skipped and schedule.buffered != start.slot:
            skipped.append(start.slot)
    if schedule.once and schedule.slot == schedule.buffered == NEVER:
        yield DropSchedule(schedule.app, schedule.name)
    elif schedule != firing.schedule:
        schedule = replace(schedule, version=schedule.version + 1)
        yield PutSchedule(schedule)
    notice = Notice(None, work=True, ended=bool(cancelled)) if started or cancelled else None
    return Fired(schedule, tuple(started), tuple(skipped), tuple(cancelled)), notice


def _start(
    schedule: Schedule, start: Start, overlap: Overlap | None, now: int, url: str
) -> Conversation[tuple[Schedule, list[str]]]:
    """Let one slot do what it does; return the schedule after it, and the runs that were cancelled."""
    cancelled = []
    busy = yield from _is_busy(schedule.last_run)
    verdict, after = schedules.fire(schedule, start.slot, busy=busy, overlap=overlap)
    if verdict == "cancel":
        yield from operations.cancel(schedule.last_run, "", now, url)
        cancelled.append(schedule.last_run)
        busy = yield from _is_busy(schedule.last_run)
        verdict, after = schedules.fire(after, start.slot, busy=busy, overlap=overlap)
    if verdict == "start":
        with suppress(StaleError):  # the slot has its run
            yield Apply(rules.begin(start.run, now))
    return after, cancelled


def _is_busy(run_id: str) -> Conversation[bool]:
    found: Entities | None = (yield Part(run_id)) if run_id else None
    return found is not None and found.run.status not in RUN_TERMINAL
