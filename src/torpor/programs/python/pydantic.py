"""
pydantic as it goes into programs: the Python files that are installed, and Torpor's own part in place of compiled ones.

What validates and serializes follows the version below, so another one stays outside: its values might be others.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torpor.programs.python.locating import Located, locate

VERSIONS: Final = "2.14"
"""The minor version whose results Torpor's own part has; see ``bootstrap/_pydantic``."""

_PACKAGES: Final = ("pydantic", "pydantic_core", "annotated_types", "typing_inspection", "typing_extensions")
_COMPANIONS: Final = ("email_validator", "idna")
"""What pydantic imports only for some types, where it is installed."""

_LEFT_OUT: Final = {
    "pydantic.v1": "is the pydantic of old, which does not work with Python 3.14 and newer, and workflows have 3.15;"
    " use the models of pydantic itself, or use it in steps",
    "pydantic.mypy": "is a part of mypy, which checks types outside; use it in steps",
}
"""Parts that stay outside: why, and what to do."""

_COMPILED: Final = "pydantic_core._pydantic_core"

_VERSION = re.compile(r"^VERSION = '([0-9][^']*)'", re.MULTILINE)
_CORE_VERSION = re.compile(r"^_COMPATIBLE_PYDANTIC_CORE_VERSION = '([^']+)'", re.MULTILINE)

_OURS: Final = '''\
"""Torpor's own part of pydantic, in place of the compiled one."""

from torpor._pydantic import *
from torpor._pydantic import set_version

__version__ = "{core}"

set_version("{version}")
'''


@dataclass(frozen=True, slots=True)
class Package:
    """
    What goes into a program together.

    Attributes:
        modules: dotted name → file label.
        files: file label → text.
        obstacle: why nothing goes in, ``""`` when it does.
    """

    modules: dict[str, str]
    files: dict[str, str]
    obstacle: str = ""


def is_pydantic(top: str) -> bool:
    """Tell whether a top-level package goes in by these rules."""
    return top in ("pydantic", "pydantic_core")


def left_out(name: str) -> tuple[str, str] | None:
    """Return which part of pydantic that stays outside a module belongs to, and why; None for all others."""
    found = ((part, why) for part, why in _LEFT_OUT.items() if f"{name}.".startswith(f"{part}."))
    return next(((part, f"{part} {why}") for part, why in found), None)


def pydantic_package() -> Package:
    """Return pydantic as it is installed here, with what it needs."""
    found = locate("pydantic", None)
    return Package({}, {}, "is not installed here") if found is None else _package(tuple(found.folders or ()))


@functools.cache
def _package(folders: tuple[str, ...]) -> Package:
    """Read the files, once in a process."""
    text = next((path.read_text("utf-8") for path in (Path(at, "version.py") for at in folders) if path.is_file()), "")
    version, core = _VERSION.search(text), _CORE_VERSION.search(text)
    if version is None or core is None or not version[1].startswith(f"{VERSIONS}."):
        here = f"is installed in version {version[1]}" if version is not None else "tells no version"
        return Package({}, {}, f"{here}, and workflows have the validation of pydantic {VERSIONS}")
    modules: dict[str, str] = {}
    files: dict[str, str] = {}
    for name in (*_PACKAGES, *_COMPANIONS):
        located = locate(name, None)
        for dotted, label, path in () if located is None else _sources(name, located):
            modules[dotted], files[label] = label, path.read_text("utf-8")
    label = f"{_COMPILED.replace('.', '/')}.py"
    modules[_COMPILED], files[label] = label, _OURS.format(core=core[1], version=version[1])
    return Package(modules, files)


def _sources(name: str, located: Located) -> list[tuple[str, str, Path]]:
    """Return the modules of a package: dotted name, label, file."""
    if located.folders is None:
        return [(name, f"{name}.py", Path(located.file or ""))]
    sources = []
    for folder in map(Path, located.folders):
        for path in sorted(folder.rglob("*.py")):
            inside = path.relative_to(folder.parent)
            dotted = ".".join(inside.with_suffix("").parts).removesuffix(".__init__")
            if left_out(dotted) is None:
                sources.append((dotted, inside.as_posix(), path))
    return sources
