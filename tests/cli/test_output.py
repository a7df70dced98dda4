"""What is printed, and how."""

from __future__ import annotations

import io
import json
import sys

import pytest

from torpor.cli.output import console, counted, print_json, printable, say, show, table


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
    show(table("run", "text", rows=[("a" * 100, "b " * 100), ("x", "y")]))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert ("b " * 100).strip() in lines[1]
    assert all(line == line.rstrip() for line in lines)


def test_tables_fit_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first column stays whole and the others are folded, so that nothing is lost."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")

    show(table("run", "text", rows=[("a" * 31, "b" * 100)]))

    assert "a" * 31 in terminal.getvalue()
    assert terminal.getvalue().count("b") == 100
    assert "…" not in terminal.getvalue()


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
