"""What a project's ``pyproject.toml`` says of its application, and what the environment's settings are called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torpor.errors import ConfigurationError

PROJECT_FILE = "pyproject.toml"
TOKEN = "TORPOR_TOKEN"  # noqa: S105  # the name of a setting
"""The environment's setting for the token that the server of a world lets us in by."""


def application_name(root: Path) -> str:
    """
    Return the name of the application in a folder: ``[tool.torpor] name``, else ``[project] name``, of the nearest
    ``pyproject.toml`` in it or above it that has one; ``""`` when none has.

    Raises:
        ConfigurationError: such a file cannot be read, or the name is none.
    """
    for folder in (root, *root.parents):
        file = folder / PROJECT_FILE
        if not file.is_file():
            continue
        project = read_project(file)
        for table in (_table(project, "tool", "torpor"), _table(project, "project")):
            if "name" in table:
                return checked_name(table["name"], str(file))
    return ""


def application_place(file: Path) -> object:
    """
    Return what ``app`` in ``[tool.torpor]`` of a project's file is, None when there is none.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    return _table(read_project(file), "tool", "torpor").get("app")


def checked_name(name: object, where: str) -> str:
    """
    Return a name of an application.

    Args:
        name: as somebody has written it.
        where: the place where that was, for messages.

    Raises:
        ConfigurationError: it is no text of one line.
    """
    if not isinstance(name, str) or not name.isprintable() or name != name.strip():
        raise ConfigurationError(f"{where}: {name!r} cannot be the name of an application; give a short text")
    return name


def read_project(file: Path) -> dict[str, Any]:
    """
    Return what a project's file says.

    Raises:
        ConfigurationError: it cannot be read. Nothing is guessed then: it may name the application, and so decide
            whose runs a worker takes.
    """
    import tomllib  # noqa: PLC0415  # costs 4 ms, and what runs in production seldom has such a file

    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(
            f"{file} cannot be read, so what it says of the application is not known: {error}"
        ) from error


def _table(project: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = project.get(name)
        project = found if isinstance(found, dict) else {}
    return project
