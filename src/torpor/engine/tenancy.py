"""
Runs of tenants: what their code may ask for, and how much of what is left.

A worker looks at a tenant when a run of it wakes, and not more often than every second: what others use meanwhile it
learns then. What its own runs use is stored with their commits, and so is exact; see :mod:`torpor.worlds.tenants`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from torpor.attributes import STATUS
from torpor.clock import Clock
from torpor.codec.errors import remember_traceback, remembered_traceback
from torpor.codec.types.references import AsTheyAre, References
from torpor.codec.values import AbortSignal, Handle, ReadableStream, RunReference, WritableStream
from torpor.errors import CpuLimitError, MemoryLimitError, NotAllowedError, QuotaExceededError
from torpor.model import Commit
from torpor.model.flow import Place
from torpor.model.tenants import TenantInfo, exceeded
from torpor.model.webhooks import webhook_of
from torpor.tenant_names import owned, step_queue_of, tenant_of, token_of
from torpor.vm.guest import Op
from torpor.world import World

T = TypeVar("T")

BUILTIN: Final = "step//torpor//"
_BUILTIN_ALLOWED: Final = frozenset(
    f"{BUILTIN}{name}"
    for name in ("start", "result", "status", "cancel", "send", "resume", "abort", "respond", "fetch")
)
"""Steps of every application that a tenant's code may call; each confines itself to what is the tenant's."""
_LOOK_MS: Final = 1_000
_KNOWN_MAX: Final = 1_000


class Tenancy:
    """
    Tenants as a worker knows them.

    Args:
        world: has them.
        clock: the world's.
    """

    def __init__(self, world: World, clock: Clock) -> None:
        self._world = world
        self._clock = clock
        self._known: dict[str, tuple[int, TenantInfo]] = {}
        self._written: dict[str, int] = {}  # bytes of chunks since a tenant was looked at

    async def of(self, run_id: str) -> TenantInfo | None:
        """
        Return the tenant whose run this is, None for nobody's.

        Raises:
            TenantNotFoundError: it is not there any more.
        """
        name = tenant_of(run_id)
        if not name:
            return None
        now = self._clock.steady()
        known = self._known.get(name)
        if known is None or now - known[0] >= _LOOK_MS:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
                self._written.clear()
            known = self._known[name] = now, await self._world.tenant(name)
            self._written.pop(name, None)
        return known[1]

    async def admit_chunks(self, run_id: str, size: int) -> None:
        """
        Let chunks of a stream of a run be stored, of so many bytes.

        Raises:
            QuotaExceededError: what is stored of its tenant's runs has passed the quota already; so the run, and every
                other one of the tenant, fails when it wakes.
        """
        if (info := await self.of(run_id)) is None:
            return
        name, quota = info.tenant.name, info.tenant.quotas.storage
        written = self._written.get(name, 0)
        total = info.usage.stored + written
        if quota and total > quota:
            self._known.pop(name, None)  # its runs are to know it, too
            raise exceeded(name, "storage", f"has {total} bytes stored, and may have {quota}")
        self._written[name] = written + size

    def place_of(self, run_id: str) -> Place | None:
        """
        Return where a step of a run waits first whose tenant's steps have a rate; None for all others.

        A tenant that is not known here may have one: its queue, which every tenant has, holds back nothing if not.
        """
        name = tenant_of(run_id)
        known = self._known.get(name)
        if not name or (known is not None and not known[1].tenant.quotas.step_rate):
            return None
        return Place(step_queue_of(name))

    @staticmethod
    def is_rate(queue: str, run_id: str) -> bool:
        """Return whether a queue is the one in which the steps of a run wait for their tenant's rate."""
        name = tenant_of(run_id)
        return bool(name) and queue == step_queue_of(name)


