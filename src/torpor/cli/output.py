"""
Where commands write: results to standard output, everything else to standard error.

Without a terminal nothing is coloured, wrapped or cut.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNBOUNDED_COLUMNS = 100_000
_SURROGATE = re.compile("[\ud800-\udfff]")
# Line feed and tab are layout; the rest could move the cursor, recolour or hide what a terminal shows.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

STYLES = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "cyan",
    "live": "cyan",
    "retrying": "yellow",
    "completed": "green",
    "disposed": "dim",
    "dropped": "dim",
    "lost": "yellow",
    "conflict": "yellow",
    "failed": "bold red",
    "cancelled": "yellow",
    "debug": "dim",
    "warn": "yellow",
    "error": "red",
}
"""How states, and levels of log lines, look."""


def console(stream: TextIO | None = None) -> Console:
    """Return a console on *stream* (standard output by default) that cuts nothing where there is no terminal."""
    stream = stream or sys.stdout
    made = Console(file=stream, highlight=False, markup=False, emoji=False)
    if not made.is_terminal:
        made.width = _UNBOUNDED_COLUMNS
    return made


def say(*parts: str | tuple[str, str], err: bool = False) -> None:
    """Print one line of texts and (text, style) pairs, which may be anybody's: nothing in them is interpreted."""
    console(sys.stderr if err else sys.stdout).print(line(*parts), soft_wrap=True)


def counted(number: int, what: str) -> str:
    """Return a number of things, such as ``1 workflow`` or ``2 workflows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def show(renderable: RenderableType) -> None:
    """Print a table or another renderable."""
    target = console()
    if target.is_terminal:
        target.print(renderable)
        return
    with target.capture() as captured:
        target.print(renderable)
    sys.stdout.write("".join(f"{row.rstrip()}\n" for row in captured.get().splitlines()))


def line(*parts: str | tuple[str, str]) -> Text:
    """Return texts and (text, style) pairs as one text, control characters made visible."""
    text = Text()
    for part in parts:
        content, style = (part, "") if isinstance(part, str) else part
        text.append(printable(content), style)
    return text


def printable(text: str) -> str:
    """Return a text with control characters and lone surrogates as visible escapes; line feeds and tabs stay."""
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


def print_json(document: Any) -> None:
    """Print one JSON document."""
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    # A lone surrogate, which JavaScript strings may hold, has no UTF-8 form; JSON's own escape does as well.
    sys.stdout.write(_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n")


def table(*columns: str, rows: Iterable[Iterable[str | Text]], right: frozenset[str] = frozenset()) -> Table:
    """
    Return a table without rules.

    Args:
        columns: headings; a cell of the first column is never broken.
        rows: cells, as many as columns.
        right: headings of columns that are aligned to the right.
    """
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, name in enumerate(columns):
        made.add_column(name, no_wrap=number == 0, overflow="fold", justify="right" if name in right else "left")
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return made


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, STYLES.get(status, ""))
