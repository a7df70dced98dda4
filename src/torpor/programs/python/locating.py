"""Where modules are, as the host's import system knows; none of them is run."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True, slots=True)
class Located:
    """What the import system knows of a module: its file if it has one, and where its submodules are."""

    file: str | None
    folders: list[str] | None


def locate(name: str, folders: Iterable[str] | None) -> Located | None:
    """
    Ask the modules that are loaded, then the import system.

    Args:
        name: dotted name.
        folders: of the package that it is in, None for a top-level module.
    """
    loaded = sys.modules.get(name)
    if loaded is not None:
        inner = getattr(loaded, "__path__", None)
        return Located(getattr(loaded, "__file__", None), None if inner is None else list(inner))
    path = None if folders is None else list(folders)
    for finder in sys.meta_path or (PathFinder,):
        try:
            spec = finder.find_spec(name, path)
        except KeyError:  # a folder without __init__.py inside another one that is not loaded
            return Located(None, [str(Path(folder, name.rpartition(".")[2])) for folder in path or ()])
        if spec is not None:
            inner = spec.submodule_search_locations
            return Located(spec.origin if spec.has_location else None, None if inner is None else list(inner))
    return None


def is_installed(path: Path) -> bool:
    """Tell whether a file belongs to an installed package and not to a project."""
    return not _INSTALLED.isdisjoint(path.parts)
