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
    with Process(fresh, "worker", "--follow") as process:
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
    worker.wait_line("step unstable failed (attempt 1): ConnectionError: the bank is closed; again in ")
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
    with Process(fresh, "worker") as process:
        process.wait_line("is at work")
        run = torpor.ok("start", "hangs").strip()
        process.wait_line("stuck")
        process.send(signal.SIGTERM)

        assert process.wait_end() == 0
    assert torpor.json("inspect", run)["run"]["status"] == "running"


def test_a_worker_whose_workflows_do_not_load_says_so(fresh: Path) -> None:
    """A workflow file that cannot be is an error with its file and line, and no traceback."""
    (fresh / "flows" / "orders.js").write_text('import { nothing } from "../steps.py";\n')

    with Process(fresh, "worker") as process:
        assert process.wait_end() == 2
    assert process.seen[-1].startswith("error[CONFIGURATION]: ./flows/orders.js:1: ")
    assert "Traceback" not in "\n".join(process.seen)


def test_a_worker_takes_the_world_that_is_named(torpor: Torpor, fresh: Path) -> None:
    """--world reaches the application, and what step functions start follows."""
    named = ("--world", "sqlite:///named.db")
    with Process(fresh, "worker", "app.py", "--follow", *named) as process:
        process.wait_line("is at work: ")
        child = json.loads(torpor.ok("start", "spawns", "--wait", *named))
        process.wait_line(f"{child}  addTen  completed")
    assert not (fresh / "torpor.db").exists()


def test_a_world_in_memory_is_worth_a_warning(fresh: Path) -> None:
    """Nobody can start a run in it from outside."""
    with Process(fresh, "worker", "--world", "memory://") as process:
        process.wait_line("no other process sees it")
