"""How a command is told to stop: the first signal asks, the second one ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
PARENT_LOOK_SECONDS: Final = 1.0
LINGER_SECONDS: Final = 2.0

_process = threading.Event()
"""Set when this process does nothing but this command."""


class StopRequest:
    """Listens for the first SIGINT or SIGTERM from the moment that it is made; make it on the main thread."""

    def __init__(self, *, of_parent: bool = False) -> None:
        """
        Args:
            of_parent: a parent process does the stopping. The first SIGINT is left to it, since a terminal sends it
                there as well; a second SIGTERM changes nothing, since a group may send the one and the parent the
                other.
        """
        self._of_parent = of_parent
        self._asked = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waking = asyncio.Event()
        for number in SIGNALS:
            signal.signal(number, self._ask)
        if of_parent:
            # A handler and not SIG_IGN, which the programs that steps start would inherit.
            signal.signal(signal.SIGINT, _nothing)

    async def wait(self) -> None:
        """Return when the process was asked to stop."""
        self._loop = asyncio.get_running_loop()
        if not self._asked:
            await self._waking.wait()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if not self._of_parent:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._asked = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._waking.set)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""


async def wait_orphaned(parent: int) -> None:
    """Return when the process with this id is no longer our parent: it died without telling."""
    while os.getppid() == parent:  # noqa: ASYNC110  # no event tells it on every system
        await asyncio.sleep(PARENT_LOOK_SECONDS)


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
        timer.start()


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
