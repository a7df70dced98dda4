"""``torpor inspect --stack`` and ``torpor repl``: looking into a run that sleeps, without waking it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.cli.conftest import Torpor
from tests.cli.project import WORLD, Runs, fresh_imports
from torpor.cli import app as command_line
from torpor.cli.loading import load_app, parse_target

APP = """
import asyncio

from torpor import Torpor, hook, sleep

app = Torpor()


async def answer_to(token: str) -> str:
    return await hook(token)


async def pair(name: str) -> None:
    async with asyncio.TaskGroup() as both:
        both.create_task(answer_to(f"{name}-left"), name=f"{name}-left")
        both.create_task(answer_to(f"{name}-right"), name=f"{name}-right")


@app.workflow
async def nested(order: str) -> str:
    total = 7
    async with asyncio.TaskGroup() as group:
        group.create_task(pair("first"), name="first")
        group.create_task(sleep("1h"), name="timer")
    return f"{order} {total}"
"""


async def _park(world: str) -> str:
    """Start a run in the working folder's application, work on it until it sleeps, and return its id."""
    app = load_app(parse_target("app.py"))
    app.use_world(world)
    async with app, app.worker():
        run = await app.start("nested", "o-1")
        async with asyncio.timeout(30):
            while await app.world.snapshot(run.id) is None:  # noqa: ASYNC110  # parking alone tells nobody
                await asyncio.sleep(0.01)
    return run.id


@pytest.fixture(scope="module")
def sleeper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder whose world has a run parked inside nested task groups, and the run's id."""
    folder = tmp_path_factory.mktemp("sleeper")
    (folder / "app.py").write_text(APP)
    with pytest.MonkeyPatch.context() as patch, fresh_imports():
        patch.chdir(folder)
        return folder, asyncio.run(_park(WORLD))


