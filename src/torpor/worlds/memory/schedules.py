"""Schedules of a memory world."""

from __future__ import annotations

from collections.abc import Collection

from torpor.lifecycle import RUN_TERMINAL
from torpor.model.schedules import NEVER, DueSchedules, Schedule
from torpor.worlds import refusals
from torpor.worlds import schedules as rules
from torpor.worlds.memory.store import Store


def existing(store: Store, app: str, name: str) -> Schedule:
    """Answer :meth:`torpor.world.Schedules.schedule`."""
    schedule = store.schedules.get((app, name))
    if schedule is None:
        raise refusals.schedule_not_found(app, name, store.url)
    return schedule


def all_of(store: Store, app: str | None) -> list[Schedule]:
    """Answer :meth:`torpor.world.Schedules.schedules`."""
    found = sorted(store.schedules.values(), key=lambda each: (each.name, each.app))
    return [schedule for schedule in found if app is None or schedule.app == app]


def due(store: Store, apps: Collection[str], limit: int, now: int) -> DueSchedules:
    """Answer :meth:`torpor.world.Schedules.due_schedules`."""
    found, later = [], []
    for schedule in store.schedules.values():
        if schedule.app not in apps or schedule.paused:
            continue
        wakes_at = schedule.wakes_at
        if (wakes_at is not None and wakes_at <= now) or rules.is_ahead(schedule, now) or _is_free(store, schedule):
            found.append(schedule)
        elif wakes_at is not None:
            later.append(wakes_at)
    found.sort(key=lambda schedule: (schedule.wakes_at or 0, schedule.app, schedule.name))
    return DueSchedules(tuple(found[:limit]), min(later, default=None))


def _is_free(store: Store, schedule: Schedule) -> bool:
    """Return whether the run has ended that a buffered slot waits for."""
    if schedule.buffered == NEVER:
        return False
    rows = store.runs.get(schedule.last_run)
    return rows is None or rows.run.status in RUN_TERMINAL
