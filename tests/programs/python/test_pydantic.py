"""pydantic as it goes into programs."""

from __future__ import annotations

from pathlib import Path

import pydantic
import pydantic_core
import pytest

from tests.programs.python.projects import HEAD, Project
from torpor.programs.python import finding
from torpor.programs.python.pydantic import Package, _package, pydantic_package


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project."""
    monkeypatch.syspath_prepend(tmp_path)
    return Project(tmp_path)


WORKFLOW = HEAD + "@app.workflow\nasync def main(): return Line(sku='x')\n"
MODEL = "from pydantic import BaseModel\nclass Line(BaseModel):\n    sku: str\n"


def test_a_program_with_models_has_pydantic(project: Project) -> None:
    """Its files as they are installed, and Torpor's own part in place of the compiled one."""
    project.write("app.py", MODEL + WORKFLOW)

    made = project.made().program

    assert made.absent == {}
    assert made.modules["pydantic.main"] == "pydantic/main.py"
    assert made.files["pydantic/main.py"] == (Path(pydantic.__file__).parent / "main.py").read_text("utf-8")
    assert "from torpor._pydantic import" in made.files["pydantic_core/_pydantic_core.py"]
    assert pydantic_core.__version__ in made.files["pydantic_core/_pydantic_core.py"]
    assert not any(label.startswith("pydantic/v1/") for label in made.files)


def test_a_program_without_models_does_not_have_it(project: Project) -> None:
    """Steps may use it."""
    project.write("app.py", HEAD + "@app.workflow\nasync def main(): return 1\n")

    assert not any("pydantic" in label for label in project.made().program.files)


def test_another_version_stays_outside(tmp_path: Path) -> None:
    """Its results may be others, and nobody would notice."""
    (tmp_path / "version.py").write_text("VERSION = '2.11.3'\n_COMPATIBLE_PYDANTIC_CORE_VERSION = '2.33.1'\n")

    package = _package((str(tmp_path),))

    assert package.files == {}
    assert package.obstacle == "is installed in version 2.11.3, and workflows have the validation of pydantic 2.14"


def test_what_stays_outside_says_why(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The placeholder has the reason and what to do."""
    monkeypatch.setattr(finding, "pydantic_package", lambda: Package({}, {}, "is of another time"))
    project.write("app.py", MODEL + WORKFLOW)

    reason = project.made().program.absent["pydantic"]

    assert reason == "pydantic is of another time; install pydantic 2.14, or use it in steps"


def test_the_files_are_read_once() -> None:
    """An application makes its programs anew whenever a function is registered."""
    assert pydantic_package() is pydantic_package()


def test_parts_that_stay_outside(project: Project) -> None:
    """The old pydantic does not work with the guest's Python: a placeholder stands for it, and says what to do."""
    workflow = "@app.workflow\nasync def main(): return Old\n"
    project.write("app.py", f"from pydantic.v1 import BaseModel as Old\n{HEAD}{workflow}")

    absent = project.made().program.absent
    assert list(absent) == ["pydantic.v1"]
    assert "does not work with Python 3.14 and newer" in absent["pydantic.v1"]
    assert "use the models of pydantic itself, or use it in steps" in absent["pydantic.v1"]
