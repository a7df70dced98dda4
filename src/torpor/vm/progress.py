"""Tells the user about what takes long: what it is, and that it still goes on."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SLOW_SECONDS = 1.0
"""What takes longer than this is told to the user."""

REPEAT_SECONDS = 15.0
"""Without a terminal, how often it is said that something still goes on."""

Progress = Callable[[str], None]
"""Takes one line about something that takes long."""


def say_on_stderr(line: str) -> None:
    """Tell the user."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


@contextmanager
def telling(what: str, progress: Progress = say_on_stderr) -> Iterator[None]:
    """
    Tell the user what goes on inside the block, if it takes longer than a second.

    A terminal shows a line with the time that has passed, which vanishes in the end; elsewhere there are plain lines.

    Args:
        what: such as ``compiling cpython``.
        progress: takes the lines.
    """
    ended = threading.Event()
    live = progress is say_on_stderr and sys.stderr.isatty()
    teller = threading.Thread(target=_tell, args=(what, progress, ended, live), name="torpor-progress", daemon=True)
    began = time.monotonic()
    with suppress(RuntimeError):  # no thread can be started: then nobody is told
        teller.start()
    try:
        yield
    finally:
        ended.set()
        if teller.ident is not None:
            teller.join()
    took = time.monotonic() - began
    if took >= REPEAT_SECONDS:
        progress(f"torpor: {what}: done in {took:.0f} s")


def _tell(what: str, progress: Progress, ended: threading.Event, live: bool) -> None:
    if ended.wait(SLOW_SECONDS):
        return
    if live:
        _show(what, ended)
        return
    progress(f"torpor: {what} …")
    passed = 0.0
    while not ended.wait(REPEAT_SECONDS):
        passed += REPEAT_SECONDS
        progress(f"torpor: {what} … {passed:.0f} s")


def _show(what: str, ended: threading.Event) -> None:
    """Keep a line on the terminal until the end."""
    from rich.console import Console  # noqa: PLC0415  # a slow import that hardly any process needs
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415  # as above

    columns = SpinnerColumn(), TextColumn("torpor: {task.description}", markup=False), TimeElapsedColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        bar.add_task(what, total=None)
        ended.wait()
