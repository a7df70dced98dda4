"""The capacity model: linear in its costs, and honest about what runs out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from benchmarks import capacity
from benchmarks.capacity import FILE, MEASURED, Costs, Place, Spent, fitted, most_steps, needs, rate, report

POSTGRES = MEASURED["postgres"]


def test_costs_are_taken_apart() -> None:
    """What was measured with few and with many transactions comes out again."""
    step, each = Spent(400, 10, 900, 1, 700), Spent(1_000, 400, 4_000, 2, 3_000)
    few, many = step.plus(each, 0.5), step.plus(each, 1.5)
    assert fitted(few, 0.5, many, 1.5) == (step, each)
    assert fitted(few, 0.5, many, 0.51) == (few, Spent(0, 0, 0, 0, 0))
    assert Costs(step, each, 2, 0).whole == Spent(2_400, 810, 8_900, 5, 6_700)


def test_a_rate_is_bound_by_workers_or_by_processors() -> None:
    """One worker takes one processor; two and the server share what there is."""
    costs = Costs(Spent(1_000, 500, 0, 0, 0), Spent(0, 0, 0, 0, 0), 1, 0)
    assert rate(costs, processes=1, cores=8) == 1_000
    assert rate(costs, processes=4, cores=3) == 2_000


@pytest.mark.parametrize("world", MEASURED)
def test_needs_grow_with_the_load(world: str) -> None:
    """Twice as many steps take twice as much of all that steps take; the scarcest comes first."""
    place = FILE if world == "sqlite" else Place()
    once = {need.name: need for need in needs(MEASURED[world], place, steps_per_s=100, sleeping=0)}
    twice = needs(MEASURED[world], place, steps_per_s=200, sleeping=0)
    assert [need.share for need in twice] == sorted((need.share for need in twice), reverse=True)
    for need in twice:
        if need.name not in {"connections", "processors of the server"}:  # of whole workers
            assert need.need == pytest.approx(2 * once[need.name].need)


def test_sleeping_runs_take_room_and_nothing_else() -> None:
    """A thousand million of them are more than one disk of 8 TiB, whatever they do when they wake."""
    none, many = (needs(POSTGRES, Place(), steps_per_s=1, sleeping=count) for count in (0, 1e9))
    before = {need.name: need.need for need in none}
    assert {need.name for need in many if need.need != before[need.name]} == {"room"}
    assert many[0].need > 8 * 1_024


def test_the_most_that_one_database_takes_is_found() -> None:
    """Beyond it something has run out; with more of that, something else does first."""
    most, first = most_steps(POSTGRES, Place(), sleeping=1e6)
    assert first.share == pytest.approx(1, abs=0.01)
    quick = replace(Place(), commits_per_s=1e9)
    more, then = most_steps(POSTGRES, quick, sleeping=1e6)
    assert more > most
    assert then.name != first.name
    assert most_steps(POSTGRES, Place(), sleeping=1e12)[0] == 0


def test_what_is_told_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """What runs out first, and over how many databases runs are divided then."""
    capacity.main(
        steps=10_000, sleeping=1e9, kept_days=7, world="postgres", cores=32, log_mib=400, room_tib=16, commits=20_000
    )
    told = capsys.readouterr().out
    assert "room runs out first: keep ended runs for less long" in told
    assert "divided over" in told
    lines = report(POSTGRES, needs(POSTGRES, Place(), steps_per_s=10, sleeping=10), 10)
    assert any("one database does" in line for line in lines)
