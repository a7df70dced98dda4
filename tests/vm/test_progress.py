"""What takes long is told."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from torpor.vm import progress
from torpor.vm.progress import say_on_stderr, telling


class Lines(list[str]):
    """Lines that were told; ``enough`` is set when there are as many as wanted."""

    def __init__(self, wanted: int) -> None:
        super().__init__()
        self.wanted, self.enough = wanted, threading.Event()

    def __call__(self, line: str) -> None:
        self.append(line)
        if len(self) >= self.wanted:
            self.enough.set()


def test_what_is_quick_is_not_told() -> None:
    """
    Nothing is said about what ends at once.
    """
    lines = Lines(1)
    with telling("compiling m", lines):
        pass

    assert lines == []


def test_what_takes_long_is_told_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    There is a line at the beginning, further ones with the time, and one at the end.
    """
    monkeypatch.setattr(progress, "SLOW_SECONDS", 0.0)
    monkeypatch.setattr(progress, "REPEAT_SECONDS", 0.01)
    lines = Lines(3)
    with telling("compiling m", lines):
        assert lines.enough.wait(10)

    assert lines[0] == "torpor: compiling m …"
    assert all(line.startswith("torpor: compiling m … ") for line in lines[1:-1])
    assert lines[-1].startswith("torpor: compiling m: done in")


class Terminal(io.StringIO):
    """A terminal; ``shown`` is set when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.shown = threading.Event()

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if "compiling m" in text:
            self.shown.set()
        return super().write(text)


def test_a_terminal_shows_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A line with the time that has passed stands there as long as it takes.
    """
    monkeypatch.setattr(progress, "SLOW_SECONDS", 0.0)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with telling("compiling m", say_on_stderr):
        assert terminal.shown.wait(10)

    assert "0:00:0" in terminal.getvalue()


def test_an_error_inside_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What is raised is raised, and the telling ends.
    """
    monkeypatch.setattr(progress, "SLOW_SECONDS", 0.0)

    with pytest.raises(ZeroDivisionError), telling("compiling m", Lines(1)):
        raise ZeroDivisionError

    assert "torpor-progress" not in [thread.name for thread in threading.enumerate()]
