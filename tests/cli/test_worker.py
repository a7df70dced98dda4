"""``torpor worker``, as a process."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process


@pytest.fixture
def worker(fresh: Path) -> Iterator[Process]:
    """A worker at work."""
    with Process(fresh, "worker", "-p", "1", "--follow") as process:
        process.wait_line("is at work")
        yield process


def test_a_worker_tells_what_runs_do(torpor: Torpor, worker: Process) -> None:
    """With --follow a run's beginning, log lines, failing steps and end are lines, as they happen."""
    first = torpor.ok("start", "addTen", "1").strip()
    worker.wait_line(f"{first}  addTen  started")
    worker.wait_line("│ adding to 1")
    assert worker.wait_line(f"{first}  addTen  completed in ").endswith("  11")

    second = torpor.ok("start", "failing").strip()
    worker.wait_line("step broken failed (attempt 1)")
    worker.wait_line(f"{second}  failing  failed in ")

    third = torpor.ok("start", "approval", "token").strip()
    worker.wait_line(f"{third}  approval  waits for hook token")
    worker.wait_line("step unstable failed (attempt 1): ConnectionError: the bank is closed; again in ")
    worker.wait_line("step unstable completed")
    worker.wait_line("│ waiting for approval")
    torpor.ok("cancel", third, "--reason", "by hand")
    assert worker.wait_line("cancelled in ").endswith(": by hand")


def test_log_lines_come_before_the_ending(torpor: Torpor, worker: Process) -> None:
    """What a run wrote in its last turn is told before its end."""
    torpor.ok("start", "approval", "token")
    worker.wait_line("│ waiting for approval")
    torpor.ok("resume", "token")

    worker.wait_line("│ approved")
    worker.wait_line("approval  completed in ")


