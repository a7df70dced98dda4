"""``torpor program show``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Torpor
from tests.cli.project import Runs

PURE = "./flows/orders.js"


@pytest.mark.usefixtures("project")
def test_a_program_shows_what_is_in_it(torpor: Torpor) -> None:
    """Workflows, files with their steps, guest build and content address."""
    (program,) = torpor.json("program", "show")["programs"]

    assert program["guest"] == "quickjs"
    assert [workflow["name"] for workflow in program["workflows"]] == [
        "addTen",
        "approval",
        "failing",
        "forgets",
        "hangs",
        "pids",
        "spawns",
    ]
    assert {file["name"]: file["steps"] for file in program["files"]} == {
        PURE: [],
        "./steps.py": ["add", "broken", "process_id", "spawn", "stuck", "unstable"],
    }
    assert all(len(program[key]) == 64 for key in ("id", "build", "image"))
    assert program["per_run"] is None


def test_the_content_address_is_the_runs_own(torpor: Torpor, runs: Runs) -> None:
    """Runs of unchanged files keep the program that is shown."""
    (program,) = torpor.json("program", "show")["programs"]

    assert torpor.json("inspect", runs.completed)["run"]["program"] == program["id"]


def test_the_line_that_makes_a_program_impure_is_named(torpor: Torpor, project: Path) -> None:
    """A program that reads the clock at module scope says where."""
    (project / "flows" / "clock.js").write_text(
        '\nconst began = Date.now();\nexport async function when() {\n  "use workflow";\n  return began;\n}\n'
    )

    (program,) = torpor.json("program", "show")["programs"]

    assert program["per_run"].startswith("./flows/clock.js:2")
    assert f"at {program['per_run']}" in torpor.ok("program", "show")


@pytest.mark.usefixtures("project")
def test_people_see_names_and_files(torpor: Torpor) -> None:
    """The plain form has the same."""
    shown = torpor.ok("program", "show", "app.py")

    assert "addTen  workflow//./flows/orders.js//addTen" in shown
    assert "step add, step broken" in shown
    assert "shared by all runs" in shown


def test_an_application_without_workflows_says_what_to_do(torpor: Torpor, empty: Path) -> None:
    """There is nothing to show, which is no error."""
    (empty / "app.py").write_text("from torpor import Torpor\napp = Torpor()\n")

    assert torpor.json("program", "show") == {"programs": []}
    assert "app.workflows(...)" in torpor("program", "show").stderr


PYTHON_APP = """
import os
from torpor import Torpor

app = Torpor()
KEY = os.environ.get("KEY")


@app.step
async def charge(cents):
    return KEY


@app.workflow
async def checkout(cents):
    return await charge(cents)


if __name__ == "__main__":
    print("started")
"""


def test_a_program_in_python_shows_what_was_left_out(torpor: Torpor, empty: Path) -> None:
    """Statement by statement, with the reason; modules are named by their files."""
    (empty / "app.py").write_text(PYTHON_APP)

    (program,) = torpor.json("program", "show")["programs"]

    assert program["guest"] == "cpython"
    assert [(each["name"], each["file"], each["export"]) for each in program["workflows"]] == [
        ("checkout", "./app.py", "checkout")
    ]
    assert [(file["name"], file["entry"], file["steps"]) for file in program["files"]] == [
        ("./app.py", True, ["charge"])
    ]
    left = {each["what"]: (each["where"], each["why"]) for each in program["left_out"]}
    assert left["os"] == ("./app.py:2", "workflow code does not reach it")
    assert left["KEY"] == ("./app.py:6", "workflow code does not reach it")
    assert left['if __name__ == "__main__":'] == ("./app.py:19", "it runs only as a script")
    assert "it runs only as a script" in torpor.ok("program", "show")
