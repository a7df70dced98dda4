"""``torpor inspect``."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process
from tests.cli.project import Runs
from tests.cli.screen import screen
from torpor.cli.inspect_run import BAR_COLUMNS, bar
from torpor.inspection.timeline import Row


def change(folder: Path, statement: str, *values: object) -> None:
    """Change the world's file behind Torpor's back."""
    with contextlib.closing(sqlite3.connect(folder / "torpor.db")) as db:
        assert db.execute(statement, values).rowcount > 0, "the statement changes something"
        db.commit()


MONEY = """
from dataclasses import dataclass


@dataclass
class Money:
    cents: int


@app.step
def price() -> Money:
    return Money(4200)
"""
PRICED = """
import { price } from "../steps.py";

export async function priced() {
  "use workflow";
  return await price();
}
"""

LOST_EVENT = "DELETE FROM events WHERE k = ((SELECT k FROM runs WHERE id = ?) << 32) + 4"
DAMAGED_RESULT = (
    "UPDATE events SET payload = x'00ff' WHERE type = 8 AND op = 2 AND k >> 32 = (SELECT k FROM runs WHERE id = ?)"
)


def test_the_head_says_what_and_how_it_ended(torpor: Torpor, runs: Runs) -> None:
    """State, names, input, output and program come first."""
    shown = torpor.ok("inspect", runs.completed)

    assert shown.splitlines()[0] == f"completed  addTen  {runs.completed}"
    assert "workflow  workflow//./flows/orders.js//addTen" in shown
    assert "input     [123]" in shown
    assert "output    133" in shown
    assert "./flows/orders.js, ./steps.py" in shown


def test_steps_show_their_calls_and_results(torpor: Torpor, runs: Runs) -> None:
    """Each step is a line with arguments, state, result and a bar."""
    lines = torpor.ok("inspect", runs.completed).splitlines()

    steps = [line for line in lines if " step " in line]
    assert [line.split("step")[1].split() for line in steps] == [
        ["add(123,", "2)", "completed", "125"],
        ["add(125,", "3)", "completed", "128"],
        ["add(128,", "5)", "completed", "133"],
    ]
    assert all("━" in line for line in steps)


def test_every_attempt_of_a_step_is_shown(torpor: Torpor, runs: Runs) -> None:
    """Attempts that failed say why and when the next one followed."""
    shown = torpor.ok("inspect", runs.approved)

    assert shown.count("failed  ConnectionError: the bank is closed; again after") == 2
    assert "attempt 3  completed" in shown


def test_waits_hooks_and_log_lines_are_shown(torpor: Torpor, runs: Runs) -> None:
    """A live hook shows its token, so that it can be resumed."""
    shown = torpor.ok("inspect", runs.waiting)

    assert "token token-2  live" in shown
    assert " wait " in shown
    assert "waiting for approval  warn" in shown


def test_what_a_hook_received_is_shown(torpor: Torpor, runs: Runs) -> None:
    """The payload stands below the hook, which ended with its run."""
    shown = torpor.ok("inspect", runs.approved)

    assert "token token-1  disposed" in shown
    assert '{"approved": true}' in shown


def test_the_snapshot_of_a_parked_run_is_shown(torpor: Torpor, runs: Runs) -> None:
    """Its size, its place in the log and its age."""
    data = torpor.json("inspect", runs.waiting)

    assert 0 < data["snapshot"]["bytes"] < 20_000
    assert data["snapshot"]["cursor"] == data["run"]["head"] == len(data["events"])
    assert data["snapshot"]["age_ms"] >= 0
    assert f"after event {len(data['events'])} of" in torpor.ok("inspect", runs.waiting)


def test_the_ending_is_the_last_row(torpor: Torpor, runs: Runs) -> None:
    """Log lines of the last turn stand before it, even when their time is a little later."""
    lines = torpor.ok("inspect", runs.approved).splitlines()

    assert lines[-1].split()[-2:] == ["run", "completed"]


def test_a_run_that_nothing_can_wake_says_so(torpor: Torpor, fresh: Path) -> None:
    """A promise that nobody settles is named; a run with a live hook is not called stuck."""
    with Process(fresh, "worker", "-p", "1", "--follow") as process:
        process.wait_line("is at work")
        stuck = torpor.ok("start", "forgets").strip()
        process.wait_line("│ forgetting")
        waiting = torpor.ok("start", "approval", "token").strip()
        process.wait_line("│ waiting for approval")
        process.send(signal.SIGTERM)
        process.wait_end()

    said = "waits for nothing: no step, timer, hook or message can wake it"
    assert said in torpor.ok("inspect", stuck)
    assert said not in torpor.ok("inspect", waiting)


def test_a_child_shows_its_parent(torpor: Torpor, runs: Runs, project: Path) -> None:
    """And the first of the line when that is another run; a run that nobody started shows neither."""
    assert torpor.json("inspect", runs.completed)["run"]["parent"] is None
    assert "  parent " not in torpor.ok("inspect", runs.completed)
    change(project, "UPDATE runs SET parent = 'wrun_p', root = 'wrun_p' WHERE id = ?", runs.completed)
    assert "  parent    wrun_p\n" in torpor.ok("inspect", runs.completed)
    change(project, "UPDATE runs SET root = 'wrun_r' WHERE id = ?", runs.completed)
    assert "  parent    wrun_p, first of the line is wrun_r\n" in torpor.ok("inspect", runs.completed)
    [told] = [run for run in torpor.json("runs") if run["id"] == runs.completed]
    assert (told["parent"], told["root"]) == ("wrun_p", "wrun_r")


def test_a_run_of_a_guest_that_is_not_here_says_so(torpor: Torpor, runs: Runs, project: Path) -> None:
    """It waits for a worker that has the guest; a run that has ended waits for nobody."""
    said = "waits for workers that have the guest gopher; this installation lacks it"
    change(project, "INSERT INTO routes (app, queue, guest, key_id, priority) VALUES ('', '', ?, '', '0')", "gopher")
    for run in (runs.waiting, runs.completed):
        assert said not in torpor.ok("inspect", run)
        change(project, "UPDATE runs SET route = (SELECT k FROM routes WHERE guest = 'gopher') WHERE id = ?", run)
    assert said in torpor.ok("inspect", runs.waiting)
    assert said not in torpor.ok("inspect", runs.completed)


def test_a_failed_run_shows_its_error_with_the_stack(torpor: Torpor, runs: Runs) -> None:
    """The author's file and the cause's are named."""
    shown = torpor.ok("inspect", runs.failed)

    assert "USER_ERROR: TypeError: the order cannot be placed" in shown
    assert "./flows/orders.js:" in shown
    assert "Caused by:" in shown
    assert "steps.py" in shown
    assert "ValueError: no such order" in shown


def test_events_are_the_log_itself(torpor: Torpor, runs: Runs) -> None:
    """--events lists every event by its type, in order."""
    types = [event["type"] for event in torpor.json("inspect", runs.waiting)["events"]]
    lines = torpor.ok("inspect", runs.waiting, "--events").splitlines()

    listed = [word for line in lines for word in line.split()[3:4] if word in types]
    assert listed == types


def test_logs_are_what_workflow_code_wrote(torpor: Torpor, runs: Runs) -> None:
    """--logs prints the lines with time and level, and nothing else."""
    lines = torpor.ok("inspect", runs.approved, "--logs").splitlines()

    assert [line.split(maxsplit=1)[1] for line in lines] == ["warn   waiting for approval", "info   approved"]


def test_json_tells_the_whole_story(torpor: Torpor, runs: Runs) -> None:
    """Steps with attempts, waits, hooks with receipts, logs, events and program are there, decoded."""
    data = torpor.json("inspect", runs.approved)

    (step,) = data["steps"]
    assert (step["short_name"], step["status"], step["output"], step["input"]) == ("unstable", "completed", "open", [])
    assert [attempt["outcome"] for attempt in step["attempts"]] == ["failed", "failed", "completed"]
    assert step["attempts"][0]["error"]["message"] == "the bank is closed"
    assert [wait["status"] for wait in data["waits"]] == ["completed"]
    (hook,) = data["hooks"]
    assert (hook["token"], hook["metadata"], hook["status"]) == ("token-1", {"order": "o-1"}, "disposed")
    assert [receipt["payload"] for receipt in hook["received"]] == [{"approved": True}]
    assert [entry["text"] for entry in data["logs"]] == ["waiting for approval", "approved"]
    assert [event["seq"] for event in data["events"]] == list(range(1, data["run"]["head"] + 1))
    assert data["program"]["files"] == ["./flows/orders.js", "./steps.py"]
    assert data["snapshot"] is None
    assert data["problems"] == []


def test_a_run_is_inspected_without_its_application(torpor: Torpor, project: Path, runs: Runs) -> None:
    """The world alone is enough."""
    for file in ("app.py", "steps.py", "flows/orders.js"):
        (project / file).unlink()

    assert "output    133" in torpor.ok("inspect", runs.completed)


@pytest.mark.usefixtures("runs")
def test_an_unknown_run_is_one_line(torpor: Torpor) -> None:
    """The error has its code, and there is no traceback."""
    result = torpor("inspect", "wrun_00000000000000000000000000")

    assert result.exit_code == 1
    assert result.stderr.startswith("error[RUN_NOT_FOUND]: ")
    assert len(result.stderr.splitlines()) == 1


def test_a_hole_in_the_log_is_told_and_the_rest_is_shown(torpor: Torpor, project: Path, runs: Runs) -> None:
    """What can be read is shown; what is missing is an error."""
    change(project, LOST_EVENT, runs.completed)

    result = torpor("inspect", runs.completed)

    assert result.exit_code == 1
    assert f"error[WORLD]: run {runs.completed}: the log has a gap: after event 3 comes 5" in result.stderr
    assert "output    133" in result.stdout


def test_a_damaged_payload_is_told_where_it_stands(torpor: Torpor, project: Path, runs: Runs) -> None:
    """One result that cannot be decoded does not hide the others."""
    change(project, DAMAGED_RESULT, runs.completed)

    steps = torpor.json("inspect", runs.completed)["steps"]

    assert steps[0]["output"] == 125
    assert steps[1]["output"]["unreadable"].startswith("SERIALIZATION: ")
    assert steps[2]["output"] == 133


@pytest.mark.parametrize("damage", ["status = 99", "workflow = 99", "runtime = 99"])
def test_a_damaged_row_is_an_error_and_no_traceback(torpor: Torpor, project: Path, runs: Runs, damage: str) -> None:
    """A value that no version has stored makes the run unreadable, and says so."""
    change(project, f"UPDATE runs SET {damage} WHERE id = ?", runs.completed)  # noqa: S608  # three known texts

    result = torpor("inspect", runs.completed)

    assert result.exit_code == 1
    assert result.stderr.startswith("error[")
    assert runs.completed in result.stderr
    assert "Traceback" not in result.output


def test_a_missing_program_is_not_in_the_way(torpor: Torpor, project: Path, runs: Runs) -> None:
    """A run whose program the world has lost can still be looked at."""
    change(project, "DELETE FROM blobs WHERE key LIKE 'program/%'")

    assert "not in this world" in torpor.ok("inspect", runs.completed)


def test_a_damaged_program_is_told(torpor: Torpor, project: Path, runs: Runs) -> None:
    """The rest of the run is shown."""
    change(project, "UPDATE blobs SET data = x'00ff' WHERE key LIKE 'program/%'")

    result = torpor("inspect", runs.completed)

    assert result.exit_code == 1
    assert "its program cannot be read" in result.stderr
    assert "output    133" in result.stdout


def test_bars_stand_where_things_happened() -> None:
    """A bar's place and length are those of its span; a moment is a dot."""
    assert bar(Row(0, 1_000, "step", ""), 0, 1_000) == "━" * BAR_COLUMNS
    assert bar(Row(500, 1_000, "step", ""), 0, 1_000) == " " * 12 + "━" * 12
    assert bar(Row(999, 1_000, "step", ""), 0, 1_000) == " " * 23 + "━"
    assert bar(Row(500, 0, "wait", ""), 0, 1_000) == " " * 12 + "━" * 12
    assert bar(Row(1_000, None, "log", ""), 0, 1_000) == " " * 23 + "·"
    assert bar(Row(5, None, "log", ""), 5, 5) == "·"


