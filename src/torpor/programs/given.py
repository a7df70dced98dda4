"""
Programs that came as text: one module, which may import the steps that its tenant is allowed, and nothing else of ours.

Nothing of such a text is run or imported outside of a VM. Its file is called ``./@text/main.py`` (or ``.js``), which no
file of an application is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from torpor.errors import ConfigurationError
from torpor.limits import SOURCE_CHARS_MAX

FOLDER: Final = "./@text"
STEPS: Final = "steps"
"""The module that a text imports its steps from."""


class Text(msgspec.Struct, frozen=True):
    """
    A program as somebody wrote it.

    Attributes:
        source: the text.
        workflow: the workflow that is to be run, by the name of its function.
        steps: full name of each step that it may import → text of the step's signature.
        build: hash of the guest build.
    """

    source: str
    workflow: str
    steps: Mapping[str, str]
    build: str


def checked_source(source: object) -> str:
    """
    Return a text, once it may be one.

    Raises:
        ConfigurationError: it is none, is empty, or too long.
    """
    if not isinstance(source, str) or not source.strip():
        raise ConfigurationError(f"a program is a text with a workflow in it, not {source!r:.60}")
    if len(source) > SOURCE_CHARS_MAX:
        raise ConfigurationError(f"a program has up to {SOURCE_CHARS_MAX} characters, and this one has {len(source)}")
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"the program is no Unicode text: {error.reason} at character {error.start}") from None
    return source


def importable(steps: Mapping[str, str]) -> dict[str, str]:
    """
    Return the full names of steps by the names under which a text imports them.

    Raises:
        ConfigurationError: two have one name, or one belongs to a class.
    """
    found: dict[str, str] = {}
    for full in sorted(steps):
        name = full.rpartition("//")[2]
        if not name.isidentifier():
            raise ConfigurationError(
                f"step {full} cannot be imported from {STEPS!r}: {name!r} is no name of a function"
            )
        if name in found:
            raise ConfigurationError(
                f"{found[name]} and {full} are both {name!r}; give one another name: @app.step(name=…)"
            )
        found[name] = full
    return found


def known(names: Mapping[str, str]) -> str:
    """Return what may be imported, for messages."""
    return ", ".join(sorted(names)) or "none"
