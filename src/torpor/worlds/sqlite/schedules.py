"""Schedules in a SQLite file; one that is damaged is passed by, and named by an examination."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from torpor.errors import DamagedError
from torpor.lifecycle import RUN_TERMINAL
from torpor.model.schedules import NEVER, DueSchedules, Schedule
from torpor.worlds import refusals
from torpor.worlds.requests import DropSchedule, PutSchedule, Scheduled
from torpor.worlds.schedules import CLOCK_BACK_MS
from torpor.worlds.sqlite.codes import RUN_CODE
from torpor.worlds.sqlite.rows import Row
from torpor.worlds.sqlite.sound import NUMBER_MAX, NonsenseError, Shape, check_numbers
from torpor.worlds.sqlite.store import Store

SCHEDULES: Final = "SELECT app, name, version, body FROM schedules"
_ROW: Final = Shape(app=str, name=str, version=int, body=bytes)
_PUT: Final = "INSERT OR REPLACE INTO schedules VALUES (?, ?, ?, ?, ?, ?, ?)"
_ENDED: Final = ", ".join(str(RUN_CODE[status]) for status in sorted(RUN_TERMINAL))
_OF_APPS: Final = "app IN (SELECT value FROM json_each(:apps))"
_DUE: Final = (
    f"{SCHEDULES} WHERE {_OF_APPS} AND (wakes_at <= :now OR wakes_at IS NOT NULL AND moved_at > :now + {CLOCK_BACK_MS} "
    f"OR waits_for <> '' AND NOT EXISTS (SELECT 1 FROM runs WHERE id = waits_for AND status NOT IN ({_ENDED}))) "
    "ORDER BY ifnull(wakes_at, 0), app, name LIMIT :limit"
)
_NEXT: Final = (
    f"SELECT min(wakes_at) FROM schedules WHERE {_OF_APPS} AND wakes_at > :now AND wakes_at <= {NUMBER_MAX} "
    f"AND moved_at <= :now + {CLOCK_BACK_MS}"
)


def schedule_of(row: Row) -> Schedule:
    """
    Return the value of a row of :data:`SCHEDULES`.

    Raises:
        DamagedError: it makes no sense.
    """
    app, name, version, body = row
    try:
        _ROW.check(row)
        schedule = msgspec.json.decode(body, type=Schedule)
        check_numbers((schedule.slot, schedule.due, schedule.moved_at, schedule.buffered), "slot due moved_at buffered")
        if (schedule.app, schedule.name, schedule.version) != (app, name, version):
            raise NonsenseError("its body is that of another schedule or version")
    except (NonsenseError, msgspec.DecodeError) as error:
        raise DamagedError(f"schedule {name!r} of application {app!r}", str(error)) from error
    return schedule


def find(store: Store, request: Scheduled) -> Schedule | None:
    """Answer :class:`torpor.worlds.requests.Scheduled`."""
    row = store.db.execute(f"{SCHEDULES} WHERE app = ? AND name = ?", (request.app, request.name)).fetchone()
    return None if row is None else schedule_of(row)


def put(store: Store, request: PutSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.PutSchedule`."""
    schedule = request.schedule
    waits_for = schedule.last_run if schedule.buffered != NEVER and not schedule.paused else ""
    about = (schedule.app, schedule.name, schedule.version, schedule.wakes_at, schedule.moved_at, waits_for)
    store.db.execute(_PUT, (*about, msgspec.json.encode(schedule)))


def drop(store: Store, request: DropSchedule) -> None:
    """Answer :class:`torpor.worlds.requests.DropSchedule`."""
    store.db.execute("DELETE FROM schedules WHERE app = ? AND name = ?", (request.app, request.name))


def existing(store: Store, app: str, name: str) -> Schedule:
    """Answer :meth:`torpor.world.Schedules.schedule`."""
    schedule = find(store, Scheduled(app, name))
    if schedule is None:
        raise refusals.schedule_not_found(app, name, store.url)
    return schedule


def all_of(store: Store, app: str | None) -> list[Schedule]:
    """Answer :meth:`torpor.world.Schedules.schedules`."""
    where, values = ("", ()) if app is None else ("WHERE app = ?", (app,))
    return list(_sound(store.rows(f"{SCHEDULES} {where} ORDER BY name, app", *values)))


def due(store: Store, apps: Sequence[str], limit: int, now: int) -> DueSchedules:
    """Answer :meth:`torpor.world.Schedules.due_schedules`."""
    names = msgspec.json.encode(apps).decode()
    about = {"apps": names, "now": now, "limit": limit}
    found = tuple(_sound(store.db.execute(_DUE, about).fetchall()))
    (next_at,) = store.db.execute(_NEXT, about).fetchone()
    return DueSchedules(found, next_at)


def _sound(rows: list[Row]) -> Iterator[Schedule]:
    for row in rows:
        try:
            yield schedule_of(row)
        except DamagedError:  # it fires no more, and the others do
            continue
