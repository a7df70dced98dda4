"""
Where commands write: results to standard output, everything else to standard error.

Without a terminal nothing is coloured, wrapped or cut.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNBOUNDED_COLUMNS = 100_000
_GAP = "  "
_INDENT = "    "
_FREE_COLUMNS = 24  # that a column of free text needs to be readable
_SURROGATE = re.compile("[\ud800-\udfff]")
# Line feed and tab are layout; the rest could move the cursor, recolour or hide what a terminal shows.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

_on_terminal: bool | None = None

STYLES = {
    "pending": "dim",
    "running": "cyan",
    "waiting": "cyan",
    "live": "cyan",
    "retrying": "yellow",
    "blocked": "bold yellow",
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


def show_as_on_terminal(is_terminal: bool) -> None:
    """Colour from now on what goes to a parent that writes to a terminal, or stop that."""
    global _on_terminal  # noqa: PLW0603  # a fact of the process, like its streams
    _on_terminal = is_terminal or None


def console(stream: TextIO | None = None) -> Console:
    """Return a console on *stream* (standard output by default) that cuts nothing where there is no terminal."""
    stream = stream or sys.stdout
    made = Console(file=stream, force_terminal=_on_terminal, highlight=False, markup=False, emoji=False)
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
    """Print a renderable."""
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


def show_table(
    *columns: str,
    rows: Iterable[Iterable[str | Text]],
    right: frozenset[str] = frozenset(),
    free: frozenset[str] = frozenset({""}),
) -> None:
    """
    Print a table without rules, in which no word is cut.

    Where the terminal is too narrow for that, each row is printed on as many lines as it needs.

    Args:
        columns: headings; a cell of the first column is never broken.
        rows: cells, as many as columns.
        right: headings of columns that are aligned to the right.
        free: headings of columns of free text, whose long words may be broken.
    """
    cells = [tuple(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row) for row in rows]
    widths = [max([cell_len(name), *(row[at].cell_len for row in cells)]) for at, name in enumerate(columns)]
    least = [
        widths[at] if at == 0 else min(widths[at], _FREE_COLUMNS if name in free else _longest_word(name, cells, at))
        for at, name in enumerate(columns)
    ]
    room = console().width - len(_GAP) * (len(columns) - 1)
    if sum(least) > room:
        for row in cells:
            _print_packed(row)
        return
    for at in sorted(range(len(columns)), key=lambda at: columns[at] not in free):  # free text gives way first
        widths[at] -= max(0, min(sum(widths) - room, widths[at] - least[at]))
    made = Table(box=None, pad_edge=False, padding=(0, len(_GAP), 0, 0), header_style="bold")
    for name, width in zip(columns, widths, strict=True):
        made.add_column(name, overflow="fold", justify="right" if name in right else "left", width=width)
    for row in cells:
        made.add_row(*row)
    show(made)


def _longest_word(heading: str, rows: Iterable[Sequence[Text]], at: int) -> int:
    """Return the room that the longest word of a column takes."""
    texts = [heading, *(row[at].plain for row in rows)]
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _print_packed(row: Iterable[Text]) -> None:
    """Print cells one behind another, on further lines what has no room."""
    target = console()
    lines = [Text()]
    for cell in filter(None, row):
        room = target.width - lines[-1].cell_len - len(_GAP)
        if not lines[-1]:
            lines[-1].append_text(cell)
        elif cell.cell_len <= room:
            lines[-1].append(_GAP).append_text(cell)
        else:
            wrapped = cell.wrap(target, max(1, target.width - len(_INDENT)))
            lines += [Text(_INDENT).append_text(part) for part in wrapped]
    for each in lines:
        target.print(each, soft_wrap=True)


def status_text(status: str) -> Text:
    """Return a status in its colour."""
    return Text(status, STYLES.get(status, ""))
