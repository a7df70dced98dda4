"""Tenants in a Postgres database, and what their runs have used; see :mod:`torpor.worlds.tenants`."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.model import Run
from torpor.model.tenants import Tenant, TenantInfo, Usage
from torpor.tenant_names import owned, tenant_of
from torpor.worlds import refusals
from torpor.worlds.draft import Changes
from torpor.worlds.postgres.statements import Statement
from torpor.worlds.postgres.store import Store
from torpor.worlds.requests import DropTenant, PutTenant, TenantOf
from torpor.worlds.streams import StreamChanges
from torpor.worlds.tenants import charge, written

_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))"
"""A lock of the name, because there may be no row yet."""

_TENANT: Final = "SELECT body FROM torpor.tenants WHERE name = %s"
_PUT: Final = (
    "INSERT INTO torpor.tenants (name, app, body) VALUES (%s, %s, %s) "
    "ON CONFLICT (name) DO UPDATE SET app = excluded.app, body = excluded.body"
)
_USED: Final = ", ".join(
    f"coalesce(sum({each}), 0)::bigint" for each in ("runs", "cpu_us", "steps", "stored + snapshot")
)
_TOTAL: Final = f"SELECT {_USED}, count(*) FILTER (WHERE NOT ended) FROM torpor.usages WHERE tenant = %s AND NOT folded"
_FOLD: Final = (
    "WITH old AS (SELECT * FROM torpor.usages WHERE tenant = %s AND ended AND NOT folded "
    "ORDER BY run FOR UPDATE), "
    "done AS (UPDATE torpor.usages u SET folded = true, kept = u.kept + u.stored + u.snapshot, runs = 0, cpu_us = 0, "
    f"steps = 0, stored = 0, snapshot = 0 FROM old WHERE u.run = old.run) SELECT {_USED} FROM old"
)
_ADD: Final = (
    "INSERT INTO torpor.usages AS u VALUES (%s, %s, %s, false, %s, %s, %s, %s, coalesce(%s::bigint, 0), 0) "
    "ON CONFLICT (run) DO UPDATE SET ended = excluded.ended, folded = false, cpu_us = u.cpu_us + excluded.cpu_us, "
    "steps = u.steps + excluded.steps, stored = u.stored + excluded.stored, snapshot = coalesce(%s::bigint, u.snapshot)"
)
_ADD_CHUNKS: Final = "UPDATE torpor.usages SET folded = false, stored = stored + %s WHERE run = %s"
_SETTLE: Final = "DELETE FROM torpor.usages WHERE run = %s RETURNING runs, cpu_us, steps, kept"
_RUNS: Final = "SELECT count(*) FROM torpor.runs WHERE id >= %s AND id < %s"


def counted(changes: Changes) -> list[Statement]:
    """Return what adds the cost of changes to what their run has used."""
    cost = charge(changes)
    if cost is None:
        return []
    about = (cost.tenant, cost.ended, cost.runs, cost.cpu_us, cost.steps, cost.stored, cost.snapshot)
    return [(_ADD, (changes.run.id, *about, cost.snapshot))]


def chunks_counted(changes: StreamChanges) -> list[Statement]:
    """Return what adds the bytes of a batch of chunks to what their run has used."""
    stored = written(changes)
    return [(_ADD_CHUNKS, (stored, changes.stream.run_id))] if stored else []


def info(store: Store, name: str) -> TenantInfo | None:
    """Answer :meth:`torpor.world.Tenants.tenant`."""
    rows, [total] = store.connection.ask_of_one_moment((_TENANT, (name,)), (_TOTAL, (name,)))
    return _info(msgspec.json.decode(rows[0][0], type=Tenant), total) if rows else None


def find(store: Store, request: TenantOf) -> TenantInfo | None:
    """Answer :class:`torpor.worlds.requests.TenantOf`; what ended runs have used is added up for good."""
    name = request.name
    _, rows = store.connection.ask((_LOCK, (name,)), (_TENANT, (name,)))
    if not rows:
        return None
    tenant = msgspec.json.decode(rows[0][0], type=Tenant)
    [folded], [total] = store.connection.ask((_FOLD, (name,)), (_TOTAL, (name,)))
    if any(folded):
        tenant = replace(tenant, past=tenant.past + _usage(*folded))
        put(store, PutTenant(tenant))
    return _info(tenant, total)


def put(store: Store, request: PutTenant) -> None:
    """Answer :class:`torpor.worlds.requests.PutTenant`."""
    tenant = request.tenant
    store.connection.rows(_PUT, tenant.name, tenant.app, msgspec.json.encode(tenant))


def drop(store: Store, request: DropTenant) -> None:
    """Answer :class:`torpor.worlds.requests.DropTenant`."""
    theirs = owned(request.name, "")
    [(found,)] = store.connection.rows(_RUNS, theirs, f"{theirs[:-1]};")
    if found:
        raise refusals.tenant_has_runs(request.name, found)
    store.connection.rows("DELETE FROM torpor.tenants WHERE name = %s", request.name)


def settle(store: Store, run: Run) -> None:
    """Keep what a run has used that goes, but for what is stored no more."""
    name = tenant_of(run.id)
    if not name:
        return
    _, found = store.connection.ask((_LOCK, (name,)), (_TENANT, (name,)))
    gone = store.connection.rows(_SETTLE, run.id)
    if gone and found:
        runs, cpu_us, steps, kept = gone[0]
        tenant = msgspec.json.decode(found[0][0], type=Tenant)
        put(store, PutTenant(replace(tenant, past=tenant.past + Usage(runs, 0, cpu_us, steps, -kept))))


def all_of(store: Store, app: str | None) -> list[TenantInfo]:
    """Answer :meth:`torpor.world.Tenants.tenants`."""
    query = "SELECT name FROM torpor.tenants WHERE %s::text IS NULL OR app = %s ORDER BY name"
    found = [info(store, name) for (name,) in store.connection.rows(query, app, app)]
    return [each for each in found if each is not None]


def _info(tenant: Tenant, total: tuple[int, ...]) -> TenantInfo:
    *used, is_open = total
    return TenantInfo(tenant, tenant.past + tenant.elsewhere + replace(_usage(*used), open=is_open))


def _usage(runs: int, cpu_us: int, steps: int, stored: int) -> Usage:
    return Usage(runs, 0, cpu_us, steps, stored)
