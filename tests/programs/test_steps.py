"""Which steps a program may call, told by it or by its texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.programs.python.projects import HEAD, Project
from torpor.programs.javascript.builder import build_program
from torpor.programs.steps import steps_of


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project; its modules are importable and never imported."""
    monkeypatch.syspath_prepend(tmp_path)
    return Project(tmp_path)


def test_a_program_of_version_0_1_0_is_asked_for_its_steps_by_its_text(project: Project) -> None:
    """It has no list of them; names are what is there, and no signatures."""
    project.write("far.py", HEAD + "@app.step\ndef ship(): ...\n")
    project.write(
        "app.py",
        "from far import ship\n" + HEAD + "@app.step\nasync def charge(cents): ...\n@app.step\ndef unused(): ...\n"
        "@app.workflow\nasync def main(): await charge(1); await ship()\n",
    )
    program = project.made().program

    assert steps_of(program) == {"step//./app.py//charge": "(cents)", "step//./far.py//ship": "()"}
    assert steps_of(replace(program, steps=None)) == {"step//./app.py//charge": "", "step//./far.py//ship": ""}


def test_a_javascript_program_of_version_0_1_0_has_all_steps_of_a_file(tmp_path: Path) -> None:
    """The proxies of a Python file stand in one text, whichever of them are imported."""
    (tmp_path / "s.py").touch()
    (tmp_path / "a.js").write_text(
        'import { a } from "./s.py"; export async function f() { "use workflow"; await a(); }'
    )
    program = build_program(
        tmp_path, [Path("a.js")], steps_of=lambda _: ["a", "b"], signature_of=lambda _: "()", build=""
    )

    assert steps_of(program) == {"step//./s.py//a": "()"}
    assert steps_of(replace(program, steps=None)) == {"step//./s.py//a": "", "step//./s.py//b": ""}


def test_a_program_that_says_that_it_calls_none_is_believed(project: Project) -> None:
    """Whatever its text looks like."""
    text = "@app.workflow\nasync def main(): return '__torpor_step__(\"step//./a.py//a\")'\n"
    project.write("app.py", HEAD + text)
    program = project.made().program

    assert steps_of(program) == {}
    assert steps_of(replace(program, steps=None)) != {}