def test_a_failed_run_is_told_with_its_place(torpor: Torpor, worker: Process) -> None:
    """The line names the author's file, line and column."""
    torpor.ok("start", "failing")

    told = worker.wait_line("failing  failed in ")
    assert re.search(r"cannot be placed \(at \./flows/orders\.js:29:\d+\)$", told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_worker_cleanly(torpor: Torpor, worker: Process, number: signal.Signals) -> None:
    """Runs are parked and the worker leaves no claim and no row behind."""
    run = torpor.ok("start", "approval", "token").strip()
    worker.wait_line("│ waiting for approval")

    worker.send(number)

    assert worker.wait_end() == 0
    assert any("stopping: runs are parked" in line for line in worker.seen)
    assert worker.seen[-1] == "stopped"
    assert torpor.json("inspect", run)["snapshot"] is not None
    assert torpor.json("doctor")["checks"]["workers"]["dead"] == 0


def test_a_second_signal_ends_a_worker_at_once(torpor: Torpor, worker: Process) -> None:
    """A step that does not end is not waited for; the process dies of the signal."""
    torpor.ok("start", "hangs")
    worker.wait_line("stuck")
    worker.send(signal.SIGTERM)
    worker.wait_line("stopping")

    began = time.monotonic()
    worker.send(signal.SIGTERM)

    assert worker.wait_end() == -signal.SIGTERM
    assert time.monotonic() - began < 5


def test_a_stuck_step_does_not_keep_a_stopped_worker(torpor: Torpor, fresh: Path) -> None:
    """After the grace period the process ends although a thread goes on; the step is begun again elsewhere."""
    app = fresh / "app.py"
    app.write_text(
        app.read_text().replace(
            "app = Torpor()",
            "from torpor import WorkerSettings\napp = Torpor(settings=WorkerSettings(grace_seconds=0.2))",
        )
    )
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        run = torpor.ok("start", "hangs").strip()
        process.wait_line("stuck")
        process.send(signal.SIGTERM)

        assert process.wait_end() == 0
    assert torpor.json("inspect", run)["run"]["status"] == "running"


def test_a_worker_whose_workflows_do_not_load_says_so(fresh: Path) -> None:
    """A workflow file that cannot be is an error with its file and line, and no traceback."""
    (fresh / "flows" / "orders.js").write_text('import { nothing } from "../steps.py";\n')

    with Process(fresh, "worker", "-p", "1") as process:
        assert process.wait_end() == 2
    assert process.seen[-1].startswith("error[CONFIGURATION]: ./flows/orders.js:1: ")
    assert "Traceback" not in "\n".join(process.seen)


def test_a_worker_takes_the_world_that_is_named(torpor: Torpor, fresh: Path) -> None:
    """--world reaches the application, and what step functions start follows."""
    named = ("--world", "sqlite:///named.db")
    with Process(fresh, "worker", "app.py", "-p", "1", "--follow", *named) as process:
        process.wait_line("is at work: ")
        child = json.loads(torpor.ok("start", "spawns", "--wait", *named))
        process.wait_line(f"{child}  addTen  completed")
    assert not (fresh / "torpor.db").exists()


def test_a_world_in_memory_is_worth_a_warning(fresh: Path) -> None:
    """Nobody can start a run in it from outside."""
    with Process(fresh, "worker", "-p", "1", "--world", "memory://") as process:
        process.wait_line("no other process sees it")


LOGGING = """
import logging


@app.step
def speaks(level: str) -> None:
    logging.getLogger("shop").log(getattr(logging, level), "shipping %s", "o-1")
"""
SPEAKING = """
import { speaks } from "../steps.py";

export async function speaking() {
  "use workflow";
  await speaks("DEBUG");
  await speaks("INFO");
  await speaks("WARNING");
}
"""


@pytest.fixture
def talkative(fresh: Path) -> Path:
    """A project with a step that writes log lines."""
    with (fresh / "steps.py").open("a") as steps:
        steps.write(LOGGING)
    (fresh / "flows" / "speaking.js").write_text(SPEAKING)
    return fresh


def test_a_worker_tells_of_hooks_that_wait_and_steps_that_end(torpor: Torpor, worker: Process) -> None:
    """With a hook's token and metadata, and a step's time and result."""
    torpor.ok("start", "addTen", "1")
    assert re.search(r"addTen  step add completed in \d+ ms  3$", worker.wait_line("step add completed"))

    torpor.ok("start", "approval", "token-1")
    told = worker.wait_line("waits for hook")
    assert told.endswith('approval  waits for hook token-1  {"order": "o-1"}')

    owner = torpor.json("hooks")[0]["run_id"]
    torpor.ok("start", "approval", "token-1")
    worker.wait_line(f"approval  cannot have hook token-1, which is of run {owner}")


def test_failures_are_warnings_in_the_log(torpor: Torpor, fresh: Path) -> None:
    """A step that is given up and a run that fails are told without being asked for."""
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        run = torpor.ok("start", "failing").strip()

        step = process.wait_line("WARNING torpor.runs: step broken")
        assert step.endswith(f"step broken of run {run} failed for good (attempt 1): ValueError: no such order")
        said = process.wait_line("WARNING torpor.runs: run")
        assert said.endswith(f"run {run} (failing) failed with USER_ERROR: TypeError: the order cannot be placed")


def test_failures_are_told_once_where_runs_are_followed(torpor: Torpor, worker: Process) -> None:
    """The line of the run is enough."""
    torpor.ok("start", "failing")
    worker.wait_line("failing  failed in ")
    worker.send(signal.SIGTERM)
    worker.wait_end()

    assert not any("torpor.runs" in line for line in worker.seen)


def test_log_lines_of_steps_are_shown(torpor: Torpor, talkative: Path) -> None:
    """From INFO on, with the step and the run that they are of."""
    with Process(talkative, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        run = torpor.ok("start", "speaking").strip()

        line = process.wait_line("shop: shipping o-1")
        assert line.endswith(f"INFO shop: shipping o-1 (step speaks of run {run})")
        assert "WARNING" in process.wait_line("shop: shipping o-1")


def test_log_lines_of_steps_are_shown_beside_what_runs_do(torpor: Torpor, talkative: Path) -> None:
    """In the form of the other lines."""
    with Process(talkative, "dev") as process:
        process.wait_line("is at work")
        run = torpor.ok("start", "speaking").strip()

        process.wait_line(f"{run}  step speaks  │ shipping o-1")


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("warning", 1), ("error", 0)])
def test_the_level_of_the_log_is_chosen(torpor: Torpor, talkative: Path, level: str, lines: int) -> None:
    """--log-level shows more or less; dev hands it on to its worker."""
    with Process(talkative, "dev", "--log-level", level) as process:
        process.wait_line("is at work")
        torpor.ok("start", "speaking")
        process.wait_line("speaking  completed in ")
        process.send(signal.SIGTERM)
        process.wait_end()

    assert sum("shipping o-1" in line for line in process.seen) == lines


def test_an_application_that_has_set_logging_up_is_left_alone(torpor: Torpor, talkative: Path) -> None:
    """Its own form and level stay."""
    with (talkative / "app.py").open("a") as app:
        app.write('\nimport logging\nlogging.basicConfig(format="own %(message)s", level="WARNING")\n')
    with Process(talkative, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        torpor.ok("start", "speaking", "--wait")
        process.send(signal.SIGTERM)
        process.wait_end()

    assert [line for line in process.seen if "shipping" in line] == ["own shipping o-1"]


def test_an_unknown_level_is_refused(torpor: Torpor, fresh: Path) -> None:
    """By dev itself, before it starts a worker."""
    assert (fresh / "app.py").exists()
    for command in ("worker", "dev"):
        result = torpor(command, "--log-level", "loud")

        assert result.exit_code == 2
        assert "use one of debug, info, warning, error" in result.stderr
