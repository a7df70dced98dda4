"""Tenants behind blocking calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from torpor.attributes import Attributes
from torpor.durations import Duration, When
from torpor.lifecycle import RunStatus
from torpor.model import Runtime
from torpor.model.tenants import TenantInfo
from torpor.run_handle import RunHandle
from torpor.run_info import RunInfo
from torpor.sync_plans import Front
from torpor.tenants import Language, Tenant

R = TypeVar("R")

Infos = list[RunInfo]


class SyncTenant(Generic[R]):
    """
    A tenant behind blocking calls; see :class:`torpor.tenants.Tenant`.

    Args:
        front: carries out what it does.
        tenant: the tenant.
        run: returns a run as callers want it.
    """

    def __init__(self, front: Front, tenant: Tenant, run: Callable[[RunHandle[Any]], R]) -> None:
        self._front, self._tenant, self._run = front, tenant, run
        self.name = tenant.name

    def save(self) -> TenantInfo:
        return self._front.wait(self._tenant.save())

    def info(self) -> TenantInfo:
        return self._front.wait(self._tenant.info())

    def check(self, source: str, *, language: Language = "python", workflow: str = "main") -> list[str]:
        return self._front.wait(self._tenant.check(source, language=language, workflow=workflow))

    def start(
        self,
        source: str,
        args: Sequence[Any] = (),
        *,
        kwargs: Mapping[str, Any] = MappingProxyType({}),
        language: Language = "python",
        workflow: str = "main",
        run_id: str | None = None,
        runtime: Runtime | None = None,
        delay: Duration | None = None,
        deadline: When | None = None,
        attributes: Attributes | None = None,
    ) -> R:
        begun = self._tenant.start(
            source,
            args,
            kwargs=kwargs,
            language=language,
            workflow=workflow,
            run_id=run_id,
            runtime=runtime,
            delay=delay,
            deadline=deadline,
            attributes=attributes,
        )
        return self._run(self._front.wait(begun))

    def run(self, run_id: str) -> R:
        return self._run(self._tenant.run(run_id))

    def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        attributes: Mapping[str, str] | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> Infos:
        return self._front.wait(
            self._tenant.list_runs(status=status, workflow=workflow, attributes=attributes, before=before, limit=limit)
        )

    def resume_hook(self, token: str, payload: Any = None, *, resume_id: str | None = None) -> R:
        return self._run(self._front.wait(self._tenant.resume_hook(token, payload, resume_id=resume_id)))

    def delete(self) -> int:
        return self._front.wait(self._tenant.delete())
