"""Rows hold medians and extremes, and are judged by the budget that fits them."""

from __future__ import annotations

import pytest

from benchmarks.harness.budgets import BUDGETS, budget_of
from benchmarks.harness.floor import Floor
from benchmarks.harness.rows import Rows, Verdict, reported
from benchmarks.harness.setting import Setting


def test_a_row_tells_median_and_extremes() -> None:
    """Samples become n, median, min and max, with the setting's words around them."""
    rows = Rows("payload", Setting(world="memory://x?a=b"))

    rows.add("wall", "ms", [3.0, 1.0, 2.00004], {"steps": 50})

    (row,) = rows.all
    assert (row.n, row.median, row.min, row.max) == (3, 2.0, 1.0, 3.0)
    assert (row.world, row.guest, row.runtime, row.params) == ("memory?a=b", "quickjs", "snapshot", {"steps": 50})
    assert row.budget is None


@pytest.mark.parametrize(
    ("bench", "name", "params", "value", "verdict"),
    [
        ("sequential", "per_step", {}, 1.0, Verdict(met=True, at_most=1)),
        ("sequential", "per_step", {}, 1.01, Verdict(met=False, at_most=1)),
        ("throughput", "steps_per_s", {}, 2_500.0, Verdict(met=True, at_least=2_500)),
        ("throughput", "steps_per_s", {}, 2_499.0, Verdict(met=False, at_least=2_500)),
        ("resume", "warm", {"past_steps": 10_000}, 4.0, Verdict(met=True, at_most=5)),
        ("resume", "warm", {"past_steps": 1_000}, 4.0, None),
    ],
)
def test_a_median_is_judged(
    bench: str, name: str, params: dict[str, int], value: float, verdict: Verdict | None
) -> None:
    """The bound itself is within it; a row that the plan does not mention is not judged."""
    rows = Rows(bench, Setting())

    rows.add(name, "unit", [value], params)

    assert rows.all[0].budget == verdict


def test_a_row_is_told_in_units_of_the_machines_floor() -> None:
    """Milliseconds as durable commits, microseconds as empty calls of a guest, and nothing else."""
    rows = Rows("payload", Setting())
    for unit in ("ms", "µs", "bytes"):
        rows.add("figure", unit, [6.0])

    report = reported("payload", {}, {}, Floor([1.0, 2.0, 9.0], [3.0], [5.0]), rows.all)

    assert [row.ratio for row in report.rows] == [3.0, 2.0, None]
    assert report.floor == {"durable_commit": 2.0, "guest_call": 3.0, "faults": 5.0}


def test_the_replay_runtime_has_no_budgets() -> None:
    """Replay is measured for comparison only."""
    assert budget_of("sequential", "per_step", {}, "sqlite", "quickjs", "snapshot") is not None
    assert budget_of("sequential", "per_step", {}, "sqlite", "quickjs", "replay") is None


def test_another_world_is_judged_by_its_own_budget() -> None:
    """One more sequential step may take longer on a server."""
    postgres = budget_of("sequential", "per_step", {}, "postgres", "quickjs", "snapshot")

    assert postgres is not None
    assert postgres.at_most == 0.9


def test_every_budget_has_one_bound() -> None:
    """A budget says at most or at least, not both and not neither."""
    assert all((budget.at_most is None) != (budget.at_least is None) for budget in BUDGETS)
