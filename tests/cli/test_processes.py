"""``torpor worker`` with several processes, as processes."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import TIMEOUT, Process
from torpor.processes.cores import available_cores

REPORTING = """
import os
import threading

from app import app

_both = {"first": "second", "second": "first"}


@app.step
def meet(me: str) -> int:
    open(me, "w").close()
    while not os.path.exists(_both[me]):
        threading.Event().wait(0.01)
    return os.getpid()


@app.step
def note(number: int) -> int:
    with open("notes", "a") as notes:
        notes.write(f"{number}\\n")
    return number
"""
MEETING = """
import { meet, note } from "../reporting.py";
import { createHook } from "workflow";

export async function meeting(me) {
  "use workflow";
  return await meet(me);
}

export async function counting(from, token) {
  "use workflow";
  let sum = 0;
  for (let number = from; number < from + 10; number += 1) {
    sum += await note(number);
    if (number === from + 4) await createHook({ token });
  }
  return sum;
}
"""


@pytest.fixture
def reporting(fresh: Path) -> Path:
    """A project with steps that tell which process they run in."""
    (fresh / "reporting.py").write_text(REPORTING)
    (fresh / "flows" / "meeting.js").write_text(MEETING)
    return fresh


@pytest.fixture
def two(reporting: Path) -> Iterator[Process]:
    """Two processes at work."""
    with Process(reporting, "worker", "-p", "2", "--follow") as process:
        process.wait_line("is at work")
        process.wait_line("is at work")
        yield process


def children(process: Process) -> list[psutil.Process]:
    """Return the worker processes of a command."""
    return psutil.Process(process.pid).children()


def test_each_process_is_a_worker_of_its_own(torpor: Torpor, two: Process) -> None:
    """It has an id, a row and a heartbeat; steps run in both at once."""
    workers = torpor.json("doctor")["checks"]["workers"]["alive"]
    assert {worker["pid"] for worker in workers} == {child.pid for child in children(two)}
    assert len(workers) == 2

    one = torpor.json("deployments")
    assert len(one["deployments"] if isinstance(one, dict) else one) == 1


def test_runs_are_told_once_behind_the_worker_that_did_it(torpor: Torpor, two: Process) -> None:
    """Every line is whole and begins with the end of a worker's id."""
    ends = [worker["id"][-6:] for worker in torpor.json("doctor")["checks"]["workers"]["alive"]]
    run = torpor.ok("start", "addTen", "1").strip()
    two.wait_line(f"{run}  addTen  completed in ")
    torpor.ok("start", "addTen", "1", "--wait")
    two.send(signal.SIGTERM)
    assert two.wait_end() == 0

    told = [line for line in two.seen if f"{run}  addTen" in line]
    assert len([line for line in told if "addTen  completed in" in line]) == 1
    assert all(line[:6] in ends and line[6:8] == "  " for line in told)


def test_a_killed_process_is_replaced(torpor: Torpor, two: Process) -> None:
    """Its run goes on, the other process is left alone."""
    torpor.ok("start", "meeting", "first")
    other = torpor.ok("start", "counting", "0", "token").strip()
    two.wait_line("waits for hook token")
    killed, left = children(two)
    killed.kill()

    two.wait_line("was killed by SIGKILL; another one is started in ")
    two.wait_line("is at work")
    assert left in children(two)
    torpor.ok("resume", "token")
    two.wait_line(f"{other}  counting  completed in ")
    torpor.ok("start", "meeting", "second", "--wait")
    two.wait_line("meeting  completed in ")


