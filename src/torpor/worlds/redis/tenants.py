"""
Tenants in Redis, and what their runs have used; see :mod:`torpor.worlds.tenants`.

What all runs of a tenant have used is one hash, which commits add to without reading it: the server adds in one piece,
so nobody waits for anybody. Beside it each run has what is stored of it, which goes with it.
"""

from __future__ import annotations

from typing import Final

from torpor.model.tenants import Tenant, TenantInfo, Usage
from torpor.tenant_names import owned, tenant_of
from torpor.worlds import refusals
from torpor.worlds.draft import Changes
from torpor.worlds.redis.rows import pack, unpack
from torpor.worlds.redis.store import Store
from torpor.worlds.requests import DropTenant, PutTenant, TenantOf
from torpor.worlds.streams import StreamChanges
from torpor.worlds.tenants import charge, written

_FIELDS: Final = (b"runs", b"open", b"cpu_us", b"steps", b"stored")
_OF_RUN: Final = (b"open", b"snapshot")


def count(store: Store, changes: Changes) -> None:
    """Add what changes cost to what the run and its tenant have used."""
    cost = charge(changes)
    if cost is None:
        return
    run_id = changes.run.id
    key = store.keys.of("usage", run_id)
    pending = store.draft.read(key, {})
    [found] = store.connection.ask(("HMGET", key, *_OF_RUN))
    # Whoever changes these appends events, too, so that the fence of the run keeps them as they were read.
    was_open, had = (int(pending.get(field, value) or 0) for field, value in zip(_OF_RUN, found, strict=True))
    is_new = found[0] is None and not pending
    snapshot = had if cost.snapshot is None else cost.snapshot
    is_open = int(not cost.ended)
    store.draft.put(key, {b"open": b"%d" % is_open, b"snapshot": b"%d" % snapshot})
    _store_more(store, changes.run.id, cost.stored + snapshot - had)
    _add(store, cost.tenant, (cost.runs if is_new else 0, is_open - was_open, cost.cpu_us, cost.steps, 0))


def count_chunks(store: Store, changes: StreamChanges) -> None:
    """Add what a batch of chunks stores to what its run and that one's tenant have used."""
    _store_more(store, changes.stream.run_id, written(changes))


def _store_more(store: Store, run_id: str, stored: int) -> None:
    if stored:
        store.draft.write("HINCRBY", store.keys.of("usage", run_id), b"stored", stored)
        _add(store, tenant_of(run_id), (0, 0, 0, 0, stored))


def settle(store: Store, run_id: str) -> None:
    """Take what is stored of a run that goes from its tenant's; what it has used stays."""
    name = tenant_of(run_id)
    if not name:
        return
    stored = store.draft.get(store.keys.of("usage", run_id), b"stored")
    _add(store, name, (0, 0, 0, 0, -int(stored or 0)))


def info(store: Store, name: str) -> TenantInfo | None:
    """Answer :meth:`torpor.world.Tenants.tenant`."""
    row, used = store.connection.ask_of_one_moment(
        ("HGET", store.keys.tenants, name.encode()), ("HMGET", store.keys.of("used", name), *_FIELDS)
    )
    return None if row is None else _info(row, used)


def find(store: Store, request: TenantOf) -> TenantInfo | None:
    """Answer :class:`torpor.worlds.requests.TenantOf`: how many runs are open must stay so, what they use need not."""
    row = store.draft.get(store.keys.tenants, request.name.encode())
    key = store.keys.of("used", request.name)
    store.draft.get(key, b"open")
    [used] = store.connection.ask(("HMGET", key, *_FIELDS))
    return None if row is None else _info(row, used)


def put(store: Store, request: PutTenant) -> None:
    """Answer :class:`torpor.worlds.requests.PutTenant`."""
    store.draft.put(store.keys.tenants, {request.tenant.name.encode(): pack(request.tenant)})


def drop(store: Store, request: DropTenant) -> None:
    """Answer :class:`torpor.worlds.requests.DropTenant`."""
    theirs = owned(request.name, "").encode()
    [found] = store.connection.ask(("ZLEXCOUNT", store.keys.ids, b"[" + theirs, b"(" + theirs[:-1] + b";"))
    if found:
        raise refusals.tenant_has_runs(request.name, int(found))
    store.draft.drop(store.keys.tenants, [request.name.encode()])
    store.draft.unlink([store.keys.of("used", request.name)])


def all_of(store: Store, app: str | None) -> list[TenantInfo]:
    """Answer :meth:`torpor.world.Tenants.tenants`."""
    [names] = store.connection.ask(("HKEYS", store.keys.tenants))
    found = [info(store, name.decode()) for name in sorted(names)]
    return [each for each in found if each is not None and (app is None or each.tenant.app == app)]


def _add(store: Store, name: str, numbers: tuple[int, ...]) -> None:
    for field, number in zip(_FIELDS, numbers, strict=True):
        if number:
            store.draft.write("HINCRBY", store.keys.of("used", name), field, number)


def _info(row: bytes, used: list[bytes | None]) -> TenantInfo:
    tenant = unpack(row, Tenant, "a tenant")
    return TenantInfo(tenant, tenant.elsewhere + Usage(*(max(0, int(number or 0)) for number in used)))
