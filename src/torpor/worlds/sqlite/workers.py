"""
Who works, and what they bring: registration, life, the release of what the dead had claimed, deployments.

Silence is measured by a clock that does not jump and whose origin is the machine's boot: a row of another boot has
expired.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.clock import Clock
from torpor.errors import DamagedError
from torpor.model import Deployment, Heartbeat, Notice, WorkerRow
from torpor.worlds import claims
from torpor.worlds.sqlite.changes import save_run, save_step, set_run_aside, set_step_aside
from torpor.worlds.sqlite.deadlines import expire
from torpor.worlds.sqlite.rows import STEP_COLUMNS, Row, step_of
from torpor.worlds.sqlite.sound import NUMBER_MAX, NonsenseError, Shape, check_numbers, reading
from torpor.worlds.sqlite.store import Store

WORKERS: Final = "SELECT id, machine, pid, born, lease_ms, app, deployment, seen_at, boot, beat FROM workers"
_WORKER: Final = Shape(
    id=str,
    machine=str,
    pid=int,
    born=int,
    lease_ms=int,
    app=str,
    deployment=str,
    seen_at=int,
    boot=str,
    beat=int,
)
_DEPLOYMENT: Final = Shape(created_at=int, body=bytes)
_ADD: Final = "INSERT OR REPLACE INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_CLAIMED_STEPS: Final = f"SELECT s.run, {STEP_COLUMNS}, s.input FROM steps s WHERE s.worker = ?"
_OWNERS: Final = (
    "owners_of_{0} (worker) AS (SELECT min(worker) FROM {0} WHERE worker IS NOT NULL UNION ALL "
    "SELECT (SELECT min(worker) FROM {0} WHERE worker > owners_of_{0}.worker) "
    "FROM owners_of_{0} WHERE worker IS NOT NULL)"
)
# From owner to owner, instead of through all that they have claimed.
_ORPHANED: Final = (
    f"WITH RECURSIVE {_OWNERS.format('runs')}, {_OWNERS.format('steps')} "
    "SELECT worker FROM (SELECT worker FROM owners_of_runs UNION SELECT worker FROM owners_of_steps) "
    "WHERE worker IS NOT NULL AND worker NOT IN (SELECT id FROM workers)"
)
_PUT_DEPLOYMENT: Final = (
    "INSERT OR REPLACE INTO deployments (k, id, app, created_at, body) VALUES ("
    f"(SELECT ifnull(max(k), 0) + 1 FROM deployments WHERE k < {NUMBER_MAX}), :id, :app, "
    "ifnull((SELECT created_at FROM deployments WHERE id = :id AND typeof(created_at) = 'integer'), :now), :body)"
)


def _read_boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.exists() else ""


BOOT: Final = _read_boot()
"""Identity of the machine's boot, ``""`` where there is none to read; then only the clock tells boots apart."""


