"""Schedules in a Postgres database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from torpor.model.schedules import NEVER, DueSchedules, Schedule
from torpor.worlds import refusals
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import DropSchedule, PutSchedule, Scheduled
from torpor.worlds.schedules import CLOCK_BACK_MS

_SCHEDULES: Final = "SELECT body FROM torpor.schedules"
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))"
"""A lock of the name, because there may be no row yet."""

_PUT: Final = (
    "INSERT INTO torpor.schedules (app, name, version, wakes_at, moved_at, waits_for, body) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (app, name) DO UPDATE SET version = excluded.version, "
    "wakes_at = excluded.wakes_at, moved_at = excluded.moved_at, waits_for = excluded.waits_for, body = excluded.body"
)
_DUE: Final = (
    f"{_SCHEDULES} WHERE app = ANY(%(apps)s) AND (wakes_at <= %(now)s "
    f"OR wakes_at IS NOT NULL AND moved_at > %(now)s + {CLOCK_BACK_MS} OR waits_for <> '' "
    "AND NOT EXISTS (SELECT 1 FROM torpor.runs WHERE id = waits_for AND ended_at = 0)) "
    "ORDER BY coalesce(wakes_at, 0), app, name LIMIT %(limit)s"
)
_NEXT: Final = (
    "SELECT min(wakes_at) FROM torpor.schedules WHERE app = ANY(%(apps)s) AND wakes_at > %(now)s "
    f"AND moved_at <= %(now)s + {CLOCK_BACK_MS}"
)


def _schedule_of(body: bytes) -> Schedule:
    return msgspec.json.decode(body, type=Schedule)


def existing(store: Store, app: str, name: str) -> Schedule:
    """Answer :meth:`torpor.world.Schedules.schedule`."""
    row = store.connection.row(f"{_SCHEDULES} WHERE app = %s AND name = %s", app, name)
    if row is None:
        raise refusals.schedule_not_found(app, name, store.url)
    return _schedule_of(row[0])


def find(store: Store, request: Scheduled) -> Schedule | None:
    """Answer :class:`torpor.worlds.requests.Scheduled`."""
    _, found = store.connection.ask(
        (_LOCK, (f"{request.app}//{request.name}",)),
        (f"{_SCHEDULES} WHERE app = %s AND name = %s", (request.app, request.name)),
    )
    return _schedule_of(found[0][0]) if found else None


def put(store: Store, request: PutSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.PutSchedule`."""
    schedule = request.schedule
    waits_for = schedule.last_run if schedule.buffered != NEVER and not schedule.paused else ""
    about = (schedule.app, schedule.name, schedule.version, schedule.wakes_at, schedule.moved_at, waits_for)
    store.connection.rows(_PUT, *about, msgspec.json.encode(schedule))


def drop(store: Store, request: DropSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.DropSchedule`."""
    store.connection.rows("DELETE FROM torpor.schedules WHERE app = %s AND name = %s", request.app, request.name)


def all_of(store: Store, app: str | None) -> list[Schedule]:
    """Answer :meth:`torpor.world.Schedules.schedules`."""
    query = f"{_SCHEDULES} WHERE %s::text IS NULL OR app = %s ORDER BY name, app"
    return [_schedule_of(body) for (body,) in store.connection.rows(query, app, app)]


def due(store: Store, apps: Sequence[str], limit: int, now: int) -> DueSchedules:
    """Answer :meth:`torpor.world.Schedules.due_schedules`."""
    asked = {"apps": [*apps], "now": now, "limit": limit}
    found, [(next_at,)] = store.connection.ask((_DUE, asked), (_NEXT, asked))
    return DueSchedules(tuple(_schedule_of(body) for (body,) in found), next_at)
