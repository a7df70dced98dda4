"""``torpor warm``: compile and boot the guest languages ahead of the first run, for images and CI."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from torpor.cli.options import JsonOption
from torpor.cli.output import counted, print_json, say, show_table
from torpor.cli.reporting import command
from torpor.errors import ConfigurationError
from torpor.inspection.timestamps import bytes_text
from torpor.programs.languages import LANGUAGES
from torpor.vm import cache_files
from torpor.vm.cache_folders import choose_folders, default_directory
from torpor.vm.guest import Guest, Program

Outcome = dict[str, Any]


@command
def warm(
    guest: Annotated[
        list[str] | None,
        typer.Option("--guest", "-g", metavar="NAME", help=f"Only this one: {' or '.join(LANGUAGES)}. Repeatable."),
    ] = None,
    prune: Annotated[
        bool,
        typer.Option("--prune", help="Remove all that this version does not use, not only what is long unused."),
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Also the full Python guest, of applications with Torpor(python='full').")
    ] = False,
    json: JsonOption = False,
) -> None:
    """
    Compile and boot the guest languages ahead of time.

    Compiled code that no version in use needs is removed. What is made is kept in TORPOR_CACHE, or in the user's cache
    folder, and shared by all processes. CPython takes some ten seconds, once on a machine, and a minute if it is the
    full one. In a Dockerfile: RUN torpor warm. For all users of a machine, as root:
    TORPOR_CACHE=/var/cache/torpor torpor warm

    Example: torpor warm --guest cpython
    """
    for name in guest or ():
        if name not in LANGUAGES:
            raise ConfigurationError(f"there is no guest {name!r}; there are {', '.join(LANGUAGES)}")
    # All are made first, so that what is missing is told before anything is compiled, which takes a while.
    guests = {name: LANGUAGES[name].guest(None) for name in guest or LANGUAGES}
    guests |= {f"{name}-full": each.full() for name, each in LANGUAGES.items() if full and each.full is not None}
    files = set[Path]()
    outcomes = [_warm(name, made, files) for name, made in guests.items()]
    folder = choose_folders(_unheard).writable
    removed = cache_files.prune(folder, all_unused=prune)
    if json:
        pruned = [{"name": entry.name, "bytes": entry.size} for entry in removed]
        print_json({"folder": str(folder), "guests": outcomes, "pruned": pruned})
        return
    rows = ([o["guest"], o["state"], f"{o['seconds']:.1f} s", bytes_text(o["bytes"])] for o in outcomes)
    show_table("guest", "", "took", "on disk", rows=rows, right=frozenset({"took", "on disk"}))
    if removed:
        unused = "this version does not use" if prune else f"nobody has used for {cache_files.UNUSED_DAYS_MAX} days"
        size = bytes_text(sum(entry.size for entry in removed))
        say(f"removed {counted(len(removed), 'file')} ({size}) from {folder} that {unused}")


def _warm(name: str, guest: Guest, others: set[Path]) -> Outcome:
    """
    Load a program without workflows, for which everything else must be ready; say what that took.

    Args:
        name: what the guest is called here.
        guest: the guest.
        others: files of guests that were made ready before; this one's are added.
    """
    before = cache_files.used_files()
    began = time.perf_counter()
    guest.load(Program(guest=guest.name, build=guest.build, files={}, entries=[], workflows={}))
    seconds = time.perf_counter() - began
    used = {path: made for path, made in cache_files.used_files().items() if path.name.startswith(guest.name)}
    made_now = any(made and path not in before for path, made in used.items())
    state = "is ready now" if made_now else "was ready"
    if not used:
        state = f"works, but nothing can be kept in {default_directory()}; set TORPOR_CACHE"
    size = sum(path.stat().st_size for path in used.keys() - others if path.exists())
    others.update(used)
    return {"guest": name, "state": state, "seconds": round(seconds, 3), "bytes": size}


def _unheard(_line: str) -> None:
    """Take what the guests' own caches have said already."""