def test_the_beginning_of_an_id_names_a_run(torpor: Torpor, runs: Runs) -> None:
    """Where only one id begins like that; else those that do are listed."""
    shared = "wrun_"
    assert torpor.ok("inspect", runs.completed[:-1]).splitlines()[0].endswith(runs.completed)
    result = torpor("inspect", shared)
    assert result.exit_code == 2
    assert f"several runs begin with {shared}: " in result.stderr
    assert f"{runs.completed} (addTen, completed)" in result.stderr


def test_the_newest_run_needs_no_id(torpor: Torpor, runs: Runs) -> None:
    """--last stands in the place of an id; neither or both are refused."""
    assert torpor.ok("inspect", "--last").splitlines()[0].endswith(runs.cancelled)
    assert torpor("inspect").exit_code == torpor("inspect", runs.failed, "--last").exit_code == 2


def test_what_a_run_waits_for_stands_in_the_head(torpor: Torpor, runs: Runs) -> None:
    """A live hook by its token; a run that has ended waits for nothing."""
    assert "waits for hook token-2\n" in torpor.ok("inspect", runs.waiting)
    assert "waits for" not in torpor.ok("inspect", runs.cancelled)


def test_a_timeline_fits_80_columns(project: Path, runs: Runs) -> None:
    """No line is longer, and no call or state is broken inside a word."""
    lines = screen(project, "inspect", runs.completed)

    rows = lines[next(at for at, line in enumerate(lines) if line.split()[:2] == ["at", "took"]) :]
    assert all(len(line) <= 80 for line in rows)
    assert [line.split("step")[1].split() for line in rows if " step " in line] == [
        ["add(123,", "2)", "completed", "125"],
        ["add(125,", "3)", "completed", "128"],
        ["add(128,", "5)", "completed", "133"],
    ]


def test_values_of_classes_are_shown_without_the_classes(torpor: Torpor, fresh: Path) -> None:
    """By name and fields, in text and in JSON, by a process that has not loaded them; and so is a result."""
    with (fresh / "steps.py").open("a") as steps:
        steps.write(MONEY)
    (fresh / "flows" / "money.js").write_text(PRICED)
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        result = json.loads(torpor.ok("start", "priced", "--wait"))

    assert result == {"$class": "steps.Money", "cents": 4200}
    world = ("--world", f"sqlite:///{fresh}/torpor.db")
    assert "output    Money(cents=4200)" in torpor.ok("inspect", "--last", *world)
    assert torpor.json("inspect", "--last", *world)["steps"][0]["output"] == result
