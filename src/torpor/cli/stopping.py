"""How a command is told to stop: the first signal asks, the second one ends it at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """
    Listens for the first SIGINT or SIGTERM from the moment that it is made; make it on the main thread.

    Args:
        of_parent: a parent process does the stopping. SIGINT is left to it, since a terminal sends it there as well,
            and a second SIGTERM changes nothing, since a group may send it besides.

    Attributes:
        at_once: called by the second signal, before that ends this process.
    """

    def __init__(self, *, of_parent: bool = False) -> None:
        self.at_once: Callable[[], None] = lambda: None
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

    def ask(self) -> None:
        """Ask the process to stop; any thread may."""
        self._asked = True
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: it has stopped
                self._loop.call_soon_threadsafe(self._waking.set)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self._of_parent:
            for each in SIGNALS:
                signal.signal(each, self._end)
        self.ask()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.at_once()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Handle a signal by doing nothing."""
