"""``torpor start``."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.processes import Process
from tests.cli.project import write_project
from torpor.cli.start import value_of


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project with a worker at work."""
    folder = tmp_path_factory.mktemp("busy")
    write_project(folder)
    with Process(folder, "worker", "-p", "1") as process:
        process.wait_line("is at work")
        yield folder


@pytest.fixture
def worker(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That project as the working folder."""
    monkeypatch.chdir(busy)


@pytest.mark.usefixtures("worker")
def test_wait_prints_the_result(torpor: Torpor) -> None:
    """Only the result is on standard output, as JSON."""
    assert json.loads(torpor.ok("start", "addTen", "123", "--wait")) == 133


@pytest.mark.usefixtures("worker")
def test_the_id_is_printed_without_waiting(torpor: Torpor) -> None:
    """The output of start can be given to inspect."""
    run = torpor.ok("start", "addTen", "1").strip()

    assert run.startswith("wrun_")
    assert torpor.json("inspect", run)["run"]["input"] == [1]


@pytest.mark.usefixtures("worker")
def test_a_failed_run_is_an_error(torpor: Torpor) -> None:
    """Waiting for a run that fails ends with its error and exit code 1."""
    result = torpor("start", "failing", "--wait")

    assert (result.exit_code, result.stdout) == (1, "")
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error[RUN_FAILED]: ")
    assert re.search(
        r"failed with USER_ERROR: TypeError: the order cannot be placed \(at \./flows/orders\.js:29:\d+\)$", last
    )


def test_waiting_without_a_worker_says_so(fresh: Path) -> None:
    """Somebody who waits for nothing is told; an interrupt ends the waiting without a traceback."""
    with Process(fresh, "start", "addTen", "1", "--wait") as process:
        process.wait_line("waiting for its end")
        process.wait_line("no worker is at work in this world")
        process.send(signal.SIGINT)

        assert process.wait_end() == 130
        assert "Traceback" not in "\n".join(process.seen)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("123", 123),
        ('{"a": [1, null]}', {"a": [1, None]}),
        ('"123"', "123"),
        ("o-1", "o-1"),
        ("", ""),
        ("NaN", "NaN"),
        ("1e3", 1000.0),
    ],
)
def test_an_argument_is_json_or_else_text(text: str, value: object) -> None:
    """What JSON does not know is the text itself."""
    assert value_of(text) == value


@pytest.mark.parametrize("text", ["[draft", '{"approved": tru}', '"half', ' {"a": 1,}'])
@pytest.mark.usefixtures("fresh")
def test_a_typing_error_in_json_is_no_text(torpor: Torpor, text: str) -> None:
    """It could not be taken back: neither a run begins with it, nor does a hook get it; written as JSON it is one."""
    for command in (["start", "addTen", text], ["resume", "token", text]):
        result = torpor(*command)

        assert result.exit_code == 2
        assert "begins like JSON and is none" in result.stderr
    assert value_of(json.dumps(text)) == text


@pytest.mark.usefixtures("fresh")
def test_the_run_gets_its_arguments(torpor: Torpor) -> None:
    """Arguments arrive decoded, in their order; after -- a minus is part of one."""
    run = torpor.ok("start", "addTen", "--", "-5", "o-1", '{"gift": true}').strip()

    assert torpor.json("inspect", run)["run"]["input"] == [-5, "o-1", {"gift": True}]


@pytest.mark.usefixtures("fresh")
def test_an_id_of_ones_own_starts_once(torpor: Torpor) -> None:
    """Any text: with the same arguments it is the same run, with others it is refused."""
    chosen = "order 17/a"
    for _ in range(2):
        assert torpor.ok("start", "addTen", "1", "--run-id", chosen) == f"{chosen}\n"

    result = torpor("start", "addTen", "2", "--run-id", chosen)

    assert result.exit_code == 1
    assert result.stderr.startswith("error[ENTITY_CONFLICT]: ")
    assert len(torpor.json("runs")) == 1


@pytest.mark.usefixtures("fresh")
def test_the_runtime_is_chosen(torpor: Torpor) -> None:
    """--runtime is the run's own; another word is refused."""
    run = torpor.ok("start", "addTen", "1", "--runtime", "replay").strip()

    assert torpor.json("inspect", run)["run"]["runtime"] == "replay"
    assert torpor("start", "addTen", "1", "--runtime", "magic").exit_code == 2


@pytest.mark.usefixtures("fresh")
def test_an_unknown_workflow_lists_the_known(torpor: Torpor) -> None:
    """The message helps to find the name."""
    result = torpor("start", "checkout")

    assert result.exit_code == 2
    assert result.stderr.startswith("error[WORKFLOW_NOT_REGISTERED]: ")
    assert "addTen, approval, failing" in result.stderr
