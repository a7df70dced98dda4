"""The report of a bundle: what stayed outside of the program, and why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from torpor.programs.left_out import LeftOut
from torpor.programs.python.module import Module, Statement, absolute

TEXT_CHARS: Final = 60
"""How much of a statement is shown."""

_UNREACHED: Final = "workflow code does not reach it"


@dataclass(slots=True)
class Missed:
    """
    A module that the guest lacks.

    Attributes:
        reason: why it is absent, and what to do.
        places: imports of it.
        needed: one of them cannot do without.
    """

    reason: str
    places: list[str] = field(default_factory=list)
    needed: bool = False

    def left_out(self, name: str) -> LeftOut:
        taken_over = "" if self.needed else "; the `except ImportError` around its imports takes over"
        return LeftOut(name, self.places[0], self.reason + taken_over)


def statement_left_out(module: Module, statement: Statement, why: str, inside: set[str]) -> Iterator[LeftOut]:
    """
    Tell of a statement that stayed outside.

    Args:
        why: the reason, ``""`` when nothing reaches it.
        inside: modules of the program, of which an import is nothing to tell.
    """
    why = why or _UNREACHED
    where = f"{module.source.label}:{statement.node.lineno}"
    names = ", ".join(sorted(statement.defines - {""}))
    imported = {absolute(module, found.module) for found in statement.reads.bindings} - {None}
    if imported:
        for name in sorted(map(str, imported)):
            if name not in inside:
                yield LeftOut(f"{name} ({names})" if names != name else name, where, why)
    elif isinstance(statement.node, ast.Expr) or statement.never:
        if statement.defines:  # a docstring is nothing to tell
            yield LeftOut(module.text.split("\n")[statement.node.lineno - 1].strip()[:TEXT_CHARS], where, why)
    elif names:
        yield LeftOut(names, where, why)


def in_order(left_out: LeftOut) -> tuple[str, int]:
    """Sort by file and line."""
    file, _, line = left_out.where.rpartition(":")
    return (file, int(line)) if line.isdigit() else (left_out.where, 0)
