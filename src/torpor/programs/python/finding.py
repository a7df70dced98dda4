"""
Where a module comes from, as the host's import system says, without running any of its code.

A *project* module is a Python source file that is not part of Python and not installed (its path has no folder
``site-packages`` or ``dist-packages``), wherever it lies: below the application's root or beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from torpor.errors import ConfigurationError
from torpor.programs.python.carried import LACKING, OWN, SCIENCE, SLIM
from torpor.programs.python.locating import Located, is_installed, locate
from torpor.programs.python.pydantic import VERSIONS, is_pydantic, left_out, pydantic_package
from torpor.programs.python.third_party import COMPILED, why_absent


@dataclass(frozen=True, slots=True)
class Source:
    """
    A module whose source goes into the program.

    Attributes:
        name: dotted name.
        label: file in the program, ``./flows/app.py``; without ``./`` for a package that is installed.
        path: the file.
        whole: everything in it goes in.
    """

    name: str
    label: str
    path: Path
    whole: bool = False

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The package that relative imports in it start from."""
        return self.name if self.is_package else self.name.rpartition(".")[0]


@dataclass(frozen=True, slots=True)
class Namespace:
    """A package that is a folder only."""


@dataclass(frozen=True, slots=True)
class Guests:
    """A module that the guest has itself, or that nobody has: the guest's own import will tell."""


@dataclass(frozen=True, slots=True)
class Absent:
    """
    A module that the host has and the guest has not.

    Attributes:
        name: the outermost package that is absent.
        reason: why, and what to do.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ported:
    """A module of a package whose compiled parts Torpor has in Python: the package goes in together."""


Origin = Source | Namespace | Guests | Absent | Ported


class Finder:
    """
    Finds modules.

    Args:
        root: folder that labels are relative to.
        bundle: third-party packages whose source goes in.
        carried: those that the guest has.
        known: modules that are somewhere else than the import system says: dotted name → file.
    """

    def __init__(
        self,
        root: Path,
        bundle: Sequence[str] = (),
        carried: Collection[str] = SLIM,
        known: dict[str, Path] | None = None,
    ) -> None:
        self._root = root
        self._bundle = frozenset(bundle)
        self._carried = frozenset(carried)
        self._known = known or {}
        self._origins: dict[str, Origin] = {}

    def find(self, name: str) -> Origin:
        """Return where a module comes from."""
        if name not in self._origins:
            self._origins[name] = self._find(name)
        return self._origins[name]

    def label(self, path: Path) -> str:
        """Return the name of a project file inside the program."""
        text = Path(os.path.relpath(path.resolve(), self._root)).as_posix()
        return text if text.startswith("../") else f"./{text}"

    def bundled(self, name: str) -> list[Source]:
        """
        Return the modules of a third-party package that is to go in whole.

        Raises:
            ConfigurationError: it is not installed, is a part of a package, or has compiled parts.
        """
        above = name.rpartition(".")[0]
        if above and not isinstance(self.find(above), Namespace):
            raise ConfigurationError(f"Torpor(bundle=[{name!r}]): {above} goes in whole or not at all; bundle that")
        found = locate(name, self._folders(above) if above else None)
        if found is None or (found.file is None and not found.folders):
            raise ConfigurationError(
                f"Torpor(bundle=[{name!r}]): no package of that name is installed here; give the name that is imported"
            )
        if found.folders is None:
            return [self._bundled_file(name, Path(found.file or ""))]
        sources = []
        for folder in map(Path, found.folders):
            for path in sorted(folder.rglob("*")):
                if path.suffix in COMPILED:
                    raise _compiled(name, path)
                if path.suffix == ".py":
                    dotted = ".".join((name, *path.relative_to(folder).with_suffix("").parts)).removesuffix(".__init__")
                    if all(part.isidentifier() for part in dotted.split(".")):
                        sources.append(self._bundled_file(dotted, path))
        return sources

    def bundle_of(self, name: str) -> str:
        """Return the entry of the bundle that a module belongs to, ``""`` when it is in none."""
        while name and name not in self._bundle:
            name = name.rpartition(".")[0]
        return name

    def _bundled_file(self, name: str, path: Path) -> Source:
        if path.suffix != ".py":
            raise _compiled(self.bundle_of(name), path)
        above = path.parents[name.count(".") + (path.name == "__init__.py")]
        label = path.relative_to(above).as_posix() if is_installed(path) else self.label(path)
        return Source(name, label, path, whole=True)

    def _find(self, name: str) -> Origin:
        if name in self._known:
            return self._project(name, self._known[name])
        above, _, _ = name.rpartition(".")
        if not above:
            return self._top(name)
        outer = self.find(above)
        if isinstance(outer, Ported) and (part := left_out(name)) is not None:
            return Absent(*part)
        if isinstance(outer, Absent | Guests | Ported):
            return outer
        found = locate(name, self._folders(above))
        if found is None:
            return Guests()
        return self._located(name, found)

    def _top(self, name: str) -> Origin:
        if name in OWN:
            return Guests()
        found = locate(name, None)
        if found is None:  # what the full guest has need not be installed
            return self._third_party(name) if name in SCIENCE else Guests()
        if name in sys.stdlib_module_names and not self._is_below_root(found.file):
            return Absent(name, f"the guest has no module {name}: {LACKING[name]}") if name in LACKING else Guests()
        return self._located(name, found)

    def _located(self, name: str, found: Located) -> Origin:
        if found.file is None:
            return self._folder(name, found.folders or [])
        path = Path(found.file)
        if self.bundle_of(name):
            return self._bundled_file(name, path)
        if is_installed(path):
            return self._third_party(name)
        if path.suffix != ".py":
            return Absent(name, f"{path.name} is compiled, and the guest runs Python source only")
        return self._project(name, path)

    def _folder(self, name: str, folders: Sequence[str]) -> Origin:
        """Return what a package without a file of its own is: whose it is, what is in it will tell."""
        if not folders:
            return Guests()
        is_above = any(each.startswith(f"{name}.") for each in self._bundle)
        if self.bundle_of(name) or is_above or not all(is_installed(Path(folder)) for folder in folders):
            return Namespace()
        return self._third_party(name)

    def _third_party(self, name: str) -> Origin:
        top = name.partition(".")[0]
        if is_pydantic(top):
            obstacle = pydantic_package().obstacle
            said = f"{top} {obstacle}; install pydantic {VERSIONS}, or use it in steps"
            return Absent(top, said) if obstacle else Ported()
        return Guests() if top in self._carried else Absent(name, why_absent(top, self._bundle, self._carried))

    def _project(self, name: str, path: Path) -> Source:
        return Source(name, self.label(path), path)

    def _folders(self, package: str) -> list[str]:
        above = package.rpartition(".")[0]
        found = locate(package, self._folders(above) if above else None)
        return (found.folders if found is not None else None) or []

    def _is_below_root(self, file: str | None) -> bool:
        return file is not None and Path(file).resolve().is_relative_to(self._root) and not is_installed(Path(file))


def _compiled(package: str, path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"Torpor(bundle=[{package!r}]): {path} is compiled, and the guest runs Python source only; use the package in "
        f"steps instead"
    )
