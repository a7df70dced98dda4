"""Workers of a memory world, and what they bring."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import Deployment, Heartbeat, Notice, WorkerRow
from torpor.worlds import claims
from torpor.worlds.memory.deadlines import expire
from torpor.worlds.memory.store import Store


def register(store: Store, worker: WorkerRow, clock: Clock) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Queue.register`."""
    store.workers[worker.id] = replace(worker, seen_at=clock.now(), silent_ms=0)
    store.beats[worker.id] = clock.steady()
    return None, None


def heartbeat(store: Store, worker_id: str, clock: Clock) -> tuple[Heartbeat, Notice | None]:
    """Answer :meth:`torpor.world.Queue.heartbeat`."""
    everybody = {worker.id: worker for worker in all_of(store, clock)}
    known = everybody.pop(worker_id, None) is not None
    if known:
        store.workers[worker_id] = replace(store.workers[worker_id], seen_at=clock.now())
        store.beats[worker_id] = clock.steady()
    strangers = [owner for owner in store.claims if owner not in store.workers]
    orphans = sum(store.release(owner, clock.now()) for owner in strangers)
    ended = expire(store, clock.now())
    answer = Heartbeat(known, tuple(everybody.values()), orphans)
    return answer, Notice(None, work=True, ended=ended is not None) if orphans or ended else None


def release(store: Store, worker_ids: Sequence[str], clock: Clock, *, expired_only: bool) -> tuple[int, Notice | None]:
    """Answer :meth:`torpor.world.Queue.release`."""
    alive = {worker.id for worker in all_of(store, clock) if not worker.expired} if expired_only else set()
    gone = [worker_id for worker_id in worker_ids if worker_id not in alive]
    released = sum(store.release(worker_id, clock.now()) for worker_id in gone)
    for worker_id in gone:
        store.workers.pop(worker_id, None)
        store.beats.pop(worker_id, None)
    return released, Notice(None, work=True) if released else None


def all_of(store: Store, clock: Clock) -> list[WorkerRow]:
    """Answer :meth:`torpor.world.Queries.workers`."""
    steady = clock.steady()
    return [replace(row, silent_ms=steady - store.beats[name]) for name, row in sorted(store.workers.items())]


def put_deployment(store: Store, deployment: Deployment, clock: Clock) -> tuple[None, None]:
    """Answer :meth:`torpor.world.Deployments.put_deployment`."""
    stored = store.deployments.pop(deployment.id, None)
    created_at = stored.created_at if stored else clock.now()
    store.deployments[deployment.id] = replace(deployment, created_at=created_at)
    ids = [each.id for each in store.deployments.values() if each.app == deployment.app]
    for old in claims.outdated(ids[::-1], {worker.deployment for worker in store.workers.values()}):
        del store.deployments[old]
    return None, None


def deployments(store: Store, app: str | None) -> list[Deployment]:
    """Answer :meth:`torpor.world.Deployments.deployments`."""
    return [each for each in reversed(store.deployments.values()) if app is None or each.app == app]
