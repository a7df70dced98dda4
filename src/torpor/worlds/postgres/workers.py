"""Who works, and what they bring: registration, life, the release of what the dead had claimed, deployments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.model import Deployment, Heartbeat, Notice, WorkerRow
from torpor.worlds import claims
from torpor.worlds.draft import Changes
from torpor.worlds.postgres.changes import prepared, save_step
from torpor.worlds.postgres.deadlines import OVERDUE, expire
from torpor.worlds.postgres.rows import STEP_COLUMNS, step_of
from torpor.worlds.postgres.statements import Row, Statement
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.times import ASK, LOCK_OF_PRESENCE, SERVER_NOW, STARTED
from torpor.worlds.server_times import Times

_WORKERS: Final = (
    # Whose lock can be had is not there. It is let go with the look; two who look at once see it as held.
    "SELECT id, machine, pid, born, lease_ms, app, deployment, seen_at, beat, presence, "
    f"CASE WHEN presence <> '' AND server = {STARTED} "
    f"THEN NOT pg_try_advisory_xact_lock({LOCK_OF_PRESENCE.format('presence')}) END FROM torpor.workers ORDER BY id"
)
_ADD: Final = (
    "INSERT INTO torpor.workers (id, machine, pid, born, lease_ms, app, deployment, seen_at, beat, presence, server) "
    "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET machine = excluded.machine, "
    "pid = excluded.pid, born = excluded.born, lease_ms = excluded.lease_ms, app = excluded.app, "
    "deployment = excluded.deployment, seen_at = excluded.seen_at, beat = excluded.beat, "
    "presence = excluded.presence, server = excluded.server"
)
_NOW: Final = f"coalesce(%s::bigint, {SERVER_NOW})"
_OVERDUE: Final = f"SELECT {OVERDUE.format(now=_NOW)}"
_BEAT: Final = f"UPDATE torpor.workers SET seen_at = {_NOW}, beat = {_NOW}, server = %s WHERE id = %s RETURNING 1"


def _owners(table: str) -> str:
    # From owner to owner, instead of through all that they have claimed.
    first = f"SELECT min(worker) FROM torpor.{table} WHERE worker <> ''"
    return (
        f"of_{table} (worker) AS ({first} UNION ALL SELECT ({first} AND {table}.worker > o.worker) "
        f"FROM of_{table} o WHERE o.worker IS NOT NULL)"
    )


_ORPHANED: Final = (
    f"WITH RECURSIVE {_owners('turns')}, {_owners('steps')} SELECT worker FROM "
    "(SELECT worker FROM of_turns UNION SELECT worker FROM of_steps) owners "
    "WHERE worker IS NOT NULL AND worker NOT IN (SELECT id FROM torpor.workers)"
)
_CLAIMED_RUNS: Final = (
    "WHERE r.id IN (SELECT run FROM torpor.turns WHERE worker = %s AND worker <> '') ORDER BY r.id FOR UPDATE"
)
_CLAIMED_STEPS: Final = (
    f"SELECT {STEP_COLUMNS} FROM torpor.steps s WHERE s.worker = %s AND s.worker <> '' ORDER BY s.run, s.id FOR UPDATE"
)
_LOCK_OWNERS: Final = (
    "SELECT 1 FROM torpor.runs WHERE id IN (SELECT run FROM torpor.steps WHERE worker = %s AND worker <> '') "
    "ORDER BY id FOR UPDATE"
)
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))"
_PUT_DEPLOYMENT: Final = (
    "INSERT INTO torpor.deployments (k, id, app, created_at, body) "
    "SELECT coalesce(max(k), 0) + 1, %s, %s, %s, %s FROM torpor.deployments "
    "ON CONFLICT (id) DO UPDATE SET k = excluded.k"
)


def register(store: Store, worker: WorkerRow, times: Times) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Queue.register`."""
    now, _ = _told(store, times)
    about = (worker.id, worker.machine, worker.pid, worker.born, worker.lease_ms, worker.app, worker.deployment)
    store.connection.rows(_ADD, *about, now, times.beat(now), worker.presence, times.presence.shown_to)
    return None, None


def heartbeat(store: Store, worker_id: str, times: Times) -> tuple[Heartbeat, Notice | None]:
    """Answer :meth:`torpor.world.Queue.heartbeat`."""
    asked, shows = times.asked, times.presence.shows
    beat = asked if asked is None else times.beat(asked)
    known, orphaned, [(overdue,)], [told], rows = store.connection.ask(
        (_BEAT, (asked, beat, times.presence.shown_to, worker_id)),
        (_ORPHANED, ()),
        (_OVERDUE, (asked, asked)),
        (ASK, ()),
        (_WORKERS, ()),
    )
    now, _ = times.told(*told)
    others = tuple(worker for worker in _workers_of(rows, told, times, shows) if worker.id != worker_id)
    taken = sum(_release_orphans(store, owner, now) for (owner,) in orphaned)
    ended = expire(store, times) if overdue else None  # whoever has room for work sees to it sooner
    answer = Heartbeat(bool(known), others, taken)
    return answer, Notice(None, work=True, ended=ended is not None) if taken or ended else None


