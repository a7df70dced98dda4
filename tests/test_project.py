"""The name of an application, by default its project's."""

from __future__ import annotations

from pathlib import Path

import pytest

from torpor import Torpor
from torpor.errors import ConfigurationError
from torpor.project import application_name


def write(folder: Path, text: str) -> None:
    """Write the project file of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)


def test_an_application_is_called_as_its_project(tmp_path: Path) -> None:
    """The file may lie above the application's root, and the root may move inside the project."""
    write(tmp_path, '[project]\nname = "shop"\n')

    assert application_name(tmp_path) == "shop"
    assert Torpor("memory://", root=tmp_path / "src" / "shop").name == "shop"


def test_its_own_table_comes_before_the_projects(tmp_path: Path) -> None:
    """A project that is renamed, or that has several applications, keeps the name that its runs have."""
    write(tmp_path, '[project]\nname = "shop"\n[tool.torpor]\nname = "checkout"\n')

    assert application_name(tmp_path) == "checkout"


def test_the_nearest_file_that_has_a_name_counts(tmp_path: Path) -> None:
    """Files for tools only are passed by, and a member of a workspace is not the workspace."""
    write(tmp_path, '[project]\nname = "workspace"\n')
    write(tmp_path / "member", '[project]\nname = "member"\n')
    write(tmp_path / "member" / "flows", "[tool.ruff]\nline-length = 100\n")

    assert application_name(tmp_path / "member" / "flows") == "member"


def test_a_folder_without_a_project_has_no_name(tmp_path: Path) -> None:
    """So it may move without losing its runs."""
    assert application_name(tmp_path) == ""


def test_a_given_name_counts_most(tmp_path: Path) -> None:
    """Nothing is read then, and a twin on another world is called alike."""
    write(tmp_path, "not TOML at all")
    app = Torpor("memory://", root=tmp_path, name="given")

    assert app.name == "given"
    assert app.on("memory://").name == "given"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name", "cannot be read, so what it says of the application is not known"),
        ("[project]\nname = 3\n", "3 cannot be the name of an application"),
        ('[tool.torpor]\nname = "two\\nlines"\n', r"cannot be the name of an application"),
    ],
)
def test_a_file_that_does_not_say_its_name_is_refused(tmp_path: Path, text: str, why: str) -> None:
    """Nothing is guessed, since the name decides whose runs a worker takes."""
    write(tmp_path, text)
    with pytest.raises(ConfigurationError, match=why):
        application_name(tmp_path)


def test_a_given_name_is_checked_too() -> None:
    """The message says where it was given."""
    with pytest.raises(ConfigurationError, match=r"Torpor\(name=…\): ' shop' cannot be"):
        Torpor("memory://", name=" shop")
