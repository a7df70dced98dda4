"""``torpor inspect --at``, ``torpor repl --at`` and ``torpor diff``: moments of a run's past."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.cli.conftest import Torpor
from tests.cli.project import WORLD, fresh_imports
from torpor.cli import app as command_line
from torpor.cli.loading import load_app, parse_target
from torpor.errors import RunFailedError

APP = """
from torpor import Torpor

app = Torpor()


@app.step
async def charge(cents: int) -> str:
    return f"receipt for {cents}"


async def pay(cents: int, paid: list[str]) -> None:
    receipt = await charge(cents)
    paid.append(receipt)


@app.workflow
async def checkout(prices: list[int]) -> float:
    paid: list[str] = []
    for cents in prices:
        await pay(cents, paid)
        print("paid", cents)
    return len(paid) / (len(prices) - len(paid))
"""


async def _fail() -> str:
    """Let a run fail, and return its id."""
    app = load_app(parse_target("app.py"))
    async with app, app.worker():
        run = await app.start("checkout", [500, 250])
        with pytest.raises(RunFailedError):
            await run.result(timeout=30)
    return run.id


@pytest.fixture(scope="module")
def failure(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder whose world has a run that failed, and the run's id."""
    folder = tmp_path_factory.mktemp("moments")
    (folder / "app.py").write_text(APP)
    with pytest.MonkeyPatch.context() as patch, fresh_imports():
        patch.chdir(folder)
        patch.setenv("TORPOR_WORLD", WORLD)
        return folder, asyncio.run(_fail())


@pytest.fixture
def failed(failure: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of the run; the working folder is its project's."""
    monkeypatch.chdir(failure[0])
    return failure[1]


def test_a_moment_shows_frames_variables_and_output(torpor: Torpor, failed: str) -> None:
    """Within 80 columns, outermost frame first."""
    lines = [line.rstrip() for line in torpor.ok("inspect", failed, "--at", "4", "--stack").splitlines()]

    assert lines[0].startswith(f"{failed}  running  as it was after event 4 of 7, step_completed at ")
    assert lines[1] == "task checkout  waits for step charge (op 2)"
    assert "├── checkout  app.py:21  await pay(cents, paid)" in [line.replace("./app", "app") for line in lines]
    assert "    └── paid = ['receipt for 500']" in lines
    assert lines[-1].endswith("info   paid 500")
    assert lines[-2].startswith("its snapshot there has ")


def test_sizes_are_shown(torpor: Torpor, failed: str) -> None:
    """Of each event until the code ended, within 80 columns, and as data."""
    said = torpor.ok("inspect", failed, "--sizes").splitlines()
    data = json.loads(torpor.ok("inspect", failed, "--sizes", "--json"))

    assert [row.split()[0] for row in said[2:]] == [str(each["seq"]) for each in data["sizes"]]
    assert [each["seq"] for each in data["sizes"]] == [1, 2, 3, 4, 5]
    assert max(map(len, said)) <= 80
    assert all(each["bytes"] > 1_000 for each in data["sizes"])


def test_a_moment_is_json_too(torpor: Torpor, failed: str) -> None:
    """With all that it has."""
    told = torpor.json("inspect", failed, "--at", "-3")

    assert (told["run"], told["seq"], told["last"], told["event"]) == (failed, 5, 7, "step_created")
    assert told["position"]["source"] == "receipt = await charge(cents)"
    assert [frame["function"] for frame in told["tasks"][0]["frames"]] == ["checkout", "pay"]


def test_a_place_that_is_not_there_is_refused(torpor: Torpor, failed: str) -> None:
    """With the places that there are."""
    result = torpor("inspect", failed, "--at", "8", "--stack")

    assert result.exit_code == 2
    assert "can be shown after events 1 to 7, not after event 8" in " ".join(result.stderr.split())


def test_a_difference_shows_what_changed(torpor: Torpor, failed: str) -> None:
    """Variables before and after, and what was written."""
    shown = torpor.ok("diff", failed, "4", "2")

    assert "from event 2 to event 4" in shown
    assert "cents: 500 → 250" in shown
    assert "paid: [] → ['receipt for 500']" in shown
    assert "1 line written:" in shown
    told = torpor.json("diff", failed, "4", "5")
    assert (told["frames"], told["output"]) == ([], [])


def test_a_prompt_in_the_past(failed: str) -> None:
    """It sees the variables of that moment, and what it changes stays until it is left."""
    with fresh_imports():
        typed = "cents\npaid.append('x')\npaid\n"
        result = CliRunner().invoke(command_line, ["--world", WORLD, "repl", failed, "--at", "4"], input=typed)

    assert result.stdout.splitlines() == ["250", "['receipt for 500', 'x']"]


def test_a_fork_is_told_by_what_it_is_of(torpor: Torpor, failed: str) -> None:
    """Its id is printed, and inspect says from where it is."""
    made = torpor.ok("fork", failed, "--at", "4", "--result", '2="another receipt"').strip()

    assert torpor.json("inspect", made)["run"]["forked_from"] == f"{failed}@4"
    shown = " ".join(torpor.ok("inspect", made).split())
    assert f"forked from run {failed} after its event 4" in shown
    assert torpor("fork", failed, "--at", "7").exit_code == 2
    assert torpor("fork", failed, "--at", "4", "--result", "x").exit_code == 2
    assert torpor.json("inspect", made, "--at", "-1")["output"][-1]["text"] == "paid 500"


def test_a_fork_goes_on_with_other_code_that_agrees(torpor: Torpor, failed: str) -> None:
    """Mended code is taken; code that would have asked for something else is refused, with the op."""
    mended = Path("app.py")
    before = mended.read_text()
    try:
        mended.write_text(APP.replace("len(paid) / (len(prices) - len(paid))", "float(len(paid))"))
        made = torpor.ok("fork", failed, "--at", "6", "--code", "app.py").strip()
        assert torpor.json("inspect", made, "--at", "-1")["problem"] == ""
        mended.write_text(APP.replace("charge(cents)\n    paid", "charge(cents + 1)\n    paid"))
        refused = torpor("fork", failed, "--at", "6", "--code", "app.py")
    finally:
        mended.write_text(before)
    assert refused.exit_code != 0
    assert "op 1 was emitted as step 'step//./app.py//charge', which is not what the log recorded" in " ".join(
        refused.stderr.split()
    )


def test_a_failed_run_opens_where_it_was_raised(torpor: Torpor, failed: str) -> None:
    """With its variables, and a prompt that has them."""
    shown = torpor.ok("inspect", failed, "--stack")

    assert "waits for nothing: it raised ZeroDivisionError: division by zero" in shown
    assert "return len(paid) / (len(prices) - len(paid))" in shown
    assert "paid = ['receipt for 500', 'receipt for 250']" in shown
    with fresh_imports():
        result = CliRunner().invoke(command_line, ["--world", WORLD, "repl", failed], input="len(paid), prices\n")
    assert result.stdout.splitlines() == ["(2, [500, 250])"]
