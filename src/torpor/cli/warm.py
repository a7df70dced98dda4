"""``torpor warm``: compile and boot the guest languages ahead of the first run, for images and CI."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from torpor.cli.options import JsonOption
from torpor.cli.output import print_json, say, show_table
from torpor.cli.reporting import command
from torpor.errors import ConfigurationError
from torpor.inspection.timestamps import bytes_text
from torpor.programs.languages import LANGUAGES
from torpor.vm.cache import default_directory
from torpor.vm.guest import Program

Outcome = dict[str, Any]


@command
def warm(
    guest: Annotated[
        list[str] | None,
        typer.Option("--guest", "-g", metavar="NAME", help=f"Only this one: {' or '.join(LANGUAGES)}. Repeatable."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """
    Compile and boot the guest languages ahead of time.

    What is made is kept in TORPOR_CACHE, or in the user's cache folder, and shared by all processes. CPython takes
    about a minute, once on a machine. In a Dockerfile: RUN torpor warm

    Example: torpor warm --guest cpython
    """
    for name in guest or ():
        if name not in LANGUAGES:
            raise ConfigurationError(f"there is no guest {name!r}; there are {', '.join(LANGUAGES)}")
    outcomes = [_warm(name) for name in guest or LANGUAGES if guest or _is_installed(name)]
    if json:
        print_json({"folder": str(default_directory()), "guests": outcomes})
        return
    rows = ([o["guest"], o["state"], f"{o['seconds']:.1f} s", bytes_text(o["bytes"])] for o in outcomes)
    show_table("guest", "", "took", "on disk", rows=rows, right=frozenset({"took", "on disk"}))
    for name in LANGUAGES:
        if not guest and not _is_installed(name):
            say(f"{name} is not installed; pip install 'torpor[python]'", err=True)


def _warm(name: str) -> Outcome:
    """Load a program without workflows, for which everything else must be ready; say what that took."""
    folder = default_directory()
    before = _entries(folder, name)
    began = time.perf_counter()
    guest = LANGUAGES[name].guest()
    guest.load(Program(guest=name, build=guest.build, files={}, entries=[], workflows={}))
    seconds = time.perf_counter() - began
    after = _entries(folder, name)
    state = "was ready" if after == before else "is ready now"
    if not after:
        state = f"works, but nothing can be kept in {folder}; set TORPOR_CACHE"
    return {"guest": name, "state": state, "seconds": round(seconds, 3), "bytes": sum(after.values())}


def _entries(folder: Path, name: str) -> dict[str, int]:
    """Return what is kept for a guest: file name → bytes."""
    kept = [path for path in folder.glob(f"{name}*") if path.suffix in (".cwasm", ".image")]
    return {path.name: path.stat().st_size for path in kept}


def _is_installed(name: str) -> bool:
    needs = LANGUAGES[name].needs
    return not needs or importlib.util.find_spec(needs) is not None
