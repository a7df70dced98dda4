"""``torpor deployments`` and ``torpor deploy check``, starting without an application, and what waits for whom."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process
from tests.cli.project import FLOWS, STEPS, Runs

ADD = "step//./steps.py//add"


@pytest.fixture
def busy(fresh: Path) -> Iterator[Path]:
    """A project of the name "shop" with a worker at work, as the working folder."""
    (fresh / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        yield fresh


# What is deployed


@pytest.mark.usefixtures("busy")
def test_what_living_workers_bring_is_listed(torpor: Torpor) -> None:
    """Workflows, steps with what they take, workers, and how many runs there are."""
    text = torpor.ok("deployments")

    assert re.match(r"shop  live  since \S+", text)
    assert "addTen(n=..., /, *args, **kwargs)" in text
    assert "add(a, b), broken()" in text
    assert "torpor//" not in text
    assert re.search(r"workers +wrkr_\w+ \(pid \d+\)", text)
    [found] = torpor.json("deployments")["deployments"]
    assert (found["app"], found["live"], found["runs"]) == ("shop", True, 0)
    assert found["steps"][ADD] == "(a, b)"


def test_an_older_version_is_listed_while_it_has_runs(runs: Runs, torpor: Torpor) -> None:
    """Its worker is gone, and a run of it sleeps."""
    assert runs.waiting
    [found] = torpor.json("deployments")["deployments"]
    assert (found["live"], found["runs"], found["workers"]) == (False, 1, [])
    assert "(no name)  not live" in torpor.ok("deployments")
    torpor.ok("cancel", runs.waiting, "--force")
    result = torpor("deployments")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no worker is at work, and no run waits for one" in result.stderr


# Starting without an application


def test_a_run_is_started_without_the_application(busy: Path, torpor: Torpor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The world says what there is."""
    world = f"sqlite:///{busy}/torpor.db"
    elsewhere = busy / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)

    assert json.loads(torpor.ok("start", "addTen", "5", "--wait", "--world", world)) == 15
    run = torpor.ok("start", "addTen", "5", "--world", world, "--app-name", "shop").strip()
    assert torpor.json("inspect", run, "--world", world)["run"]["workflow"].endswith("//addTen")
    unknown = torpor("start", "subTen", "--world", world)
    assert unknown.exit_code == 2
    assert "has a workflow 'subTen'; known: addTen, approval, failing" in unknown.stderr
    other = torpor("start", "addTen", "5", "--world", world, "--app-name", "bank")
    assert "knows no workflow of application 'bank' yet" in other.stderr


def test_a_start_in_an_empty_folder_says_that_there_is_no_world(empty: Path, torpor: Torpor) -> None:
    """It makes no empty file."""
    result = torpor("start", "addTen", "5")

    assert result.exit_code == 2
    assert "there is no file" in result.stderr
    assert not list(empty.iterdir())


# Before a deploy


def change(project: Path, old: str, new: str) -> None:
    """Change a name in the files of a project, wherever it is."""
    for path in (project / "steps.py", project / "flows" / "orders.js"):
        path.write_text(re.sub(rf"\b{old}\b", new, path.read_text()))


def test_nothing_waits_after_a_deploy_that_changes_nothing(runs: Runs, torpor: Torpor) -> None:
    """The number of runs that were looked at is told."""
    assert runs.waiting
    assert torpor.ok("deploy", "check", "app.py") == "1 run has not ended; none would wait\n"
    assert torpor.json("deploy", "check")["ok"] is True


def test_a_step_that_is_gone_is_told(runs: Runs, project: Path, torpor: Torpor) -> None:
    """With how many runs may call it, and one of them."""
    change(project, "add", "plus")
    result = torpor("deploy", "check", "app.py")

    assert result.exit_code == 1
    assert f"step add: the application has no {ADD}; 1 run may call it (e.g. run {runs.waiting})" in result.stdout
    assert "renamed=" in result.stdout
    found = json.loads(torpor("deploy", "check", "--json").stdout)
    assert found["ok"] is False
    [wanting] = found["wanting"]
    assert (wanting["name"], wanting["expected"], wanting["found"], wanting["runs"]) == (ADD, "(a, b)", None, 1)


def test_a_step_that_was_renamed_is_there(project: Path, torpor: Torpor) -> None:
    """It answers to its old name."""
    change(project, "add", "plus")
    steps = project / "steps.py"
    steps.write_text(steps.read_text().replace("@app.step\nasync def plus", '@app.step(renamed="add")\nasync def plus'))

    assert "none would wait" in torpor.ok("deploy", "check", "app.py")


@pytest.mark.parametrize(("parameters", "fits"), [("a: int, b: int, c: int = 0", True), ("first: int, b: int", True)])
def test_a_step_that_takes_more_fits(project: Path, torpor: Torpor, parameters: str, fits: bool) -> None:
    """Names of parameters do not matter to JavaScript."""
    steps = project / "steps.py"
    steps.write_text(steps.read_text().replace("a: int, b: int", parameters))

    assert (torpor("deploy", "check", "app.py").exit_code == 0) is fits