@pytest.fixture
def parked(sleeper: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of the parked run; the working folder is its project's."""
    monkeypatch.chdir(sleeper[0])
    return sleeper[1]


def prompt(run: str, *lines: str) -> Result:
    """Type lines at the prompt of a run."""
    with fresh_imports():
        typed = "".join(f"{line}\n" for line in lines)
        return CliRunner().invoke(command_line, ["--world", WORLD, "repl", run], input=typed)


def test_the_stack_shows_every_task_below_the_one_that_waits_for_it(torpor: Torpor, parked: str) -> None:
    """Nested task groups are a tree; each task says what it waits for, each frame its place and variables."""
    lines = [line.rstrip() for line in torpor.ok("inspect", parked, "--stack").splitlines()]

    assert lines[1] == "task nested  waits for TaskGroup of first, timer"
    assert lines[2].endswith("nested  ./app.py:22  async with asyncio.TaskGroup() as group:")
    assert any(line.endswith("total = 7") for line in lines)
    assert "│   ├── task first-left  waits for hook 'first-left' (op 2)" in lines
    assert any(line.startswith("└── task timer  waits for sleep until ") for line in lines)


def test_the_stack_is_json_too(torpor: Torpor, parked: str) -> None:
    """The same as data, the workflow's task first."""
    told = torpor.json("inspect", parked, "--stack")

    assert told["run"] == parked
    assert told["tasks"][0]["name"] == "nested"
    by_name = {task["name"]: task for task in told["tasks"]}
    assert by_name["first-left"]["parent"] == "first"
    assert by_name["first-left"]["frames"][0]["variables"] == [{"name": "token", "value": "'first-left'"}]


def test_looking_writes_nothing(torpor: Torpor, parked: str) -> None:
    """The run's log and its snapshot are the same afterwards."""
    before = torpor.json("inspect", parked)

    torpor.ok("inspect", parked, "--stack")
    prompt(parked, "order = 'another'", "total = 0")

    after = torpor.json("inspect", parked)
    assert after["events"] == before["events"]
    assert after["snapshot"] | {"age_ms": 0} == before["snapshot"] | {"age_ms": 0}


def test_a_world_alone_is_enough(torpor: Torpor, parked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the application nor its source is needed."""
    world = f"sqlite:///{Path.cwd()}/torpor.db"
    monkeypatch.chdir(tmp_path)

    assert "task first-right" in torpor.ok("--world", world, "inspect", parked, "--stack")


def test_the_prompt_sees_and_changes_a_copy(parked: str) -> None:
    """Variables of the workflow are there; what an input changes stays for the next one."""
    result = prompt(parked, "order", "total += 1", "total * 2", "pair.__name__")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["'o-1'", "16", "'pair'"]


def test_an_input_may_have_several_lines(parked: str) -> None:
    """What is incomplete is asked for more."""
    result = prompt(parked, "def double(x):", "    return 2 * x", "", "double(total)")

    assert result.stdout.splitlines() == ["14"]


@pytest.mark.parametrize("word", ["exit()", "quit()", "exit", " quit ", "exit(0);"])
def test_the_prompt_can_be_left(parked: str, word: str) -> None:
    """As people leave prompts; what comes afterwards is not read."""
    result = prompt(parked, word, "1 / 0")

    assert (result.exit_code, result.stdout) == (0, "")


def test_the_prompt_says_what_is_there(parked: str) -> None:
    """help() tells of the prompt, with an argument of that thing; code that calls something else so is code."""
    said = prompt(parked, "help()").stdout
    assert "changes nothing there" in said
    assert "tasks has the pending tasks by name" in said

    assert prompt(parked, "help(answer_to)").stdout.startswith("Help on function answer_to")
    assert prompt(parked, "def exit():", "    return 5", "", "exit() + 1").stdout.splitlines() == ["6"]


def test_an_error_at_the_prompt_is_shown_and_the_prompt_goes_on(parked: str) -> None:
    """A traceback is an answer like any other."""
    result = prompt(parked, "1 / 0", "total")

    assert "ZeroDivisionError" in result.stdout
    assert result.stdout.splitlines()[-1] == "7"


def test_a_copy_that_passed_a_limit_is_replaced(parked: str) -> None:
    """Memory that runs out ends the copy, not the conversation."""
    result = prompt(parked, "total = bytearray(400 * 1024 * 1024)", "total")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "7"


def test_a_run_that_has_ended_has_nothing_to_look_into(torpor: Torpor, runs: Runs) -> None:
    """Its last moment is shown, in which nothing waits; a prompt still sees what its code left."""
    shown = torpor.ok("inspect", runs.completed, "--stack")

    assert "completed  as it was after event" in shown
    assert "its code had ended" in shown
    assert prompt(runs.completed, "1 + 1").stdout.splitlines() == ["2"]


def test_javascript_has_a_prompt(project: Path, runs: Runs) -> None:
    """A copy of a JavaScript run answers in JavaScript."""
    assert (project / "torpor.db").exists()
    result = prompt(runs.waiting, "1 + 1", "typeof Date.now()")

    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines() == ["2", '"number"']


def test_javascript_shows_its_stack(torpor: Torpor, runs: Runs) -> None:
    """Its functions, their places and variables, and what they wait for, read from the snapshot."""
    result = torpor("inspect", runs.waiting, "--stack")

    assert result.exit_code == 0, result.output
    lines = [line.strip(" ├└─│") for line in result.stdout.splitlines()]
    assert "task main  waits for hook 'token-2' (op 1)" in lines
    assert "approval  ./flows/orders.js:19:18  const answer = await hook;" in lines
    assert 'token = "token-2"' in lines


def test_a_failed_javascript_run_is_opened_where_it_was_raised(torpor: Torpor, runs: Runs) -> None:
    """A copy goes through its end again, watched; what it held then is shown."""
    lines = [line.strip(" ├└─│") for line in torpor.ok("inspect", runs.failed, "--stack").splitlines()]

    assert "task main  waits for nothing: it raised TypeError: the order cannot be placed" in lines
    assert any(line.startswith("failing  ./flows/orders.js:") for line in lines)
    assert any(line.startswith("error = [") and "no such order" in line for line in lines)
