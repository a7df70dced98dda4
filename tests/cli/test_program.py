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
