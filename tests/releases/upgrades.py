"""Guests of other builds than the installed ones, as an upgrade of Torpor brings them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path

from torpor import Torpor
from torpor.guests.cpython import CPython
from torpor.guests.cpython.sources import torpor_code
from torpor.guests.quickjs import QuickJS
from torpor.vm.guest import Guest


def newer_quickjs(folder: Path, file: str = "main.js", old: str = "", new: str = "// newer\n") -> QuickJS:
    """Return the JavaScript guest with one text of its own replaced by another; by default a comment is added."""
    with as_file(files("torpor.guests.quickjs") / "bootstrap") as bootstrap:
        shutil.copytree(bootstrap, folder)
    path = folder / file
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), "utf-8")
    return QuickJS(bootstrap=folder)


def newer_cpython() -> CPython:
    """Return the Python guest with a comment added to what boots it."""
    code = torpor_code()
    return CPython(code=replace(code, text=f"{code.text}\n# newer\n"))


@contextmanager
def installed(app: Torpor, guests: Mapping[str, Guest]) -> Iterator[None]:
    """Let an application have these guests."""
    programs = app.programs
    before, programs._guests = programs._guests, {**programs._guests, **guests}
    programs.renew()
    try:
        yield
    finally:
        programs._guests = before
        programs.renew()
