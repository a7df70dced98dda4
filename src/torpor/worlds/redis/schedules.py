"""Schedules: one hash, by application and name."""

from __future__ import annotations

from collections.abc import Collection

from torpor.lifecycle import RUN_TERMINAL
from torpor.model.schedules import NEVER, DueSchedules, Schedule
from torpor.worlds import refusals
from torpor.worlds import requests as ask
from torpor.worlds import schedules as rules
from torpor.worlds.redis.keys import joined
from torpor.worlds.redis.rows import pack, unpack, unpack_sound
from torpor.worlds.redis.store import Store


def find(store: Store, request: ask.Scheduled) -> Schedule | None:
    """Answer :class:`torpor.worlds.requests.Scheduled`."""
    row = store.draft.get(store.keys.schedules, joined(request.app, request.name))
    return None if row is None else _schedule(row)


def put(store: Store, request: ask.PutSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.PutSchedule`."""
    schedule = request.schedule
    store.draft.put(store.keys.schedules, {joined(schedule.app, schedule.name): pack(schedule)})


def drop(store: Store, request: ask.DropSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.DropSchedule`."""
    store.draft.drop(store.keys.schedules, [joined(request.app, request.name)])


def existing(store: Store, app: str, name: str) -> Schedule:
    """Answer :meth:`torpor.world.Schedules.schedule`."""
    [row] = store.connection.ask(("HGET", store.keys.schedules, joined(app, name)))
    if row is None:
        raise refusals.schedule_not_found(app, name, store.url)
    return _schedule(row)


def all_of(store: Store, app: str | None) -> list[Schedule]:
    """Answer :meth:`torpor.world.Schedules.schedules`."""
    found = [schedule for schedule in _all(store) if app is None or schedule.app == app]
    return sorted(found, key=lambda schedule: (schedule.name, schedule.app))


def due(store: Store, apps: Collection[str], limit: int, now: int) -> DueSchedules:
    """Answer :meth:`torpor.world.Schedules.due_schedules`."""
    mine = [schedule for schedule in _all(store) if schedule.app in apps and not schedule.paused]
    buffering = sorted({schedule.last_run for schedule in mine if schedule.buffered != NEVER})
    going = {row.run.id for row in store.rows(buffering) if row.run.status not in RUN_TERMINAL}
    found, later = [], []
    for schedule in mine:
        wakes_at = schedule.wakes_at
        is_free = schedule.buffered != NEVER and schedule.last_run not in going
        if (wakes_at is not None and wakes_at <= now) or rules.is_ahead(schedule, now) or is_free:
            found.append(schedule)
        elif wakes_at is not None:
            later.append(wakes_at)
    found.sort(key=lambda schedule: (schedule.wakes_at or 0, schedule.app, schedule.name))
    return DueSchedules(tuple(found[:limit]), min(later, default=None))


def _all(store: Store) -> list[Schedule]:
    [rows] = store.connection.ask(("HVALS", store.keys.schedules))
    return unpack_sound(rows, Schedule)


def _schedule(row: bytes) -> Schedule:
    return unpack(row, Schedule, "a schedule")
