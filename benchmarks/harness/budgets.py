"""The budgets of the plan (``docs/architecture.md``, Budgets), each beside the row that measures it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """
    One bound.

    Attributes:
        bench, row: which figure.
        params: what the row's params must say; others are free.
        world, guest: for which it holds, None for all.
        at_most, at_least: the bound, in the row's unit; one of them is given.
    """

    bench: str
    row: str
    params: dict[str, Any] = {}
    world: str | None = None
    guest: str | None = None
    at_most: float | None = None
    at_least: float | None = None


BUDGETS = (
    Budget("vm", "cycle", {"backend": "cow"}, guest="quickjs", at_most=300),
    Budget("vm", "cycle", {"backend": "cow"}, guest="cpython", at_most=2_000),
    Budget("vm", "stored", guest="quickjs", at_most=5_120),
    Budget("vm", "stored", guest="cpython", at_most=20_480),
    Budget("imports", "start", guest="cpython", at_most=10),
    Budget("imports", "parked", guest="cpython", at_most=40_960),
    Budget("sequential", "per_step", world="sqlite", at_most=1),
    Budget("sequential", "per_step", world="postgres", at_most=0.9),
    Budget("sequential", "to_raw_commit", at_most=2.5),
    Budget("fanout", "wall", {"steps": 200}, world="sqlite", at_most=60),
    Budget("throughput", "steps_per_s", world="sqlite", at_least=2_500),
    Budget("throughput", "memory", world="sqlite", guest="quickjs", at_most=120),
    Budget("throughput", "memory", world="sqlite", guest="cpython", at_most=250),
    Budget("throughput", "peak_rss", world="sqlite", guest="quickjs", at_most=120),
    Budget("throughput", "peak_rss", world="sqlite", guest="cpython", at_most=250),
    Budget("warm", "compile", {"build": "cpython"}, at_most=15),
    Budget("warm", "peak_rss", {"build": "cpython"}, at_most=800),
    Budget("warm", "disk", {"build": "cpython"}, at_most=60),
    Budget("fair", "latency", world="sqlite", at_most=100),
    Budget("fair", "timer_late", world="sqlite", at_most=100),
    Budget("throughput", "cpu_per_step", guest="quickjs", at_most=600),
    Budget("throughput", "cpu_per_step", guest="cpython", at_most=850),
    Budget("idle_worker", "queries_per_s", at_most=1),
    Budget("idle_worker", "cpu", at_most=0.2),
    Budget("idle_worker", "heard_after", at_most=10),
    Budget("cli", "cpu", at_most=350),
    Budget("serverless", "cold_first_commit", at_most=400),
    Budget("serverless", "warm_tick", at_most=10),
    Budget("payload", "wall", world="sqlite", at_most=60),
    Budget("streams", "lag", {"reader": "same"}, at_most=20),
    Budget("streams", "lag", {"reader": "other"}, at_most=100),
    Budget("sdk", "ratio", {"peer": "torpor-python"}, at_least=10),
    Budget("sdk", "ratio", {"peer": "torpor-node"}, at_least=4),
    Budget("resume", "warm", {"past_steps": 10_000}, at_most=5),
    Budget("resume", "cold", {"past_steps": 10_000}, at_most=60),
    Budget("resume", "warm_ratio", {"past_steps": 10_000}, at_most=1.2),
    Budget("resume", "cold_ratio", {"past_steps": 10_000}, at_most=1.2),
)


def budget_of(bench: str, row: str, params: Mapping[str, Any], world: str, guest: str, runtime: str) -> Budget | None:
    """Return the budget of a row; there are none for the replay runtime, which is there for comparison."""
    if runtime != "snapshot":
        return None
    for budget in BUDGETS:
        if (
            (budget.bench, budget.row) == (bench, row)
            and budget.world in (None, world)
            and budget.guest in (None, guest)
            and all(params.get(name) == value for name, value in budget.params.items())
        ):
            return budget
    return None
