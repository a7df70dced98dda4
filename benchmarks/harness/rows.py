"""The figures: rows of one report, in the shape that ``--json`` prints."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from benchmarks.harness.budgets import Budget, budget_of
from benchmarks.harness.floor import Floor
from benchmarks.harness.setting import Setting


class Verdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What the plan allows, and whether the median keeps to it.

    Attributes:
        met: whether it does.
        at_most, at_least: the bound; one of them is given.
    """

    met: bool
    at_most: float | None = None
    at_least: float | None = None


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    One figure.

    Attributes:
        name: what was measured; with *params* it is unique in a report.
        world, guest, runtime: where.
        params: what else distinguishes this row from others of the same name.
        unit: of median, min and max.
        n: number of samples.
        ratio: the median over this machine's floor: milliseconds over a durable commit, microseconds over an empty call
            of a guest.
        budget: absent where the plan names none.
    """

    name: str
    world: str
    guest: str
    runtime: str
    params: dict[str, Any]
    unit: str
    n: int
    median: float
    min: float
    max: float
    ratio: float | None = None
    budget: Verdict | None = None


class Report(msgspec.Struct, frozen=True):
    """
    All rows of one benchmark, and what they were measured on.

    Attributes:
        floor: what the machine allowed just then, see :mod:`benchmarks.harness.floor`; medians.
    """

    bench: str
    machine: dict[str, Any]
    versions: dict[str, str]
    floor: dict[str, float]
    rows: list[Row]


def reported(
    bench: str, machine: dict[str, Any], versions: dict[str, str], floor: Floor, rows: Sequence[Row]
) -> Report:
    """Return a report, each row in units of time with its ratio to the machine's floor."""
    medians = {name: statistics.median(samples) for name, samples in msgspec.structs.asdict(floor).items()}
    least = {"ms": medians["durable_commit"], "µs": medians["guest_call"]}
    with_ratios = [
        msgspec.structs.replace(row, ratio=_rounded(row.median / least[row.unit])) if row.unit in least else row
        for row in rows
    ]
    return Report(bench, machine, versions, {name: _rounded(value) for name, value in medians.items()}, with_ratios)


class Rows:
    """
    Gathers the rows of one benchmark.

    Args:
        bench: its name, under which budgets are found.
        setting: where it runs.
    """

    def __init__(self, bench: str, setting: Setting) -> None:
        self._bench = bench
        self._setting = setting
        self.all: list[Row] = []

    def add(
        self,
        name: str,
        unit: str,
        samples: Sequence[float],
        params: Mapping[str, Any] | None = None,
        *,
        runtime: str | None = None,
    ) -> None:
        """Add a row with the median, smallest and largest of *samples*."""
        setting = self._setting
        row = Row(
            name=name,
            world=setting.world_name,
            guest=setting.guest,
            runtime=runtime or setting.runtime or "snapshot",
            params=dict(params or {}),
            unit=unit,
            n=len(samples),
            median=_rounded(statistics.median(samples)),
            min=_rounded(min(samples)),
            max=_rounded(max(samples)),
        )
        budget = budget_of(self._bench, row.name, row.params, setting.scheme, row.guest, row.runtime)
        self.all.append(row if budget is None else msgspec.structs.replace(row, budget=_judge(row.median, budget)))


def _judge(median: float, budget: Budget) -> Verdict:
    if budget.at_most is not None:
        return Verdict(median <= budget.at_most, at_most=budget.at_most)
    assert budget.at_least is not None
    return Verdict(median >= budget.at_least, at_least=budget.at_least)


def _rounded(value: float) -> float:
    """Return four significant digits; more would be noise."""
    return float(f"{value:.4g}") if abs(value) < 10_000 else round(value)
