"""The corpus: two texts, whose workflows are one hostile program each, sorted into families."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

from torpor.tenants import Language

HERE: Final = Path(__file__).parent
_SECTION: Final = re.compile(r"^# --- (.*)$")
_PYTHON: Final = re.compile(r"^async def (p_\w+)\((\w*)")
_JAVASCRIPT: Final = re.compile(r"^export async function (j_\w+)")
_FAMILIES: Final = (
    ("CPU", "loop|regex|bigint|sort|catch|async_stack|weak"),
    ("memory", "mem|str$|rep$|sparse|fill|join|sab|atomics"),
    ("output", "log|ops_|bigpay|bigret|bigresult"),
    ("depth", "rec$|deep"),
    ("exceptions", "throw|ret_|thenable"),
    ("forging", "pol|forge|import|globals"),
)
"""JavaScript's families, by what is in the names of their programs; the rest is odd values."""


class Hostile(NamedTuple):
    """
    A program.

    Attributes:
        name: of its workflow.
        language: of its text.
        family: what it tries.
        takes: whether it wants the id of somebody else's run.
    """

    name: str
    language: Language
    family: str
    takes: bool = False


def text(language: Language) -> str:
    """Return the text with the programs of a language."""
    return (HERE / f"{language}.txt").read_text(encoding="utf-8")


def corpus() -> list[Hostile]:
    """Return all programs."""
    found: list[Hostile] = []
    family = ""
    for line in text("python").splitlines():
        if (section := _SECTION.match(line)) is not None:
            family = section[1]
        elif (program := _PYTHON.match(line)) is not None:
            found.append(Hostile(program[1], "python", family, bool(program[2])))
    for line in text("javascript").splitlines():
        if (program := _JAVASCRIPT.match(line)) is not None:
            families = (name for name, words in _FAMILIES if re.search(words, program[1]))
            found.append(Hostile(program[1], "javascript", next(families, "odd values")))
    return found
