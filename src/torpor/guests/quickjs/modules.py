"""
Which module an import statement means, and its source.

Bootstrap modules (``torpor:*`` and ``workflow``) are part of the guest; all others are the program's. A module of the
program may import ``workflow`` and, by relative specifiers, the program's own modules.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping

INTERNAL = "torpor:"
API = "workflow"
PROXIES = "torpor:steps"
"""What the generated modules that stand for Python files import; their names end in ``.py``."""
SDK = "torpor:sdk"
SDK_BEGIN = "./.workflow/begin.js"
"""What programs made of a bundle of the Workflow SDK import, and where."""


class ImportRefusedError(Exception):
    """An import that cannot be; the message is for the author of the program."""


class ModuleLoader:
    """
    Resolves and serves modules.

    Args:
        bootstrap: sources of the guest's own modules by name.
    """

    def __init__(self, bootstrap: Mapping[str, str]) -> None:
        self._bootstrap = bootstrap

    def resolve(self, importer: str, specifier: str, program: Mapping[str, str]) -> str:
        """
        Return the name of the module that *specifier* means in *importer*.

        Raises:
            ImportRefusedError: nothing, or nothing that *importer* may have.
        """
        if importer.startswith(INTERNAL) or importer == API:
            # The bootstrap imports its own modules and, to load a program, the program's entries by name.
            if specifier in self._bootstrap or specifier in program:
                return specifier
        elif (
            specifier == API
            or (specifier == PROXIES and importer.endswith(".py"))
            or (specifier == SDK and importer == SDK_BEGIN)
        ):
            return specifier
        elif specifier.startswith(("./", "../")):
            found = self._relative(importer, specifier, program)
            if found is not None:
                return found
        raise ImportRefusedError(self._complaint(importer, specifier, program))

    def source(self, name: str, program: Mapping[str, str]) -> str:
        """
        Return the source of a resolved module.

        Raises:
            ImportRefusedError: there is none of that name.
        """
        found = self._bootstrap.get(name) if name.startswith(INTERNAL) or name == API else program.get(name)
        if found is None:
            raise ImportRefusedError(f"there is no module {name!r} in this program")
        return found

    def _relative(self, importer: str, specifier: str, program: Mapping[str, str]) -> str | None:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(importer), specifier))
        return next((name for name in (path, f"./{path}") if name in program), None)

    def _complaint(self, importer: str, specifier: str, program: Mapping[str, str]) -> str:
        said = f"{importer} imports {specifier!r}"
        if specifier.startswith(INTERNAL):
            return f"{said}, which belongs to Torpor itself; import from {API!r} instead"
        if specifier.startswith(("./", "../")):
            return f"{said}, which is not part of the program; it has {', '.join(sorted(program))}"
        return (
            f"{said}; workflow code may import {API!r} and modules of its own by relative path. Move what needs "
            f"{specifier!r} into a step"
        )


def _is_lent(importer: str, specifier: str) -> bool:
    """Return whether a generated module may import one of the guest's own."""
    return (specifier == PROXIES and importer.endswith(".py")) or (specifier == SDK and importer == SDK_BEGIN)
