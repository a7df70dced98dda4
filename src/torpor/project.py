"""What a project's ``pyproject.toml`` says of its application."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from torpor.errors import ConfigurationError

_FILE = "pyproject.toml"


def application_name(root: Path) -> str:
    """
    Return the name of the application in a folder: ``[tool.torpor] name``, else ``[project] name``, of the nearest
    ``pyproject.toml`` in it or above it that has one; ``""`` when none has.

    Raises:
        ConfigurationError: such a file cannot be read, or the name is none.
    """
    for folder in (root, *root.parents):
        path = folder / _FILE
        if not path.is_file():
            continue
        said = _read(path)
        for table in (said.get("tool", {}).get("torpor", {}), said.get("project", {})):
            if "name" in table:
                return checked_name(table["name"], str(path))
    return ""


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


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # the name decides whose runs a worker takes, so nothing is guessed
        raise ConfigurationError(
            f"{path} cannot be read, and says what the application is called: {error}; mend it, or give Torpor(name=…)"
        ) from error
