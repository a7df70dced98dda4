"""``torpor runs``."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.project import WORLD, Runs
from tests.cli.screen import screen


def ids(data: list[dict[str, object]]) -> list[object]:
    """Return the ids of listed runs."""
    return [run["id"] for run in data]


def test_json_tells_all_of_a_completed_run(torpor: Torpor, runs: Runs) -> None:
    """Id, both names, input, output, status and times are there, decoded."""
    (run,) = torpor.json("runs", "--workflow", "addTen")

    assert run["id"] == runs.completed
    assert run["name"] == "addTen"
    assert run["workflow"] == "workflow//./flows/orders.js//addTen"
    assert run["status"] == "completed"
    assert run["input"] == [123]
    assert run["output"] == 133
    assert run["error"] is None
    assert run["created_at"].endswith("Z")
    assert run["created_at"] <= run["started_at"] <= run["ended_at"]
    assert run["duration_ms"] >= 0
    assert (run["runtime"], run["guest"]) == ("snapshot", "quickjs")


def test_json_keys_are_the_same_for_every_run(torpor: Torpor, runs: Runs) -> None:
    """A program can rely on the keys, whatever became of a run."""
    listed = torpor.json("runs")

    assert ids(listed) == [runs.cancelled, runs.waiting, runs.failed, runs.approved, runs.completed]
    assert len({tuple(run) for run in listed}) == 1


@pytest.mark.usefixtures("runs")
def test_values_that_json_lacks_are_readable(torpor: Torpor) -> None:
    """A Date, a Map, a BigInt and bytes come as what is nearest to them."""
    listed = torpor.json("runs", "--status", "completed", "--workflow", "approval")

    assert listed[0]["output"] == {
        "answer": {"approved": True},
        "at": "1970-01-01T00:00:00.000Z",
        "seen": [[1, "one"]],
        "big": 2**60,
        "raw": "base64:AQI=",
    }


@pytest.mark.usefixtures("runs")
def test_json_tells_why_a_run_failed(torpor: Torpor) -> None:
    """Code, error and its cause are there."""
    (run,) = torpor.json("runs", "--status", "failed")

    assert run["error_code"] == "USER_ERROR"
    assert (run["error"]["name"], run["error"]["message"]) == ("TypeError", "the order cannot be placed")
    assert "ValueError: no such order" in run["error"]["cause"]["message"]
    assert run["output"] is None


@pytest.mark.usefixtures("runs")
def test_json_tells_why_a_run_was_cancelled(torpor: Torpor) -> None:
    """The reason is there."""
    (run,) = torpor.json("runs", "--status", "cancelled")

    assert run["cancel_reason"] == "wrong prices"


def test_the_table_has_a_line_for_each_run(torpor: Torpor, runs: Runs) -> None:
    """Whole ids, short names and states are shown, newest first, without colours."""
    head, *lines = torpor.ok("runs").splitlines()

    assert head.split() == ["run", "workflow", "status", "created", "took", "waits", "for"]
    assert [line.split()[:3] for line in lines] == [
        [runs.cancelled, "approval", "cancelled"],
        [runs.waiting, "approval", "running"],
        [runs.failed, "failing", "failed"],
        [runs.approved, "approval", "completed"],
        [runs.completed, "addTen", "completed"],
    ]
    assert "\x1b" not in "".join(lines)


def test_pages_follow_one_another(torpor: Torpor, runs: Runs) -> None:
    """--limit and --before walk through all runs."""
    first = torpor.json("runs", "--limit", "2")
    second = torpor.json("runs", "--limit", "2", "--before", str(first[-1]["id"]))

    assert ids(first) == [runs.cancelled, runs.waiting]
    assert ids(second) == [runs.failed, runs.approved]


@pytest.mark.parametrize("name", ["approval", "workflow//./flows/orders.js//approval"])
def test_runs_of_a_workflow_by_either_name(torpor: Torpor, runs: Runs, name: str) -> None:
    """The short and the full name select the same runs; the limit counts those."""
    assert ids(torpor.json("runs", "--workflow", name, "--limit", "2")) == [runs.cancelled, runs.waiting]


@pytest.mark.usefixtures("runs")
def test_no_runs_is_an_empty_document(torpor: Torpor) -> None:
    """A selection that fits no run is not an error."""
    assert torpor.json("runs", "--workflow", "nobody") == []


@pytest.mark.usefixtures("runs")
def test_no_runs_is_said(torpor: Torpor) -> None:
    """Without --json the empty list is said on standard error, with the world that was looked into."""
    result = torpor("runs", "--workflow", "nobody")

    assert (result.exit_code, result.stdout) == (0, "")
    assert WORLD in result.stderr


@pytest.mark.usefixtures("runs")
def test_an_unknown_status_is_refused(torpor: Torpor) -> None:
    """The message lists those there are."""
    result = torpor("runs", "--status", "done")

    assert result.exit_code == 2
    assert "pending, running, completed, failed, cancelled" in result.stderr


@pytest.mark.usefixtures("runs")
def test_runs_need_no_application(torpor: Torpor, project: Path) -> None:
    """The world alone is enough."""
    for file in ("app.py", "steps.py", "flows/orders.js"):
        (project / file).unlink()

    assert len(torpor.json("runs")) == 5


def test_a_damaged_run_is_flagged_and_hides_no_other(torpor: Torpor, project: Path, runs: Runs) -> None:
    """It is listed with what is wrong."""
    with contextlib.closing(sqlite3.connect(project / "torpor.db")) as db:
        db.execute("UPDATE runs SET status = 99 WHERE id = ?", (runs.completed,))
        db.commit()

    listed = {run["id"]: run["damage"] for run in torpor.json("runs")}

    assert len(listed) == 5
    assert "its status is 99" in listed.pop(runs.completed)
    assert set(listed.values()) == {None}


def test_the_list_fits_80_columns(project: Path, runs: Runs) -> None:
    """On a terminal no line is longer, and every id, name, state and time is whole."""
    lines = screen(project, "runs")

    assert all(len(line) <= 80 for line in lines)
    words = " ".join(lines).split()
    for run in (runs.completed, runs.approved, runs.failed, runs.waiting, runs.cancelled):
        assert run in words
    assert {"addTen", "approval", "failing", "completed", "USER_ERROR", "token-2"} <= set(words)
    assert all(re.fullmatch(r"\d\d:\d\d:\d\dZ", word) for word in words if word.endswith("Z") and ":" in word)


def test_the_list_says_what_runs_wait_for(torpor: Torpor, runs: Runs) -> None:
    """The token of a hook, and in JSON all of it; what has ended waits for nothing."""
    lines = {line.split()[0]: line for line in torpor.ok("runs").splitlines()}
    data = {run["id"]: run for run in torpor.json("runs")}

    assert lines[runs.waiting].endswith("hook token-2")
    [awaited] = data[runs.waiting]["waits_for"]
    assert (awaited["kind"], awaited["name"], awaited["status"]) == ("hook", "token-2", "waiting")
    assert [data[run]["waits_for"] for run in (runs.completed, runs.failed, runs.cancelled)] == [[], [], []]


def test_hooks_that_wait_are_listed(torpor: Torpor, runs: Runs) -> None:
    """With token, run, workflow, age and metadata; those of runs that have ended are not."""
    head, *lines = torpor.ok("hooks").splitlines()
    [data] = torpor.json("hooks")

    assert head.split() == ["token", "run", "workflow", "waits", "metadata"]
    assert [line.split()[:3] for line in lines] == [["token-2", runs.waiting, "approval"]]
    assert lines[0].endswith('{"order": "o-1"}')
    assert (data["token"], data["run_id"], data["metadata"]) == ("token-2", runs.waiting, {"order": "o-1"})
    assert data["created_at"].endswith("Z")


@pytest.mark.usefixtures("runs")
def test_hooks_of_one_workflow_are_listed(torpor: Torpor) -> None:
    """None of them waits: that is said."""
    assert torpor.json("hooks", "--workflow", "addTen") == []
    assert torpor("hooks", "--workflow", "addTen").stderr == f"no hook waits in world {WORLD}\n"
