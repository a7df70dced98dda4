"""``torpor init``: a small project that runs, with a test."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Torpor


@pytest.mark.parametrize(
    ("language", "framework"),
    [
        ("python", None),
        ("python", "fastapi"),
        pytest.param("javascript", "flask", marks=pytest.mark.long),
        pytest.param("javascript", "django", marks=pytest.mark.long),
    ],
)
def test_the_tests_of_a_new_project_pass(torpor: Torpor, language: str, framework: str | None, tmp_path: Path) -> None:
    """A project that was made a moment ago has tests, and they pass as they are."""
    if framework is not None:
        pytest.importorskip(framework, reason="not installed: pip install -e '.[dev]'")
    folder = tmp_path / "my shop"
    site = [] if framework is None else ["--framework", framework]
    made = torpor.json("init", str(folder), "--language", language, *site)
    assert sorted(made["files"]) == sorted(
        str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file()
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TORPOR_APP", "PYTEST_"))}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio", "-p", "no:cacheprovider"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{2 if framework is None else 3} passed" in told.stdout


def test_nothing_that_is_there_is_changed(torpor: Torpor, tmp_path: Path) -> None:
    """If one of the files exists, nothing is written at all."""
    (tmp_path / "test_app.py").write_text("mine")
    refused = torpor("init", str(tmp_path))
    assert refused.exit_code == 2
    assert "test_app.py exists, so nothing was written" in refused.output
    assert [each.name for each in tmp_path.iterdir()] == ["test_app.py"]


def test_what_git_ignores_may_be_there(torpor: Torpor, tmp_path: Path) -> None:
    """An empty repository often has a .gitignore; it is left as it is."""
    (tmp_path / ".gitignore").write_text("mine")
    torpor.ok("init", str(tmp_path))
    assert (tmp_path / ".gitignore").read_text() == "mine"
    assert (tmp_path / "app.py").exists()


@pytest.mark.parametrize(
    ("option", "there_are"), [("--language", "python and javascript"), ("--framework", "fastapi, flask, django")]
)
def test_an_unknown_one_is_told(torpor: Torpor, tmp_path: Path, option: str, there_are: str) -> None:
    """The message says which languages there are, and which frameworks."""
    refused = torpor("init", str(tmp_path / "new"), option, "cobol")
    assert refused.exit_code == 2
    assert there_are in refused.output
    assert not (tmp_path / "new").exists()
