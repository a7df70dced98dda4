"""``torpor pause``, ``unpause``, ``wake``, ``retry``, ``rerun``, ``query``, and finding runs by attributes."""

from __future__ import annotations

from tests.cli.conftest import Torpor
from tests.cli.project import Runs

UNKNOWN = "wrun_00000000000000000000000000"


def test_a_run_is_paused_and_goes_on(torpor: Torpor, runs: Runs) -> None:
    """Lists and inspect say that it is paused; who has ended is refused, and the others are paused all the same."""
    result = torpor("pause", runs.completed, runs.waiting)
    assert (result.exit_code, result.stdout) == (1, f"{runs.waiting}\n")
    assert "is completed, which is final" in result.stderr
    assert torpor.json("inspect", runs.waiting)["run"]["paused"] is True
    assert "running paused" in torpor.ok("runs", "--status", "running")
    assert torpor.ok("inspect", runs.waiting).startswith("running paused")
    assert torpor.ok("unpause", runs.waiting) == f"{runs.waiting}\n"
    assert torpor.json("inspect", runs.waiting)["run"]["paused"] is False


def test_waking_says_how_many_timers_ended(torpor: Torpor, runs: Runs) -> None:
    """A run that waits for a hook has none."""
    assert torpor.ok("wake", runs.waiting) == "0 timers ended\n"


def test_a_failed_run_is_retried(torpor: Torpor, runs: Runs) -> None:
    """Its status is running again, and its log has both; another one is refused."""
    assert torpor.ok("retry", runs.failed) == f"{runs.failed}\n"
    details = torpor.json("inspect", runs.failed)
    assert details["run"]["status"] == "running"
    assert [event["type"] for event in details["events"]][-2:] == ["run_failed", "run_retried"]
    result = torpor("retry", runs.waiting, UNKNOWN)
    assert result.exit_code == 1
    assert "is running, and only failed runs are retried" in result.stderr
    assert UNKNOWN in result.stderr


def test_a_run_is_started_anew(torpor: Torpor, runs: Runs) -> None:
    """The new one has the same workflow and input, under the name that was asked for."""
    assert torpor.ok("rerun", runs.completed, "--run-id", "again") == "again\n"
    again, first = (torpor.json("inspect", run)["run"] for run in ("again", runs.completed))
    assert (again["workflow"], again["input"], again["status"]) == (first["workflow"], first["input"], "pending")


def test_a_query_that_is_not_there_says_so(torpor: Torpor, runs: Runs) -> None:
    """The program has none; the run is not woken."""
    result = torpor("query", runs.waiting, "progress")
    assert result.exit_code != 0
    assert "has no query progress; it has none" in result.stderr


def test_runs_are_found_by_attributes(torpor: Torpor, runs: Runs) -> None:
    """Those that a run was started with; what is no attribute is refused."""
    options = ("--attribute", "customer=c-1", "--attribute", "region=eu", "--priority", "3", "--deadline", "1d")
    torpor.ok("start", "addTen", "1", "--run-id", "tagged", *options)
    assert runs.waiting not in torpor.ok("runs", "--attribute", "customer=c-1")
    found = torpor.json("runs", "--attribute", "customer=c-1")
    assert [(run["id"], run["priority"], run["attributes"]["region"]) for run in found] == [("tagged", 3, "eu")]
    shown = torpor.ok("inspect", "tagged")
    assert "customer=c-1, region=eu" in shown
    assert "with priority 3, deadline" in shown
    result = torpor("runs", "--attribute", "customer")
    assert result.exit_code == 2
    assert "write NAME=VALUE" in result.stderr
