"""
What the guest lacks: imports of it find placeholders, each with the reason of its absence.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Mapping
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

from . import placeholders
from .finder import author_place, finder, is_hidden
from .placeholders import AbsentModule, Origin

_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
"""What a ``try`` around an import that a program does without catches."""

_SUSPECTS_MAX = 3

_ADVICE = "move what uses it into a step: a function with @app.step"

OUTSIDE = (
    "it belongs to the application outside",
    "in a workflow use steps, torpor.sleep, torpor.hook and app.start; for everything else write a step",
)
"""Why the rest of Torpor is absent, and what to do instead."""

imported: list[Origin] = []
"""What the program lacks and has imported, in the order of the imports."""


class _Loader:
    """
    Finds absent modules and makes placeholders of them.

    Args:
        absent: outermost name that is absent, perhaps a part of a package that is there → why; a reason that speaks of
            steps is advice enough.
        versions: attributes that tell a version.
    """

    def __init__(self, absent: Mapping[str, str], versions: Mapping[str, Any]) -> None:
        # Torpor is there, but only in part.
        self._of_program = frozenset(absent)
        self._absent = {"torpor": OUTSIDE}
        self._absent |= {name: (why, "" if "step" in why else _ADVICE) for name, why in absent.items()}
        self._versions = {name: tuple(told) if isinstance(told, list) else told for name, told in versions.items()}

    def find(self, name: str) -> ModuleSpec | None:
        """
        Return the spec of an absent module or a part of one; every one of them is a package.

        Python's own library and imports that expect to fail are left to fail.
        """
        if self._reason(name) is None:
            is_above = any(absent.startswith(f"{name}.") for absent in self._absent)
            return ModuleSpec(name, None, is_package=True) if is_above else None
        importer = _importer()
        if importer.f_code.co_filename not in finder.labels or _expects_import_error(importer):
            return None
        return ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]  # a loader by its methods

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        why, advice = self._reason(spec.name) or ("", "")
        place = author_place(sys._getframe(1)) or ""  # noqa: SLF001  # there is no other way to ask
        module = AbsentModule(spec.name)
        origin = vars(module)["__torpor_origin__"] = Origin(spec.name, why, place, advice, self._versions)
        if spec.name in self._of_program:
            imported.append(origin)
        return module

    def exec_module(self, _module: ModuleType) -> None:
        """There is nothing in it."""

    def _reason(self, name: str) -> tuple[str, str] | None:
        while name and name not in self._absent:
            name = name.rpartition(".")[0]
        return self._absent.get(name)


def install(absent: Mapping[str, str], versions: Mapping[str, Any]) -> None:
    """Have imports of absent modules, given with the reason of each, find placeholders; these versions are known."""
    finder.fallback = _Loader(absent, versions).find
    if absent:
        placeholders.install()


def suspects() -> str:
    """Return, for an error while modules load, which of them are placeholders; ``""`` when none are."""
    if not imported:
        return ""
    told = "; ".join(f"{origin.name} ({origin.place}): {origin.why}" for origin in imported[:_SUSPECTS_MAX])
    more = f"; and {len(imported) - _SUSPECTS_MAX} more" if len(imported) > _SUSPECTS_MAX else ""
    return f"; this may be because the program has placeholders for what it lacks: {told}{more}"


def part_of(name: str, why: str, advice: str) -> Any:
    """Return the placeholder of something absent from a module or object that is there, such as ``Torpor.worker``."""
    owner, _, part = name.rpartition(".")
    origin = Origin(owner, why, "", advice, {})
    origin.named(part).used()
    return origin.part(part)


def _importer() -> FrameType:
    """Return the frame whose import is being done."""
    frame = sys._getframe(1)  # noqa: SLF001  # there is no other way to ask
    while frame.f_back is not None and _is_of_imports(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def _is_of_imports(file: str) -> bool:
    return is_hidden(file) or "/importlib/" in file


def _expects_import_error(frame: FrameType) -> bool:
    """Tell whether the line that a frame is at stands in a ``try`` that catches a failing import."""
    text = "".join(linecache.getlines(frame.f_code.co_filename))
    return any(
        node.body[0].lineno <= frame.f_lineno <= (node.body[-1].end_lineno or 0) and any(map(_catches, node.handlers))
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Try)
    )


def _catches(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CAUGHT) for kind in kinds)
