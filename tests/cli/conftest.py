"""The command line in this process, in a project whose world has runs of every kind."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tests.cli.project import Runs, fresh_imports, make_runs, write_project
from torpor.cli import app as command_line


class Torpor:
    """Calls ``torpor …`` in this process."""

    def __call__(self, *arguments: str, **environment: str) -> Result:
        """Return what the command printed and its exit code."""
        with fresh_imports():
            return CliRunner(env=environment).invoke(command_line, arguments)

    def ok(self, *arguments: str, **environment: str) -> str:
        """Return what a command printed that must succeed."""
        result = self(*arguments, **environment)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Return the JSON document that a command printed, which must succeed."""
        return json.loads(self.ok(*arguments, "--json"))


@pytest.fixture
def torpor(monkeypatch: pytest.MonkeyPatch) -> Torpor:
    """The command line, without settings from the environment; each call imports anew."""
    for name in ("TORPOR_WORLD", "TORPOR_APP", "TORPOR_DEBUG", "TORPOR_KEYS", "TORPOR_RUNTIME", "TORPOR_VM_BACKEND"):
        monkeypatch.delenv(name, raising=False)
    return Torpor()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Runs]:
    """A project that has been worked on, to be copied."""
    folder = tmp_path_factory.mktemp("project")
    write_project(folder)
    return folder, make_runs(folder)


@pytest.fixture
def project(finished: tuple[Path, Runs], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, as the working folder."""
    folder = tmp_path / "project"
    shutil.copytree(finished[0], folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def runs(finished: tuple[Path, Runs], project: Path) -> Runs:
    """The runs in the world of the working folder."""
    assert Path.cwd() == project
    return finished[1]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose world is not there yet, as the working folder."""
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