def release(store: Store, worker_ids: Sequence[str], times: Times, *, expired_only: bool) -> tuple[int, Notice | None]:
    """Answer :meth:`torpor.world.Queue.release`."""
    released = 0
    for worker_id in sorted(worker_ids):
        with store.transaction():
            # Its row is locked first, as a claim of its own does: so that it claims nothing that nobody takes away.
            store.connection.rows("SELECT 1 FROM torpor.workers WHERE id = %s FOR UPDATE", worker_id)
            alive = {worker.id for worker in all_of(store, times) if not worker.expired} if expired_only else set()
            if worker_id not in alive:
                released += _take_claims(store, worker_id, times.clock.now())
                store.connection.rows("DELETE FROM torpor.workers WHERE id = %s", worker_id)
    return released, Notice(None, work=True) if released else None


def all_of(store: Store, times: Times) -> list[WorkerRow]:
    """Answer :meth:`torpor.world.Queries.workers`."""
    shows = times.presence.shows
    [told], rows = store.connection.ask((ASK, ()), (_WORKERS, ()))
    return _workers_of(rows, told, times, shows)


def _workers_of(rows: Sequence[Row], told: Row, times: Times, shows: int) -> list[WorkerRow]:
    now, started_at = times.told(*told)
    looked = []
    for *fields, beat, presence, is_there in rows:
        silent_ms = times.silence(now, beat, started_at)
        looked.append((replace(WorkerRow(*fields), silent_ms=silent_ms, presence=presence), is_there))
    return times.presence.judge(looked, times.clock, shows)


def put_deployment(store: Store, deployment: Deployment, times: Times) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Deployments.put_deployment`."""
    body = msgspec.json.encode(replace(deployment, created_at=0))
    with store.transaction():
        _, _, stored, named = store.connection.ask(
            (_LOCK, ("deployments",)),
            (_PUT_DEPLOYMENT, (deployment.id, deployment.app, times.clock.now(), body)),
            ("SELECT id FROM torpor.deployments WHERE app = %s ORDER BY k DESC", (deployment.app,)),
            ("SELECT deployment FROM torpor.workers", ()),
        )
        old = claims.outdated([row[0] for row in stored], {row[0] for row in named})
        if old:
            store.connection.rows("DELETE FROM torpor.deployments WHERE id = ANY(%s)", old)
    return None, None


def deployments(store: Store, app: str | None) -> list[Deployment]:
    """Answer :meth:`torpor.world.Deployments.deployments`."""
    query = "SELECT created_at, body FROM torpor.deployments WHERE %s::text IS NULL OR app = %s ORDER BY k DESC"
    return [
        replace(msgspec.json.decode(body, type=Deployment), created_at=created_at)
        for created_at, body in store.connection.rows(query, app, app)
    ]


def _told(store: Store, times: Times) -> tuple[int, int]:
    [told] = store.connection.rows(ASK)
    return times.told(*told)


def _release_orphans(store: Store, owner: str, now: int) -> int:
    with store.transaction():
        if store.connection.rows("SELECT 1 FROM torpor.workers WHERE id = %s FOR SHARE", owner):
            return 0  # it has registered meanwhile
        return _take_claims(store, owner, now)


def _take_claims(store: Store, worker_id: str, now: int) -> int:
    """Make everything that a worker has claimed ready for anybody; return how much it was."""
    connection = store.connection
    runs = store.runs(_CLAIMED_RUNS, worker_id)
    connection.rows(_LOCK_OWNERS, worker_id)
    steps = [step_of(row) for row in connection.rows(_CLAIMED_STEPS, worker_id)]
    owners = {run.id: run for run in store.runs("WHERE r.id = ANY(%s)", list({step.run_id for step in steps}))}
    held = [run for run in runs if run.worker == worker_id]  # another turn of it may have begun before it was locked
    statements: list[Statement] = []
    for run in held:
        statements += prepared(store, Changes(claims.release(run, now), run))
    for step in steps:
        run = owners[step.run_id]
        statements += save_step(store, run, claims.release_step(run, step, now), step.epoch)
    connection.store(statements)
    return len(held) + len(steps)
