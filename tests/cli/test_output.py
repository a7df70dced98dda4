"""What is printed, and how."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable

import pytest

from torpor.cli.output import console, counted, print_json, printable, say, show_table


class Terminal(io.StringIO):
    """A stream that calls itself a terminal."""

    def isatty(self) -> bool:
        """Say yes."""
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢 🙂\n\ttext", "plain ä 漢 🙂\n\ttext"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("over\rwritten", r"over\rwritten"),
        ("\ud800", r"\ud800"),
        ("\x9b2J", r"\x9b2J"),
    ],
)
def test_text_cannot_steer_the_terminal(text: str, shown: str) -> None:
    """Control characters and lone surrogates are made visible; the rest stays as it is."""
    assert printable(text) == shown


def test_markup_of_others_is_not_interpreted(capsys: pytest.CaptureFixture[str]) -> None:
    """Log lines and payloads may contain brackets and colons."""
    say("[red]x[/red] :smile:", (" [bold]", "red"))

    assert capsys.readouterr().out == "[red]x[/red] :smile: [bold]\n"


def test_lines_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    """One message is one line, however long."""
    say("word " * 100)

    assert len(capsys.readouterr().out.splitlines()) == 1


def test_tables_are_not_cut_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell is whole, on one line, and no line ends in blanks."""
    show_table("run", "text", rows=[("a" * 100, "b " * 100), ("x", "y")])

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert ("b " * 100).strip() in lines[1]
    assert all(line == line.rstrip() for line in lines)


def on_terminal(monkeypatch: pytest.MonkeyPatch, draw: Callable[[], None]) -> list[str]:
    """Return the lines that *draw* prints on a terminal of 60 columns, without escapes and blanks at their ends."""
    made = Terminal()
    monkeypatch.setattr(sys, "stdout", made)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    draw()
    text = re.sub(r"\x1b\[[0-9;]*m", "", made.getvalue())
    return [line.rstrip() for line in text.splitlines()]


def test_free_text_gives_way_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is folded, so that nothing is lost, and the other columns stay whole."""
    rows = [("a" * 31, "b" * 100)]

    lines = on_terminal(monkeypatch, lambda: show_table("run", "text", rows=rows, free=frozenset({"text"})))

    assert lines[1] == f"{'a' * 31}  {'b' * 27}"
    assert "".join(lines).count("b") == 100


def test_a_table_wraps_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A date may stand on two lines; no part of it is cut."""
    rows = [("a" * 45, "2026-01-02 03:04:05Z")]

    lines = on_terminal(monkeypatch, lambda: show_table("run", "created", rows=rows))

    assert lines[1:] == [
        f"{'a' * 45}  2026-01-02",
        f"{' ' * 47}03:04:05Z",
    ]


def test_a_table_without_room_is_printed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells follow one another, on further lines what has no room; every word stays whole."""
    rows = [("a" * 31, "w" * 40, "hook x"), ("b", "v", "")]

    lines = on_terminal(monkeypatch, lambda: show_table("run", "workflow", "waits for", rows=rows))

    assert lines == ["a" * 31, f"    {'w' * 40}  hook x", "b  v"]


def test_colours_need_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal gets them, a file does not."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file, terminal = io.StringIO(), Terminal()
    for stream in (file, terminal):
        console(stream).print("x", style="red")

    assert file.getvalue() == "x\n"
    assert "\x1b[31m" in terminal.getvalue()


def test_json_is_one_document_with_every_character(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters stay readable, and a lone surrogate, which UTF-8 lacks, survives as an escape."""
    document = {"name": "Zoë 漢", "half": "\ud83d", "control": "\x1b"}

    print_json(document)

    printed = capsys.readouterr().out
    assert json.loads(printed) == document
    assert "Zoë 漢" in printed
    printed.encode("utf-8")


def test_one_thing_is_not_many() -> None:
    """A count of one has no plural."""
    assert [counted(number, "workflow") for number in (0, 1, 2)] == ["0 workflows", "1 workflow", "2 workflows"]
