"""Tenants of a memory world."""

from __future__ import annotations

from torpor.model.tenants import TenantInfo
from torpor.worlds.memory.store import Store, tenant_info

info = tenant_info
"""Answers :meth:`torpor.world.Tenants.tenant`."""


def all_of(store: Store, app: str | None) -> list[TenantInfo]:
    """Answer :meth:`torpor.world.Tenants.tenants`."""
    found = [tenant_info(store, name) for name in sorted(store.tenants)]
    return [each for each in found if each is not None and (app is None or each.tenant.app == app)]
