"""
Looking through the whole file for rows that make no sense, and for rows that belong to nothing.

Every row is read as it is when it is used, so that this says what somebody would meet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

import msgspec

from torpor.clock import Clock
from torpor.errors import DamagedError
from torpor.lifecycle import RUN_ENDINGS, RUN_TERMINAL, TRANSITIONS, EventType, RunStatus
from torpor.worlds.sqlite import streams
from torpor.worlds.sqlite.codes import RUN_OF
from torpor.worlds.sqlite.flow import QUEUES, state_of
from torpor.worlds.sqlite.orphans import orphans
from torpor.worlds.sqlite.rows import EVENT_COLUMNS, SHIFT, events_of
from torpor.worlds.sqlite.run_rows import RUNS
from torpor.worlds.sqlite.schedules import SCHEDULES, schedule_of
from torpor.worlds.sqlite.sound import NonsenseError, reading
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.tenants import TENANTS, tenant_of
from torpor.worlds.sqlite.workers import WORKERS, deployment_of, worker_of

FINDINGS_MAX: Final = 1_000
"""Whoever finds more than this restores a backup."""

_PAGES_MAX: Final = 20
_LOGS: Final = f"SELECT k >> {SHIFT}, {EVENT_COLUMNS} FROM events ORDER BY k"
_ASTRAY: Final = (
    # A step task lies on the route of its run, without the guest.
    "SELECT s.run, s.id FROM steps s JOIN runs r ON r.k = s.run JOIN routes u ON u.k = r.route "
    "LEFT JOIN routes t ON t.k = s.route LEFT JOIN lanes l ON l.k = s.lane WHERE s.task "
    "AND (t.app, t.queue, t.guest, t.key_id) IS NOT (u.app, ifnull(l.queue, u.queue), '', u.key_id)"
)
_STRANGERS: Final = (
    "SELECT r.k FROM runs r JOIN workflows w ON w.k = r.workflow JOIN routes t ON t.k = r.route WHERE w.app <> t.app"
)


def damaged(store: Store, clock: Clock) -> list[DamagedError]:
    """Answer :meth:`torpor.world.Queries.damaged`."""
    return list(itertools.islice(_found(store, clock), FINDINGS_MAX))


def _found(store: Store, clock: Clock) -> Iterator[DamagedError]:
    yield from _pages(store)
    yield from _runs(store)
    yield from _logs(store)
    yield from _streams(store)
    yield from orphans(store)
    yield from _astray(store)
    for row in store.db.execute(WORKERS).fetchall():
        try:
            worker_of(row, clock)
        except DamagedError as error:
            yield error
    for k, created_at, body in store.db.execute("SELECT k, created_at, body FROM deployments").fetchall():
        try:
            deployment_of(created_at, body)
        except (NonsenseError, msgspec.DecodeError) as error:
            yield DamagedError(f"row {k} of table deployments", str(error))
    for row in store.rows(QUEUES):
        try:
            state_of(row)
        except DamagedError as error:
            yield error
    for row in store.rows(SCHEDULES):
        try:
            schedule_of(row)
        except DamagedError as error:
            yield error
    for row in store.rows(TENANTS):
        try:
            tenant_of(row)
        except DamagedError as error:
            yield error


def _pages(store: Store) -> Iterator[DamagedError]:
    """Ask SQLite for pages, indexes and types that are not as they should be."""
    for (line,) in store.rows(f"PRAGMA integrity_check({_PAGES_MAX})"):
        if line != "ok":
            yield DamagedError("the file", line)


def _runs(store: Store) -> Iterator[DamagedError]:
    for row in store.rows(f"{RUNS} ORDER BY k"):
        try:
            store.run_of(row)
        except DamagedError as error:
            yield error
    for (k,) in store.db.execute(_STRANGERS).fetchall():
        yield DamagedError(
            f"row {k} of table runs", "workflow and route are of two applications", run_id=store.name_at(k)
        )


def _logs(store: Store) -> Iterator[DamagedError]:
    """Look at every log: that each event makes sense, and that none lacks between the first and the last."""
    ends = {k: its for k, *its in store.rows("SELECT k, base, head, status FROM runs")}
    for k, rows in itertools.groupby(store.db.execute(_LOGS), key=lambda row: row[0]):
        if k not in ends:
            yield DamagedError(f"{sum(1 for _ in rows)} events", f"there is no run number {k}, whose they are")
            continue
        base, head, status = ends.pop(k)
        try:
            events = events_of(store.name_at, k, [row[1:] for row in rows])
            with reading("the log", store.name_at(k)):
                _check_dense([event.seq for event in events], base, head)
                _check_ending(events[-1].type, RUN_OF.get(status))
        except DamagedError as error:
            yield error
    for k, (base, head, _) in ends.items():
        if base != head:
            yield DamagedError("the log", f"nothing of it is there; it has {head} events", run_id=store.name_at(k))


def _check_dense(seqs: list[int], base: int, head: int) -> None:
    if seqs != list(range(base + 1, base + 1 + len(seqs))) or seqs[-1] != head:
        raise NonsenseError(
            f"it has {len(seqs)} events from {seqs[0]} to {seqs[-1]}; it goes from {base + 1} to {head}"
        )


def _check_ending(last: EventType, status: RunStatus | None) -> None:
    ending = TRANSITIONS[last][1] if last in RUN_ENDINGS else None
    if status is not None and ending != (status if status in RUN_TERMINAL else None):
        raise NonsenseError(f"it ends with {last}, and the run is {status}")


def _streams(store: Store) -> Iterator[DamagedError]:
    """Look at every stream: that each chunk makes sense but for its content, and that none lacks."""
    for k, run in store.rows("SELECT k, run FROM streams ORDER BY k"):
        try:
            streams.check(store, k, store.name_at(run))
        except DamagedError as error:
            yield error


def _astray(store: Store) -> Iterator[DamagedError]:
    for k, step_id in store.db.execute(_ASTRAY).fetchall():
        problem = "its task lies where no worker of its run's application and key looks for it"
        yield DamagedError(f"step {step_id}", problem, run_id=store.name_at(k))