def test_a_step_that_takes_less_is_told(runs: Runs, project: Path, torpor: Torpor) -> None:
    """With what it is on both sides."""
    steps = project / "steps.py"
    steps.write_text(steps.read_text().replace("a: int, b: int", "a: int, b: int, c: int"))
    result = torpor("deploy", "check", "app.py")

    assert result.exit_code == 1
    assert "step add: it is (a, b, c) in the application, and (a, b) to the runs; 1 run may" in result.stdout
    assert runs.waiting in result.stdout


def test_a_first_deploy_is_well(fresh: Path, torpor: Torpor) -> None:
    """There is no world yet, and none is made."""
    assert torpor.ok("deploy", "check", "app.py") == "0 runs have not ended; none would wait\n"
    assert not (fresh / "torpor.db").exists()


@pytest.mark.usefixtures("fresh")
def test_a_check_needs_the_keys_of_the_runs(torpor: Torpor) -> None:
    """Without them nobody can tell, so the answer is no."""
    key = torpor.ok("keys", "generate").strip().removeprefix("TORPOR_KEYS=")
    torpor.ok("start", "addTen", "1", TORPOR_KEYS=key)

    assert "none would wait" in torpor.ok("deploy", "check", TORPOR_KEYS=key)
    result = torpor("deploy", "check")
    assert result.exit_code == 1
    assert "cannot be looked at" in result.stdout
    assert "which is not configured here" in result.stdout


# What waits for whom


@dataclass(frozen=True)
class Behind:
    """A worker that is too old, or too new, for a run of its world, which is in the working folder."""

    run: str
    worker: Process


@pytest.fixture
def behind(fresh: Path, torpor: Torpor) -> Iterator[Behind]:
    """A run that calls a step which the next version lacks, and a worker of that version."""
    run = torpor.ok("start", "pids", "token").strip()
    (fresh / "steps.py").write_text(STEPS.replace("process_id", "pid"))
    (fresh / "flows" / "orders.js").write_text(FLOWS.replace("process_id", "pid"))
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("no live worker has it")
        yield Behind(run, process)


def test_what_waits_for_whom_is_told(behind: Behind, torpor: Torpor) -> None:
    """By the worker's log, runs, inspect, doctor and the check before a deploy."""
    step = "step//./steps.py//process_id"
    worker = torpor.json("deployments")["deployments"][0]["workers"][0]["id"]

    assert f"1 call of {step} waits since" in behind.worker.seen[-1]
    listed = torpor("runs")
    assert f"no live worker has it (e.g. run {behind.run})" in listed.stderr
    assert re.search(rf"waits for {step} since .*: no live worker has it", torpor.ok("inspect", behind.run))
    details = torpor.json("inspect", behind.run)
    assert [(each["step"], each["reason"]) for each in details["unmet"]] == [(step, "no live worker has it")]
    assert f"worker {worker}: it has no {step}" in torpor.ok("inspect", behind.run)
    examined = torpor("doctor", "--json")
    assert examined.exit_code == 1
    found = json.loads(examined.stdout)["checks"]["steps"]
    assert (found["status"], found["unmet"][0]["step"]) == ("failed", step)
    check = torpor("deploy", "check")
    assert check.exit_code == 1
    assert "1 call of it waits now, 1 run may call it" in check.stdout


def test_while_nobody_is_at_work_nothing_is_wrong(behind: Behind, torpor: Torpor) -> None:
    """Everything waits then, and doctor says so without calling it a fault."""
    behind.worker.send(signal.SIGTERM)
    behind.worker.wait_end()

    found = torpor.json("doctor")["checks"]
    assert (found["steps"]["status"], found["steps"]["unmet"][0]["reason"]) == ("note", "no worker is at work")
    assert (found["applications"]["status"], found["applications"]["unserved"]) == ("note", {"": 1})
    assert "no worker is at work" in torpor("runs").stderr


def test_runs_that_a_renamed_application_left_behind_are_told(fresh: Path, torpor: Torpor) -> None:
    """Its workers leave them alone, which doctor and deployments say."""
    project = fresh / "pyproject.toml"
    project.write_text('[project]\nname = "shop"\n')
    run = torpor.ok("start", "addTen", "1").strip()
    project.write_text('[project]\nname = "store"\n')
    with Process(fresh, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        found = torpor.json("doctor")["checks"]["applications"]
        assert (found["status"], found["unserved"]) == ("note", {"shop": 1})
        assert torpor.json("inspect", run)["run"]["status"] == "pending"
        said = f"not ended, and of no deployment that is known: 1 run of application 'shop' (e.g. {run})"
        assert said in torpor.ok("deployments")
        project.write_text('[project]\nname = "store"\n[tool.torpor]\nname = "shop"\n')
        with Process(fresh, "worker", "-p", "1", "--follow") as other:
            other.wait_line("completed")


def test_an_older_worker_goes_on_with_the_run(behind: Behind, torpor: Torpor, fresh: Path) -> None:
    """Once it is at work, it takes the step."""
    behind.worker.send(signal.SIGTERM)
    behind.worker.wait_end()
    (fresh / "steps.py").write_text(STEPS)
    (fresh / "flows" / "orders.js").write_text(FLOWS)
    with Process(fresh, "worker", "-p", "1", "--follow") as process:
        process.wait_line("token")
    assert torpor.json("inspect", behind.run)["unmet"] == []
