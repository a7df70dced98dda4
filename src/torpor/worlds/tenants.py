"""
What runs of tenants cost, and whether another may begin: pure functions, as :mod:`.rules` are.

Each run of a tenant has a row of what it has used, which the transaction changes that stores the run; so counting is
exact, and no two runs wait for one another. Who lets a run begin adds up the rows of those that have not ended, and
moves what ended ones have used into the tenant's own row, so that the sum stays short.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from torpor.model import NewRun
from torpor.model.flow import Limits, QueueState
from torpor.model.tenants import Tenant, TenantInfo, Usage, exceeded
from torpor.tenant_names import checked_tenant, tenant_of
from torpor.worlds import refusals
from torpor.worlds.draft import Changes
from torpor.worlds.flow import add_spent, recent
from torpor.worlds.requests import Conversation, DropTenant, Operation, PutTenant, TenantOf
from torpor.worlds.streams import StreamChanges


class Charge(msgspec.Struct, frozen=True):
    """
    What changes of a run add to what it has used.

    Attributes:
        tenant: whose run it is.
        ended: whether the run has ended.
        runs: 1, of a run whose first charge this is; 0 if it is counted where it came from.
        cpu_us, steps, stored: as of :class:`torpor.model.tenants.Usage`.
        snapshot: bytes of the snapshot that takes the place of the one there is, None for that one.
    """

    tenant: str
    ended: bool
    runs: int
    cpu_us: int
    steps: int
    stored: int
    snapshot: int | None


def charge(changes: Changes) -> Charge | None:
    """Return what changes cost, None for those that cost nothing, or are of nobody's run."""
    tenant = tenant_of(changes.run.id)
    if not tenant or not (changes.events or changes.lines or changes.snapshot or changes.drop_snapshot):
        return None
    stored = sum(len(event.payload or b"") + len(event.ref) + len(event.name) for event in changes.events)
    stored += sum(len(line.text) for line in changes.lines) + changes.beside
    snapshot = 0 if changes.drop_snapshot else None if changes.snapshot is None else len(changes.snapshot.data)
    return Charge(
        tenant,
        changes.run.ended_at > 0,
        int(not changes.arrived),
        changes.cpu_us,
        0 if changes.arrived else sum(event.type == "step_created" for event in changes.events),
        stored,
        snapshot,
    )


def written(changes: StreamChanges) -> int:
    """Return how many bytes more are stored of a tenant's run by what changes of a stream, 0 of nobody's."""
    return sum(len(chunk.data) for chunk in changes.chunks) if tenant_of(changes.stream.run_id) else 0


def admit(new: NewRun, now: int, url: str) -> Conversation[None]:
    """
    Let a run of a tenant begin, which others wait for that do the same.

    Raises:
        TenantNotFoundError: there is no such tenant.
        EntityConflictError: it is another application's.
        QuotaExceededError: it has used up what it may use.
    """
    name = tenant_of(new.id)
    found: TenantInfo | None = yield TenantOf(name)
    if found is None:
        raise refusals.tenant_not_found(name, url)
    yield PutTenant(admitted(found, new, now))


def admitted(info: TenantInfo, new: NewRun, now: int) -> Tenant:
    """
    Return a tenant with one more run begun.

    Raises:
        EntityConflictError, QuotaExceededError: as :func:`admit`.
    """
    tenant, usage = info.tenant, info.usage
    quotas, name = tenant.quotas, tenant.name
    if new.app != tenant.app:
        raise refusals.tenant_of_another(name, tenant.app)
    if quotas.open_runs and usage.open >= quotas.open_runs:
        raise exceeded(name, "open_runs", f"has {usage.open} runs that have not ended, and may have {quotas.open_runs}")
    check_totals(info)
    rate, period_ms = quotas.rate("starts")
    if not rate:
        return tenant
    state = QueueState(tenant.app, name, Limits(rate=rate, period_ms=period_ms), tenant.spent)
    begun = sum(each for _, each in recent(state, now))
    if begun >= rate:
        raise exceeded(name, "starts", f"has begun {begun} runs of late, and may begin {quotas.starts}")
    return replace(tenant, spent=add_spent(state, now, 1))


def check_totals(info: TenantInfo) -> None:
    """
    Check what all runs of a tenant together have used.

    Raises:
        QuotaExceededError: it is all that it may use.
    """
    quotas, usage, name = info.tenant.quotas, info.usage, info.tenant.name
    if quotas.storage and usage.stored >= quotas.storage:
        raise exceeded(name, "storage", f"has {usage.stored} bytes stored, and may have {quotas.storage}")
    if quotas.cpu and usage.cpu_us >= quotas.cpu * 1e6:
        raise exceeded(name, "cpu", f"has used {usage.cpu_us / 1e6:.1f} s of CPU time, and may use {quotas.cpu:g} s")


def put(tenant: Tenant, now: int) -> Operation[Tenant]:
    """Answer :meth:`torpor.world.Tenants.put_tenant`."""
    checked_tenant(tenant.name)
    found: TenantInfo | None = yield TenantOf(tenant.name)
    if found is None:
        made_at = max([now, *(origin + 1 for origin, _ in tenant.brought)])  # so that it tells this world from those
        brought = _brought((), tenant.brought, made_at)
        tenant = replace(tenant, created_at=made_at, spent=(), past=Usage(), brought=brought)
    elif found.tenant.app != tenant.app:
        raise refusals.tenant_of_another(tenant.name, found.tenant.app)
    else:
        here = found.tenant
        brought = _brought(here.brought, tenant.brought, here.created_at)
        tenant = replace(here, quotas=tenant.quotas, allow=tenant.allow, brought=brought)
    yield PutTenant(tenant)
    return tenant, None


def _brought(
    known: tuple[tuple[int, Usage], ...], told: tuple[tuple[int, Usage], ...], own: int
) -> tuple[tuple[int, Usage], ...]:
    """
    Return what was used elsewhere, by where, when more is told of it.

    What is used only grows, so that of two figures of one world the larger is the later one, and who tells one twice
    adds nothing. What comes back to where it was used is counted there.
    """
    merged = dict(known)
    for origin, usage in told:
        if origin != own:
            before = merged.get(origin, Usage())
            merged[origin] = Usage(
                max(before.runs, usage.runs), 0, max(before.cpu_us, usage.cpu_us), max(before.steps, usage.steps)
            )
    return tuple(sorted(merged.items()))


def delete(name: str, url: str) -> Operation[None]:
    """Answer :meth:`torpor.world.Tenants.delete_tenant`."""
    found: TenantInfo | None = yield TenantOf(name)
    if found is None:
        raise refusals.tenant_not_found(name, url)
    yield DropTenant(name)
    return None, None