class Meter:
    """
    What one turn of a tenant's run uses and asks for.

    Args:
        info: the tenant.
        run_id: the run.
        allows: whether a step is one that every application has.
        cpu_us: CPU time of the run before this turn looked at it, that no commit has counted yet.

    Attributes:
        cpu_us: CPU time that no commit has counted yet.
    """

    def __init__(self, info: TenantInfo, run_id: str, allows: Callable[[str], bool], cpu_us: int = 0) -> None:
        self._info = info
        self._tenant, self._used = info.tenant, info.usage
        self._quotas = info.tenant.quotas
        self._run_id = run_id
        self._allows = allows
        self._cpu_us = 0  # of this turn
        self._stored = 0
        self.cpu_us = cpu_us

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time that a call into the VM may take now, None for what the guest's limits allow."""
        left = [seconds for seconds in (self._quotas.cpu_per_turn, self._cpu_left()) if seconds is not None and seconds]
        return max(min(left), 0.001) if left else None

    @property
    def memory_bytes(self) -> int | None:
        """Memory that the VM may have, None for what the guest's limits allow."""
        return self._quotas.memory or None

    def call(self, call: Callable[..., T], *args: Any) -> T:
        """
        Call into the VM, and count the time.

        Raises:
            QuotaExceededError: a bound of the tenant's was passed, or its time is used up.
        """
        begun = time.thread_time_ns()
        try:
            return call(*args)
        except (CpuLimitError, MemoryLimitError) as error:
            if (passed := self._passed(error)) is None:
                raise
            remember_traceback(passed, remembered_traceback(error))  # where workflow code was
            raise passed from error
        finally:
            used = (time.thread_time_ns() - begun) // 1_000
            self._cpu_us += used
            self.cpu_us += used

    def settle(self, commit: Commit, info: TenantInfo | None) -> None:
        """
        Take note that a commit is stored.

        Args:
            commit: which.
            info: the tenant, as it is known now.
        """
        self.cpu_us -= commit.cpu_us
        self._stored += sum(len(event.payload or b"") for event in (*commit.inputs, *commit.outputs))
        self.renew(info)

    def renew(self, info: TenantInfo | None) -> None:
        """Take note of the tenant as it is known now; all commits of the run are stored."""
        if info is not None and info is not self._info:  # what was stored up to now is in it
            self._info, self._tenant, self._quotas, self._used = info, info.tenant, info.tenant.quotas, info.usage
            self._cpu_us, self._stored = self.cpu_us, 0

    def check(self, ops: int, stored: int) -> None:
        """
        Check what the run has used by now.

        Args:
            ops: what it has asked for in all.
            stored: bytes that it wants to have stored with the next commit.

        Raises:
            QuotaExceededError: it is more than its tenant may use.
        """
        quotas, name = self._quotas, self._tenant.name
        if quotas.steps and ops > quotas.steps:
            raise exceeded(
                name, "steps", f"has a run that asks for {ops} steps, waits and hooks, and may ask for {quotas.steps}"
            )
        total = self._used.stored + self._stored + stored
        if quotas.storage and total > quotas.storage:
            raise exceeded(name, "storage", f"would have {total} bytes stored, and may have {quotas.storage}")
        if (left := self._cpu_left()) is not None and left <= 0:
            raise self._out_of_time()

    def check_op(self, op: Op) -> None:
        """
        Check that a run may ask for something, whatever its code has done to its VM.

        Raises:
            NotAllowedError: it may not.
        """
        if op.type == "step" and not self._may_call(op.name):
            raise self._refused(f"asks for step {op.name:.200}, which its tenant {self._tenant.name!r} may not call")
        if op.watch and tenant_of(op.watch) != self._tenant.name:
            raise self._refused(f"watches run {op.watch:.200}, which is not of its tenant {self._tenant.name!r}")
        if op.type == "hook" and tenant_of(op.name) and webhook_of(op.takes) is not None:
            raise self._refused("has a webhook with a token of its own choice; leave token= out")
        reserved = [name for name in op.attributes or () if name.startswith("$") and name != STATUS]
        if reserved:
            raise self._refused(f"sets the attribute {min(reserved):.100}, which is Torpor's own")

    def _may_call(self, step: str) -> bool:
        if step.startswith(BUILTIN):
            return self._allows(step) and step in _BUILTIN_ALLOWED
        return any(fnmatchcase(step, allowed) for allowed in self._tenant.allow)

    def _passed(self, error: CpuLimitError | MemoryLimitError) -> QuotaExceededError | None:
        """Return the error for the quota that a VM has passed; None if it was a limit of the guest's."""
        quotas, name = self._quotas, self._tenant.name
        if isinstance(error, MemoryLimitError):
            return exceeded(name, "memory", f"has a run for which {error}") if quotas.memory else None
        left = self._cpu_left()
        if left is not None and left <= (quotas.cpu_per_turn or left):
            return self._out_of_time()
        return exceeded(name, "cpu_per_turn", f"has a run for which {error}") if quotas.cpu_per_turn else None

    def _cpu_left(self) -> float | None:
        if not self._quotas.cpu:
            return None
        return self._quotas.cpu - (self._used.cpu_us + self._cpu_us) / 1e6

    def _out_of_time(self) -> QuotaExceededError:
        used = (self._used.cpu_us + self._cpu_us) / 1e6
        return exceeded(
            self._tenant.name, "cpu", f"has used {used:.1f} s of CPU time, and may use {self._quotas.cpu:g} s"
        )

    def _refused(self, what: str) -> NotAllowedError:
        return NotAllowedError(f"run {self._run_id} {what}")


def as_owned(op: Op, tenant: str) -> Op:
    """Return an op as the world is to have it: hooks of a tenant's run that await the outside have its tokens."""
    if not tenant or op.type != "hook" or op.watch:
        return op
    return replace(op, name=token_of(tenant, op.name))


def confined(references: References, run_id: str) -> References:
    """Return what references in the arguments of a run's steps become: a tenant's lead to what is its own only."""
    tenant = tenant_of(run_id)
    return _Confined(references, tenant) if tenant else references


class _Confined(AsTheyAre):
    """Steps and workflows stay names: what a step calls is not the tenant's to say."""

    def __init__(self, references: References, tenant: str) -> None:
        self._references = references
        self._tenant = tenant

    def run(self, reference: RunReference) -> object:
        self._check(reference.run_id, "run")
        return self._references.run(reference)

    def readable(self, reference: ReadableStream) -> object:
        self._check_stream(reference)
        return self._references.readable(reference)

    def writable(self, reference: WritableStream) -> object:
        self._check_stream(reference)
        return self._references.writable(reference)

    def signal(self, reference: AbortSignal) -> object:
        self._check_stream(reference)
        return self._references.signal(reference)

    def _check_stream(self, reference: Handle) -> None:
        if (run_id := reference.fields.get("runId")) is not None:
            self._check(run_id, "a stream of run")

    def _check(self, run_id: object, what: str) -> None:
        if not isinstance(run_id, str) or tenant_of(run_id) != self._tenant:
            raise NotAllowedError(f"the arguments name {what} {run_id!r:.200}, which is not of tenant {self._tenant!r}")


def child_of(run_id: str, child: str) -> str:
    """Return the id of a run that another one starts: a tenant's are its own."""
    return owned(tenant_of(run_id), child)
