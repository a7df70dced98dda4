"""The command measures and prints what the definitions say; how long anything takes is not for a test to judge."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks import fanout, vm
from benchmarks.catalogue import BENCHMARKS
from benchmarks.harness.rows import Report
from benchmarks.harness.setting import BACKENDS
from tests.postgres_server import execute, server_url
from torpor.programs.languages import LANGUAGES

ROOT = Path(__file__).parent.parent.parent
ROW_KEYS = {"name", "world", "guest", "runtime", "params", "unit", "n", "median", "min", "max"}


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def report_of(*arguments: str) -> Report:
    """Run the command and return its report, whose shape is checked down to the keys of each row."""
    done = benchmarks(*arguments)
    assert done.returncode == 0, done.stderr
    raw: dict[str, Any] = msgspec.json.decode(done.stdout)
    assert set(raw) == {"bench", "machine", "versions", "floor", "rows"}
    for row in raw["rows"]:
        assert set(row) - {"budget", "ratio"} == ROW_KEYS
    report = msgspec.convert(raw, Report)
    for figure in report.rows:
        assert figure.n >= 1
        assert figure.min <= figure.median <= figure.max
    return report


@pytest.mark.parametrize(
    ("chosen", "guests"),
    [(["--guest", "quickjs"], ["quickjs"]), pytest.param([], list(LANGUAGES), marks=pytest.mark.long)],
    ids=["one guest", "each guest"],
)
def test_vm_reports_every_figure_of_both_memory_back_ends(chosen: list[str], guests: list[str]) -> None:
    """Each figure is there once for each guest and back end, with its unit, and the planned ones are judged."""
    report = report_of("vm", "--quick", "--json", *chosen)

    figures = [(row.guest, row.params["backend"], row.name, row.unit) for row in report.rows]
    places = [(guest, backend) for guest in guests for backend in BACKENDS]
    assert figures == [(*place, name, unit) for place in places for name, unit in vm.UNITS.items()]
    assert [row.name for row in report.rows if row.budget] == ["cycle", "stored", "stored"] * len(guests)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_engine_benchmark_reports_medians_of_real_runs(processes: int) -> None:
    """Fanout runs its workflow on a fresh SQLite world and reports the counted samples of each number of steps."""
    report = report_of("fanout", "--quick", "--json", "--processes", str(processes))

    *walls, written = report.rows
    assert [(row.name, row.params, row.world) for row in walls] == [
        ("wall", {"steps": steps, "processes": processes}, "sqlite") for steps in fanout.STEPS
    ]
    assert {row.n for row in walls} == {3}
    assert written.name == "written_per_step"
    assert written.median > 0


def test_postgres_reports_what_a_step_costs_the_server() -> None:
    """In a database of its own, which is gone afterwards: transactions, log, dead rows, beside the raw commit."""
    url = server_url()
    report = report_of("fanout", "--quick", "--json", "--world", url.replace("postgresql", "postgres", 1))
    costs = {row.name: row.median for row in report.rows if row.name != "wall"}
    assert set(costs) - {"statements_per_step"} == {
        *("transactions_per_step", "wal_per_step", "dead_per_step", "hot_updates"),
    }
    assert costs["wal_per_step"] > 100
    assert costs["dead_per_step"] > 0
    assert execute(url, "SELECT 1 FROM pg_database WHERE datname LIKE 'torpor_benchmark_%%'") == []


def test_the_list_names_every_benchmark() -> None:
    """``--list`` tells the names, one a line."""
    lines = benchmarks("--list").stdout.splitlines()

    assert [line.split()[0] for line in lines] == list(BENCHMARKS)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["sequentail"], "sequentail"),
        (["vm", "--guest", "lua"], "lua"),
        (["vm", "--backend", "none"], "none"),
        (["vm", "--runtime", "forget"], "forget"),
        (["vm", "--processes", "2"], "vm is not for several processes"),
    ],
)
def test_a_wrong_word_is_refused(arguments: list[str], told: str) -> None:
    """An unknown benchmark, guest, back end or runtime is named in the error, and nothing is measured."""
    done = benchmarks(*arguments)

    assert done.returncode == 2
    assert told in done.stderr
    assert done.stdout == ""


def test_a_benchmark_that_cannot_be_says_so() -> None:
    """A crash cannot be measured in a world that ends with its process."""
    done = benchmarks("crash", "--world", "memory://", "--json")

    assert done.returncode == 1
    assert "outlives a process" in done.stderr
    assert done.stdout == ""
