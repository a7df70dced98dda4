"""Tenants in a SQLite file, and what their runs have used; see :mod:`torpor.worlds.tenants`."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import msgspec
from msgspec.structs import replace

from torpor.errors import ConfigurationError, DamagedError
from torpor.model.tenants import Tenant, TenantInfo, Usage
from torpor.tenant_names import owned
from torpor.worlds import refusals
from torpor.worlds.draft import Changes
from torpor.worlds.requests import DropTenant, PutTenant, TenantOf
from torpor.worlds.sqlite.rows import Row
from torpor.worlds.sqlite.sound import NUMBER_MAX, NonsenseError, Shape
from torpor.worlds.sqlite.store import Store
from torpor.worlds.streams import StreamChanges
from torpor.worlds.tenants import charge, written

TENANTS: Final = "SELECT name, app, body FROM tenants"
_ROW: Final = Shape(name=str, app=str, body=bytes)


def _number(column: str) -> str:
    """Return a column as a number that makes sense, whatever a damaged row has there."""
    return f"min(max(CAST({column} AS INTEGER), 0), {NUMBER_MAX // 2**20})"


_USED: Final = ", ".join(f"ifnull(sum({_number(column)}), 0)" for column in ("runs", "cpu_us", "steps"))
_SIZE: Final = f"ifnull(sum({_number('stored')} + {_number('snapshot')}), 0)"
_TOTAL: Final = (
    f"SELECT {_USED}, {_SIZE}, ifnull(sum(NOT ended), 0) FROM usages INDEXED BY usages_counted "
    "WHERE tenant = ? AND NOT folded"
)
_FOLDING: Final = (
    f"SELECT {_USED}, {_SIZE} FROM usages INDEXED BY usages_counted WHERE tenant = ? AND ended AND NOT folded"
)
_FOLD: Final = (
    "UPDATE usages SET folded = 1, kept = kept + stored + snapshot, runs = 0, cpu_us = 0, steps = 0, stored = 0, "
    "snapshot = 0 WHERE tenant = ? AND ended AND NOT folded"
)
_ADD: Final = (
    "INSERT INTO usages VALUES (?1, ?2, ?3, 0, ?8, ?4, ?5, ?6, ifnull(?7, 0), 0) ON CONFLICT (run) DO UPDATE SET "
    "ended = ?3, folded = 0, cpu_us = cpu_us + ?4, steps = steps + ?5, stored = stored + ?6, "
    "snapshot = ifnull(?7, snapshot)"
)


def tenant_of(row: Row) -> Tenant:
    """
    Return the value of a row of :data:`TENANTS`.

    Raises:
        DamagedError: it makes no sense.
    """
    name, app, body = row
    try:
        _ROW.check(row)
        tenant = msgspec.json.decode(body, type=Tenant)
        if (tenant.name, tenant.app) != (name, app):
            raise NonsenseError("its body is that of another tenant")
    except (NonsenseError, ConfigurationError, msgspec.DecodeError) as error:
        raise DamagedError(f"tenant {name!r}", str(error)) from error
    return tenant


def count(store: Store, k: int, changes: Changes) -> None:
    """Add what changes of a run with rowid *k* cost to what it has used."""
    if (cost := charge(changes)) is not None:
        about = (cost.tenant, cost.ended, cost.cpu_us, cost.steps, cost.stored, cost.snapshot, cost.runs)
        store.db.execute(_ADD, (k, *about))


def count_chunks(store: Store, k: int, changes: StreamChanges) -> None:
    """Add what a batch of chunks stores of a run with rowid *k* to what it has used."""
    if stored := written(changes):
        store.db.execute("UPDATE usages SET folded = 0, stored = stored + ? WHERE run = ?", (stored, k))


def info(store: Store, name: str) -> TenantInfo | None:
    """Answer :meth:`torpor.world.Tenants.tenant`."""
    row = store.db.execute(f"{TENANTS} WHERE name = ?", (name,)).fetchone()
    return None if row is None else _with_usage(store, tenant_of(row))


def find(store: Store, request: TenantOf) -> TenantInfo | None:
    """Answer :class:`torpor.worlds.requests.TenantOf`; what ended runs have used is added up for good."""
    row = store.db.execute(f"{TENANTS} WHERE name = ?", (request.name,)).fetchone()
    if row is None:
        return None
    tenant = tenant_of(row)
    runs, cpu_us, steps, stored = store.db.execute(_FOLDING, (request.name,)).fetchone()
    if runs or cpu_us or steps or stored:
        tenant = replace(tenant, past=tenant.past + Usage(runs, 0, cpu_us, steps, stored))
        store.db.execute(_FOLD, (request.name,))
        put(store, PutTenant(tenant))
    return _with_usage(store, tenant)


def put(store: Store, request: PutTenant) -> None:
    """Answer :class:`torpor.worlds.requests.PutTenant`."""
    tenant = request.tenant
    store.db.execute(
        "INSERT OR REPLACE INTO tenants VALUES (?, ?, ?)", (tenant.name, tenant.app, msgspec.json.encode(tenant))
    )


def drop(store: Store, request: DropTenant) -> None:
    """Answer :class:`torpor.worlds.requests.DropTenant`."""
    theirs = owned(request.name, "")
    query = "SELECT count(*) FROM runs WHERE id >= ?1 AND id < ?2"
    (found,) = store.db.execute(query, (theirs, f"{theirs[:-1]};")).fetchone()
    if found:
        raise refusals.tenant_has_runs(request.name, found)
    store.db.execute("DELETE FROM tenants WHERE name = ?", (request.name,))


def settle(store: Store, k: int) -> None:
    """Keep what a run has used that goes, but for what is stored no more."""
    used = "runs, cpu_us, steps, kept, tenant"
    row = store.db.execute(f"SELECT {used} FROM usages WHERE run = ?", (k,)).fetchone()
    if row is None:
        return
    runs, cpu_us, steps, kept, name = row
    with suppress(DamagedError, TypeError):  # then it is not counted, and the run goes all the same
        found = store.db.execute(f"{TENANTS} WHERE name = ?", (name,)).fetchone()
        if found is not None:
            tenant = tenant_of(found)
            put(store, PutTenant(replace(tenant, past=tenant.past + Usage(runs, 0, cpu_us, steps, -kept))))
    store.db.execute("DELETE FROM usages WHERE run = ?", (k,))


def all_of(store: Store, app: str | None) -> list[TenantInfo]:
    """Answer :meth:`torpor.world.Tenants.tenants`."""
    found = []
    for row in store.rows(f"{TENANTS} ORDER BY name"):
        with suppress(DamagedError):
            found.append(_with_usage(store, tenant_of(row)))
    return [each for each in found if app is None or each.tenant.app == app]


def _with_usage(store: Store, tenant: Tenant) -> TenantInfo:
    runs, cpu_us, steps, stored, is_open = store.db.execute(_TOTAL, (tenant.name,)).fetchone()
    return TenantInfo(tenant, tenant.past + tenant.elsewhere + Usage(runs, is_open, cpu_us, steps, stored))
