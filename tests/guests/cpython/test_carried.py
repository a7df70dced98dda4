"""What the builder believes the guest to have, asked of the guest."""

from __future__ import annotations

import sys

from tests.guests.cpython.conftest import Author
from torpor.programs.python.carried import LACKING, carried_packages

WITH_EFFECTS = {"antigravity", "this"}
"""Modules of the standard library that do something when they are imported."""


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

    assert {"numpy", "pandas", "yaml", "attrs", "dateutil"} <= carried_packages()
    assert run.begin(sorted(carried_packages())).value == []
