"""
Finds out which line of module scope reads the clock or draws entropy.

A program that does so cannot share its image between runs. The host notices clock and entropy itself, as calls of
WASI; it then loads the program a second time with a trace to learn the place: the counters are compared at each line.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from .entropy import random_state
from .finder import is_authors
from .imports import imports


class Trace:
    """
    A trace of the program's own lines.

    Attributes:
        place: ``file:line`` of the first impure line, None as long as there is none.
    """

    def __init__(self) -> None:
        self.place: str | None = None
        self._counters = _counters()
        self._line = "the standard library"

    def look(self) -> None:
        """Compare the counters with those before the line that ran last."""
        if self.place is None and _counters() != self._counters:
            self.place = self._line

    def __call__(self, frame: FrameType, event: str, _arg: Any) -> Trace | None:
        if self.place is not None or not is_authors(frame.f_code.co_filename):
            return None
        self.look()
        shown: FrameType | None = frame
        if event == "return":  # what is read next on the caller's line is the caller's
            shown = frame.f_back
            while shown is not None and not is_authors(shown.f_code.co_filename):
                shown = shown.f_back
        if shown is not None:
            self._line = f"{shown.f_code.co_filename}:{shown.f_lineno}"
        return self


def _counters() -> object:
    return imports.own, random_state()


@contextmanager
def traced() -> Iterator[Trace]:
    """Trace while the block runs."""
    trace = Trace()
    sys.settrace(trace)
    try:
        yield trace
    finally:
        sys.settrace(None)
        trace.look()
