"""
How a process of one command ends, when a step holds one of its threads.

It loads nothing: every command begins here.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Final

LINGER_SECONDS: Final = 2.0

_process = threading.Event()
"""Set when this process does nothing but this command."""


def own_process() -> None:
    """Note that this process does nothing but this command, so that the command may end it."""
    _process.set()


def leave_soon() -> None:
    """
    End the process within :data:`LINGER_SECONDS`, whatever its threads do.

    Python waits at its exit for every thread, and one that a ``def`` step holds cannot be stopped.
    """
    if _process.is_set():
        timer = threading.Timer(LINGER_SECONDS, _leave)
        timer.daemon = True
        try:
            timer.start()
        except RuntimeError:  # no thread can be started: then at once
            _leave()


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
