"""Tenants: whose programs came as text, what they may use, and what they have used."""

from __future__ import annotations

from typing import Final

import msgspec

from torpor.durations import read_rate
from torpor.errors import ConfigurationError, QuotaExceededError

_MIB: Final = 1024 * 1024


class Quotas(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a tenant may use. 0, or ``""`` for a rate, stands for no bound.

    Attributes:
        cpu_per_turn: seconds of CPU time of one turn of a run.
        cpu: seconds of CPU time of all its runs together, those that are deleted included.
        memory: bytes that the VM of a run may have; in steps of 64 KiB.
        steps: steps, waits, hooks and attribute writes that one run may ask for in all.
        runs: runs that are awake at once; others wait for their turn.
        open_runs: runs that have not ended, asleep and waiting ones included.
        storage: bytes of logs, log lines, snapshots and streams of its runs, as they are stored.
        starts: how many runs begin in any while, such as ``"100/h"``.
        step_rate: how many steps begin in any while, such as ``"20/s"``; those beyond wait.

    Raises:
        ConfigurationError: a number is negative, or a rate is none.
    """

    cpu_per_turn: float = 1.0
    cpu: float = 0.0
    memory: int = 128 * _MIB
    steps: int = 1_000
    runs: int = 4
    open_runs: int = 1_000
    storage: int = 256 * _MIB
    starts: str = "600/m"
    step_rate: str = ""

    def __post_init__(self) -> None:
        for name in ("cpu_per_turn", "cpu", "memory", "steps", "runs", "open_runs", "storage"):
            given = getattr(self, name)
            if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 2**53:
                raise ConfigurationError(f"Quotas({name}={given!r:.60}): a number from 0 (no bound) on")
        for name in ("starts", "step_rate"):
            self.rate(name)

    def rate(self, name: str) -> tuple[int, int]:
        """
        Return how many one of the rates allows, and in how many milliseconds; 0 for no bound.

        Raises:
            ConfigurationError: it is no rate.
        """
        given = getattr(self, name)
        try:
            return read_rate(given or "0")
        except ValueError as error:
            told = f"Quotas({name}={given!r:.60}) is no rate ({error}); write it like '10/s'"
            raise ConfigurationError(told) from None


class Usage(msgspec.Struct, frozen=True):
    """
    What the runs of a tenant have used.

    Attributes:
        runs: how many there have been.
        open: how many have not ended.
        cpu_us: microseconds of CPU time in VMs.
        steps: steps that they asked for.
        stored: bytes that are stored of them.
    """

    runs: int = 0
    open: int = 0
    cpu_us: int = 0
    steps: int = 0
    stored: int = 0

    def __add__(self, other: Usage) -> Usage:
        pairs = zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)
        return Usage(*(max(0, one + two) for one, two in pairs))


class Tenant(msgspec.Struct, frozen=True):
    """
    A tenant as it is stored.

    Attributes:
        name: its name, the same in the whole world.
        app: of which application it is.
        quotas: what it may use.
        allow: full names of the steps that its programs may call, and ``host//`` before hosts to fetch from.
        created_at: when, epoch milliseconds; the world says.
        spent: runs that have begun lately, by the time of each part of a period, oldest first.
        past: what was used by runs that are counted no more one by one.
        brought: what its runs have used in worlds from which they came, by the moment at which it was made there.
    """

    name: str
    app: str
    quotas: Quotas = Quotas()
    allow: tuple[str, ...] = ()
    created_at: int = 0
    spent: tuple[tuple[int, int], ...] = ()
    past: Usage = Usage()
    brought: tuple[tuple[int, Usage], ...] = ()

    @property
    def elsewhere(self) -> Usage:
        """All that its runs have used in other worlds."""
        return sum((usage for _, usage in self.brought), start=Usage())


class TenantInfo(msgspec.Struct, frozen=True):
    """A tenant, and all that it has used up to now, in other worlds, too."""

    tenant: Tenant
    usage: Usage

    def brought(self) -> tuple[tuple[int, Usage], ...]:
        """Return what a tenant brings along that goes to another world: what it has used here, and elsewhere before."""
        all_over, before = self.usage, self.tenant.elsewhere
        here = Usage(all_over.runs - before.runs, 0, all_over.cpu_us - before.cpu_us, all_over.steps - before.steps)
        return (*self.tenant.brought, (self.tenant.created_at, here))


def exceeded(tenant: str, quota: str, told: str) -> QuotaExceededError:
    """Return the error for a tenant that has used up a quota, given by its name in :class:`Quotas`."""
    return QuotaExceededError(f"tenant {tenant!r} {told} (quota {quota})")
