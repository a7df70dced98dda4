"""
Third-party packages that the guest does not carry: what stands in the way of taking them along, and what helps instead.

A package can be bundled when it and all that it needs are pure Python. What it needs is what its modules import at
their outermost level: imports inside ``try`` are made to fail. The names of files and versions are left out of the
reason, because it is a part of the program, which should be the same on all machines.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torpor.programs.python.carried import OWN, SCIENCE, SLIM
from torpor.programs.python.locating import is_installed, locate

COMPILED: Final = frozenset((".so", ".pyd", ".dylib"))
"""Endings of files that are compiled."""

NEEDED_MAX: Final = 12
"""Packages that are told to be bundled together; who needs more is better off in a step."""

_NETWORK = frozenset(("http.client", "http.server", "smtplib", "socket", "socketserver", "ssl"))
_IMPORT = re.compile(r"^(?:from[ \t]+(\w[\w.]*)|import[ \t]+(.+))", re.MULTILINE)
_TESTS = {"_test", "_tests", "test", "tests", "testing", "conftest.py"}


@dataclass(frozen=True, slots=True)
class _Package:
    """
    What matters of an installed package.

    Attributes:
        obstacle: why it cannot be in a program, ``""`` when nothing is known.
        needs: other packages that it imports.
    """

    obstacle: str
    needs: tuple[str, ...] = ()


def why_absent(top: str, bundled: Collection[str] = (), carried: frozenset[str] = SLIM) -> str:
    """
    Return why a package is not in a program, and what to do.

    Args:
        top: its name.
        bundled: packages that go in.
        carried: those that the guest has.
    """
    said = f"{top} is a third-party package that the guest does not carry"
    full = "; the full guest has it: Torpor(python='full'), with torpor[science]" if top in SCIENCE else ""
    if locate(top, None) is None:
        return f"{said}; use it in steps{full}"
    needed: list[str] = []
    ahead = deque([top])
    while ahead and len(needed) <= NEEDED_MAX:
        name = ahead.popleft()
        if name in needed or name in bundled:
            continue
        needed.append(name)
        package = _look_at(name, carried)
        if package.obstacle:
            who = "it" if name == top else f"it needs {name}, which"
            return f"{said}, and bundling it would not help: {who} {package.obstacle}; use it in steps{full}"
        ahead.extend(package.needs)
    if ahead:
        return f"{said}, and it needs more than {NEEDED_MAX} others; use it in steps{full}"
    together = [*sorted(bundled), *needed]
    return f"{said}; use it in steps, or, if workflow code needs it, bundle it: Torpor(bundle={together}){full}"


def _look_at(top: str, carried: frozenset[str]) -> _Package:
    found = locate(top, None)
    if found is None:
        return _Package("")
    return _read(top, (found.file or "",) if found.folders is None else tuple(found.folders), carried)


@functools.cache
def _read(top: str, places: tuple[str, ...], carried: frozenset[str]) -> _Package:
    """Read the files of a package, once in a process: a large one has thousands."""
    files = [path for place in map(Path, places) for path in (sorted(place.rglob("*")) if place.is_dir() else [place])]
    if any(path.suffix in COMPILED for path in files):
        return _Package("has compiled parts, and the guest runs Python source only")
    needs: dict[str, None] = {}
    for path in files:
        if path.suffix != ".py" or not _TESTS.isdisjoint(path.parts):
            continue
        for name in _imports_of(path, carried | frozenset(needs) | {top}):
            if name in _NETWORK:
                return _Package(f"talks to the network (it imports {name}), and the VM has none")
            needs[name.partition(".")[0]] = None
    return _Package("", tuple(needs))


def _imports_of(path: Path, known: frozenset[str]) -> Iterator[str]:
    """Yield what of interest a file imports at its outermost level: the network, and packages that are not known."""
    try:
        text = path.read_text("utf-8")
        names = {
            part.split()[0] for one, many in _IMPORT.findall(text) for part in (one or many).split(",") if part.split()
        }
        # Most files have nothing of the kind; those that seem to may have it in a docstring.
        wanted = {name for name in names if name in _NETWORK or _is_needed(name.partition(".")[0], known)}
        tree = ast.parse(text) if wanted else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return
    for node in tree.body:
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases if alias.name in wanted)
            case ast.ImportFrom(module=str(module), level=0) if module in wanted:
                yield module
            case _:
                pass


def _is_needed(top: str, known: frozenset[str]) -> bool:
    """Tell whether a name is that of an installed package which neither Python nor the guest has."""
    if top in known or top in OWN or top in sys.stdlib_module_names:
        return False
    found = locate(top, None)
    places = [] if found is None else [found.file] if found.file else found.folders or []
    return any(place is not None and is_installed(Path(place)) for place in places)
