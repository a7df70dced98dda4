"""
Commands that are imported when they are called: a list of runs needs no compiler, and help needs nothing.

A group knows the names and purposes of its commands from a table, so that only their own help reads more of them.
"""

from __future__ import annotations

import importlib
from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from torpor.cli.importing import keeping_all


@dataclass(frozen=True)
class Place:
    """
    Where a command is.

    Attributes:
        module: in this package.
        purpose: its first sentence.
        function: in the module, ``""`` when it has the command's name.
    """

    module: str
    purpose: str
    function: str = ""


def lazy_group(places: Mapping[str, Place], group: str) -> type[TyperGroup]:
    """
    Return the class of a group.

    Args:
        places: of all commands by full name, ``deploy check``.
        group: its name; ``""`` for the commands that are in none.
    """
    prefix = f"{group} " if group else ""
    own = {name.removeprefix(prefix): place for name, place in places.items() if name.rpartition(" ")[0] == group}

    class Group(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self._own = _Commands(own, self.commands)
            self.commands = self._own

        def list_commands(self, ctx: Any) -> list[str]:
            return list(self.commands)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            rows = [(name, self._own.purpose(name)) for name in self._own]
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    return Group


class _Commands(UserDict[str, Any]):
    """
    Commands of a group by name.

    Args:
        places: of those that are imported when they are asked for.
        others: groups.
    """

    def __init__(self, places: Mapping[str, Place], others: Mapping[str, Any]) -> None:
        super().__init__(places)
        self.update(others)

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if isinstance(found, Place):
            found = self[name] = _load(name, found)
        return found

    def purpose(self, name: str) -> str:
        """Return what a command is for."""
        found = self.data[name]
        return found.purpose if isinstance(found, Place) else str(found.get_short_help_str(limit=200))


def _load(name: str, place: Place) -> Any:
    """Import a command and return it as Typer makes it."""
    with keeping_all():
        module = importlib.import_module(f"torpor.cli.{place.module}")
    made = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)
    made.command(name)(getattr(module, place.function or name))
    return get_command(made)
