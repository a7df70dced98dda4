"""```torpor dev```, as a process."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import TIMEOUT, Process
from tests.cli.project import write_project


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Process]]:
    """A project with ``torpor dev`` in it, whose first worker is at work; each test leaves it like that."""
    folder = tmp_path_factory.mktemp("dev")
    write_project(folder)
    with Process(folder, "dev") as process:
        process.wait_line("is at work")
        yield folder, process


@pytest.fixture
def folder(lasting: tuple[Path, Process], monkeypatch: pytest.MonkeyPatch) -> Path:
    """That project as the working folder."""
    monkeypatch.chdir(lasting[0])
    return lasting[0]


@pytest.fixture
def dev(lasting: tuple[Path, Process]) -> Process:
    """That process."""
    return lasting[1]


@pytest.fixture
def mortal(fresh: Path) -> Iterator[Process]:
    """``torpor dev`` with its first worker at work, for a test that ends it."""
    with Process(fresh, "dev") as process:
        process.wait_line("is at work")
        yield process


def append(file: Path, text: str) -> None:
    """Add text to a file."""
    file.write_text(file.read_text() + text)


def test_a_reload_parks_runs_and_goes_on(torpor: Torpor, folder: Path, dev: Process) -> None:
    """A run that waits survives the change of a step file and is continued by the next process."""
    run = torpor.ok("start", "pids", "token").strip()
    dev.wait_line("started")
    _wait_for_hook(torpor, run)

    append(folder / "steps.py", "\n# changed\n")

    dev.wait_line("stopping: runs are parked")
    dev.wait_line("changed: steps.py")
    dev.wait_line("is at work")
    torpor.ok("resume", "token")
    before, after = json.loads(dev.wait_line("pids  completed in").rpartition("  ")[2])
    assert before != after


def test_new_code_is_at_work_after_a_reload(torpor: Torpor, folder: Path, dev: Process) -> None:
    """A changed workflow file is what the next run runs."""
    flow = folder / "flows" / "orders.js"
    flow.write_text(flow.read_text().replace("adding to", "changed, adding to"))
    dev.wait_line("changed: flows/orders.js")
    dev.wait_line("is at work")

    torpor.ok("start", "addTen", "1")

    dev.wait_line("│ changed, adding to 1")


def test_a_broken_application_waits_for_the_next_change(torpor: Torpor, folder: Path, dev: Process) -> None:
    """The traceback is shown, and the repaired file is at work again."""
    good = (folder / "app.py").read_text()
    (folder / "app.py").write_text(good + "1 / 0\n")

    dev.wait_line("ZeroDivisionError: division by zero")
    dev.wait_line("error[CONFIGURATION]: app.py cannot be imported")
    dev.wait_line("waiting for a change")
    (folder / "app.py").write_text(good)

    dev.wait_line("is at work")
    assert json.loads(torpor.ok("start", "addTen", "1", "--wait")) == 11


def test_other_files_do_not_matter(folder: Path, dev: Process) -> None:
    """Only files that applications are made of cause a reload: the next one names the step file alone."""
    (folder / "notes.txt").write_text("x")
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "x.js").write_text("x")
    append(folder / "steps.py", "\n# changed\n")

    assert dev.wait_line("changed: ") == "changed: steps.py"
    dev.wait_line("is at work")


def test_another_folder_can_be_watched(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """--watch adds a folder to the application's own."""
    other = tmp_path_factory.mktemp("other")
    with Process(fresh, "dev", "app.py", "--watch", str(other)) as process:
        process.wait_line("is at work")
        (other / "prices.py").write_text("x = 1\n")

        assert "prices.py" in process.wait_line("changed: ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_both_processes(mortal: Process, number: signal.Signals) -> None:
    """The worker parks its runs, and nothing is left running."""
    (child,) = psutil.Process(mortal.pid).children()

    mortal.send(number)

    assert mortal.wait_end() == 0
    assert mortal.seen[-1] == "stopped"
    assert not child.is_running()


def test_an_interrupt_of_the_whole_group_stops_cleanly(mortal: Process) -> None:
    """Ctrl-C reaches the worker too, which leaves it to its parent; it still parks its runs."""
    (child,) = psutil.Process(mortal.pid).children()

    child.send_signal(signal.SIGINT)
    mortal.send(signal.SIGINT)

    assert mortal.wait_end() == 0
    assert mortal.seen[-1] == "stopped"


def test_a_termination_of_the_whole_group_parks_runs(torpor: Torpor, mortal: Process) -> None:
    """The worker gets SIGTERM twice, from the group's sender and from its parent, and still gives its claims back."""
    run = torpor.ok("start", "approval", "token").strip()
    mortal.wait_line("│ waiting for approval")

    mortal.send_group(signal.SIGTERM)

    assert mortal.wait_end() == 0
    assert mortal.seen[-1] == "stopped"
    assert torpor.json("inspect", run)["snapshot"] is not None
    with contextlib.closing(sqlite3.connect("torpor.db")) as world:
        assert world.execute("SELECT * FROM workers").fetchall() == []


def test_a_second_termination_does_not_kill_the_worker(torpor: Torpor, fresh: Path) -> None:
    """A worker that already stops, because its group was told to, goes on with that when its parent tells it too."""
    settings = "from torpor import WorkerSettings\napp = Torpor(settings=WorkerSettings(grace_seconds=1.5))"
    app = fresh / "app.py"
    app.write_text(app.read_text().replace("app = Torpor()", settings))
    with Process(fresh, "dev") as process:
        process.wait_line("is at work")
        torpor.ok("start", "hangs")
        process.wait_line("stuck")
        (child,) = psutil.Process(process.pid).children()
        child.terminate()
        process.wait_line("stopping: runs are parked")

        process.send(signal.SIGTERM)

        assert process.wait_end() == 0
        assert process.seen[-1] == "stopped"


@pytest.mark.usefixtures("folder")
def test_a_killed_worker_is_started_again(torpor: Torpor, dev: Process) -> None:
    """The signal is named, and runs go on without a change of any file."""
    (child,) = psutil.Process(dev.pid).children()

    child.kill()

    dev.wait_line("the worker was killed by SIGKILL; starting it again in 1 s")
    dev.wait_line("is at work")
    torpor.ok("start", "addTen", "1")
    dev.wait_line("addTen  completed in")


def test_a_worker_does_not_outlive_its_parent(mortal: Process) -> None:
    """When ``torpor dev`` is killed, its worker notices and stops."""
    (child,) = psutil.Process(mortal.pid).children()

    mortal.send(signal.SIGKILL)

    assert psutil.wait_procs([child], timeout=TIMEOUT)[0] == [child]


def test_a_missing_application_is_refused_at_once(torpor: Torpor, empty: Path) -> None:
    """There is nothing to watch."""
    assert torpor("dev", "nowhere.py").exit_code == 2
    assert list(empty.iterdir()) == []


def _wait_for_hook(torpor: Torpor, run: str) -> None:
    """Return once the run has made its hook."""
    while not torpor.json("inspect", run)["hooks"]:
        pass


def test_a_project_needs_to_name_its_application_once(fresh: Path) -> None:
    """What pyproject.toml says is watched and worked on from any folder of the project."""
    (fresh / "pyproject.toml").write_text('[tool.torpor]\napp = "app.py"\n')
    (fresh / "docs").mkdir()

    with Process(fresh / "docs", "dev") as process:
        process.wait_line(f"watching {fresh}")
        process.wait_line("is at work: 7 workflows")