@pytest.mark.parametrize("way", ["supervisor", "group"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_cleanly(torpor: Torpor, two: Process, number: signal.Signals, way: str) -> None:
    """Sent to the one process or to all, as a terminal and a service manager do; said once, with one exit code."""
    run = torpor.ok("start", "approval", "token").strip()
    two.wait_line("│ waiting for approval")
    workers = children(two)

    (two.send if way == "supervisor" else two.send_group)(number)

    assert two.wait_end() == 0
    assert sum("stopping: runs are parked, running steps have 10 s to end" in line for line in two.seen) == 1
    assert two.seen[-1] == "stopped"
    assert not any(worker.is_running() for worker in workers)
    assert torpor.json("inspect", run)["snapshot"] is not None
    with closing(sqlite3.connect("torpor.db")) as world:
        assert world.execute("SELECT * FROM workers").fetchall() == []


def test_a_second_signal_ends_all_at_once(torpor: Torpor, two: Process) -> None:
    """Steps that do not end are not waited for, and no process is left."""
    torpor.ok("start", "hangs")
    two.wait_line("stuck")
    workers = children(two)
    two.send(signal.SIGTERM)
    two.wait_line("stopping")

    two.send(signal.SIGTERM)

    assert two.wait_end() == -signal.SIGTERM
    assert psutil.wait_procs(workers, timeout=TIMEOUT)[1] == []


def test_no_process_outlives_its_supervisor(torpor: Torpor, two: Process) -> None:
    """Killed, it says nothing; they notice, give their claims back and end."""
    torpor.ok("start", "meeting", "first")
    while not Path("first").exists():
        pass
    workers = children(two)
    two.send(signal.SIGKILL)
    Path("second").touch()

    assert psutil.wait_procs(workers, timeout=TIMEOUT)[1] == []
    with closing(sqlite3.connect("torpor.db")) as world:
        assert world.execute("SELECT * FROM workers").fetchall() == []
        assert world.execute("SELECT count(*) FROM steps WHERE worker IS NOT NULL").fetchone() == (0,)
    assert [run["status"] for run in torpor.json("runs")] == ["completed"] or len(torpor.json("runs")) == 1


def test_a_process_that_is_stopped_alone_is_replaced(two: Process) -> None:
    """It parks its runs, and another one takes its place."""
    children(two)[0].terminate()

    two.wait_line("ended with exit code 0; another one is started in ")
    two.wait_line("is at work")
    assert len(children(two)) == 2


def test_new_code_is_rolled_out(torpor: Torpor, reporting: Path, two: Process) -> None:
    """SIGUSR1 replaces the processes, one after the other, while runs go on; no step is lost or doubled."""
    runs = [torpor.ok("start", "counting", str(100 * number), f"token-{number}").strip() for number in range(4)]
    for _ in runs:
        two.wait_line("waits for hook token-")
    before = {child.pid for child in children(two)}
    flow = reporting / "flows" / "orders.js"
    flow.write_text(flow.read_text().replace("adding to", "changed, adding to"))

    two.send(signal.SIGUSR1)
    for number in range(4):
        torpor.ok("resume", f"token-{number}")
    two.wait_line("the worker processes are replaced")

    assert not before & {child.pid for child in children(two)}
    torpor.ok("start", "addTen", "1")
    two.wait_line("│ changed, adding to 1")
    two.send(signal.SIGTERM)
    assert two.wait_end() == 0
    for number, run in enumerate(runs):
        told = [line for line in two.seen if f"{run}  counting  completed in" in line]
        assert [line.rpartition("  ")[2] for line in told] == [str(sum(range(100 * number, 100 * number + 10)))]
    noted = sorted(map(int, Path("notes").read_text().split()))
    assert noted == [100 * number + step for number in range(4) for step in range(10)]


def test_an_application_that_cannot_be_imported_is_told_once(fresh: Path) -> None:
    """The first process says it, with its exit code; no other is started."""
    (fresh / "app.py").write_text("1 / 0\n")

    with Process(fresh, "worker", "-p", "4") as process:
        assert process.wait_end() == 2
    assert process.seen.count("ZeroDivisionError: division by zero") == 1
    assert process.seen[-2].startswith("error[CONFIGURATION]: app.py cannot be imported: ZeroDivisionError")


@pytest.mark.parametrize(
    ("made", "options", "told"),
    [
        ("Torpor()", ("--world", "memory://"), "world memory:// lives inside the process that opened it"),
        ("Torpor(clock=SystemClock())", (), "an application with a clock= of its own has it in one process"),
    ],
)
def test_what_lives_in_one_process_cannot_have_several(
    fresh: Path, made: str, options: tuple[str, ...], told: str
) -> None:
    """By number it is refused; by itself it has one."""
    clock = "from torpor.clock import SystemClock\n"
    (fresh / "app.py").write_text(clock + (fresh / "app.py").read_text().replace("Torpor()", made))

    with Process(fresh, "worker", "-p", "2", *options) as process:
        assert process.wait_end() == 2
        assert any(line.startswith(f"error[CONFIGURATION]: {told}") for line in process.seen)
    with Process(fresh, "worker", *options) as process:
        process.wait_line("is at work")
        process.send(signal.SIGTERM)
        assert process.wait_end() == 0
    is_said = any(f"one process does all the work: {told}" in line for line in process.seen)
    assert is_said == (available_cores() > 1)


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5", ""])
def test_a_number_that_is_none_is_refused(torpor: Torpor, fresh: Path, number: str) -> None:
    """With what could be given."""
    assert (fresh / "app.py").exists()
    result = torpor("worker", f"--processes={number}")

    assert result.exit_code == 2
    assert re.search(rf"--processes '{number}' is no number of processes; give 1 or more, or auto", result.stderr)


def test_one_process_is_this_one(torpor: Torpor, fresh: Path) -> None:
    """Nobody looks after it."""
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        assert children(process) == []
        [worker] = torpor.json("doctor")["checks"]["workers"]["alive"]
        assert worker["pid"] == process.pid
        assert json.loads(torpor.ok("start", "addTen", "1", "--wait")) == 11