def register(store: Store, worker: WorkerRow, clock: Clock) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Queue.register`."""
    about = (worker.id, worker.machine, worker.pid, worker.born, worker.lease_ms, worker.app, worker.deployment)
    store.db.execute(_ADD, (*about, clock.now(), BOOT, clock.steady()))
    return None, None


def heartbeat(store: Store, worker_id: str, clock: Clock) -> tuple[Heartbeat, Notice | None]:
    """Answer :meth:`torpor.world.Queue.heartbeat`."""
    everybody = {}
    for row in store.db.execute(WORKERS).fetchall():
        try:
            worker = worker_of(row, clock)
        except DamagedError:  # what it has claimed is others', and it begins anew
            store.db.execute("DELETE FROM workers WHERE id IS ?", (row[0],))
        else:
            everybody[worker.id] = worker
    known = everybody.pop(worker_id, None) is not None
    if known:
        beat = (clock.now(), BOOT, clock.steady(), worker_id)
        store.db.execute("UPDATE workers SET seen_at = ?, boot = ?, beat = ? WHERE id = ?", beat)
    orphaned = store.db.execute(_ORPHANED).fetchall()
    taken = sum(_take_claims(store, owner, clock) for (owner,) in orphaned)
    ended = expire(store, clock.now())  # whoever has room for work sees to it sooner
    answer = Heartbeat(known, tuple(everybody.values()), taken)
    return answer, Notice(None, work=True, ended=ended is not None) if taken or ended else None


def release(store: Store, worker_ids: Sequence[str], clock: Clock, *, expired_only: bool) -> tuple[int, Notice | None]:
    """Answer :meth:`torpor.world.Queue.release`."""
    alive = {worker.id for worker in all_of(store, clock) if not worker.expired} if expired_only else set()
    released = 0
    for worker_id in worker_ids:
        if worker_id not in alive:
            released += _take_claims(store, worker_id, clock)
            store.db.execute("DELETE FROM workers WHERE id = ?", (worker_id,))
    return released, Notice(None, work=True) if released else None


def all_of(store: Store, clock: Clock) -> list[WorkerRow]:
    """Answer :meth:`torpor.world.Queries.workers`."""
    found = []
    for row in store.db.execute(f"{WORKERS} ORDER BY id").fetchall():
        with suppress(DamagedError):
            found.append(worker_of(row, clock))
    return found


def put_deployment(store: Store, deployment: Deployment, clock: Clock) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Deployments.put_deployment`."""
    body = msgspec.json.encode(replace(deployment, created_at=0))
    about = {"id": deployment.id, "app": deployment.app, "now": clock.now(), "body": body}
    store.db.execute(_PUT_DEPLOYMENT, about)
    stored = store.db.execute("SELECT id FROM deployments WHERE app = ? ORDER BY k DESC", (deployment.app,)).fetchall()
    named = {row[0] for row in store.db.execute("SELECT deployment FROM workers")}
    for old in claims.outdated([row[0] for row in stored], named):
        store.db.execute("DELETE FROM deployments WHERE id = ?", (old,))
    return None, None


def deployments(store: Store, app: str | None) -> list[Deployment]:
    """Answer :meth:`torpor.world.Deployments.deployments`."""
    where, values = ("", ()) if app is None else ("WHERE app = ?", (app,))
    rows = store.db.execute(f"SELECT created_at, body FROM deployments {where} ORDER BY k DESC", values)
    found = []
    for created_at, body in rows.fetchall():
        with suppress(NonsenseError, msgspec.DecodeError):
            found.append(deployment_of(created_at, body))
    return found


def deployment_of(created_at: int, body: bytes) -> Deployment:
    """
    Return a deployment that is stored.

    Raises:
        NonsenseError, msgspec.DecodeError: it makes no sense.
    """
    _DEPLOYMENT.check((created_at, body))
    check_numbers((created_at,), "created_at")
    return replace(msgspec.json.decode(body, type=Deployment), created_at=created_at)


def _take_claims(store: Store, worker_id: str, clock: Clock) -> int:
    """Make everything that a worker has claimed ready for anybody; return how much it was."""
    now, taken = clock.now(), 0
    runs = store.db.execute("SELECT k FROM runs WHERE worker = ?", (worker_id,)).fetchall()
    for (k,) in runs:
        try:
            run = store.run_at(k)
            save_run(store, run, claims.release(run, now))
            taken += 1
        except DamagedError as error:
            taken += set_run_aside(store, k, str(error), now)
    steps = store.db.execute(_CLAIMED_STEPS, (worker_id,)).fetchall()
    for k, *row in steps:
        try:
            run = store.run_at(k)
            step = step_of(run.id, tuple(row), store.kinds.texts, store.lanes.texts)
            save_step(store, run, claims.release_step(run, step, now), step.epoch)
            taken += 1
        except DamagedError as error:
            taken += set_step_aside(store, k, row[0], str(error), now)
    return taken


def worker_of(row: Row, clock: Clock) -> WorkerRow:
    """
    Return the value of a worker's row.

    Raises:
        DamagedError: it makes no sense.
    """
    worker_id, machine, pid, born, lease_ms, app, deployment, seen_at, boot, beat = row
    with reading(f"worker {worker_id}"):
        _WORKER.check(row)
        check_numbers((pid, born, lease_ms, seen_at, abs(beat)), "pid born lease_ms seen_at beat")
    silent_ms = clock.steady() - beat
    if boot != BOOT or silent_ms < 0:  # nobody lives on across a boot, whatever the clock says of it
        silent_ms = max(silent_ms, lease_ms + 1)
    return WorkerRow(worker_id, machine, pid, born, lease_ms, app, deployment, seen_at, silent_ms)
