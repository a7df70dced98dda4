"""
Hearing of what other processes have changed in a world with a server: by news, and beneath them by looking.

News say what kind of change it was, and never which: whoever hears them looks for himself. Those that are lost, with a
connection or a process, are made up for some seconds later: listeners are told to look when they have heard nothing for
so long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Final

from torpor.thread_start import starting_thread
from torpor.worlds.notices import ALL, heard
from torpor.worlds.notifier import Notifier
from torpor.worlds.presence import Presence

LOOK_MS: Final = 5_000
REST_SECONDS: Final = 0.005
"""How long news are kept back that follow others: who is told looks around, which is not for free."""

AGAIN_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.05
"""Before it listens anew; twice as long each time, up to the above."""


class Ear(ABC):
    """
    A thread with a connection of its own that listens, and tells listeners.

    Args:
        notifier: whom to tell.
        whose: what tells the news of this world, which are none here, from those of others.
        failures: what the driver raises when the connection is gone.
        presence: what its connection shows to others, for as long as it is there.
        look_ms: after how long without news listeners are told to look.
    """

    def __init__(
        self,
        notifier: Notifier,
        whose: str,
        failures: tuple[type[Exception], ...],
        presence: Presence,
        look_ms: int = LOOK_MS,
    ) -> None:
        self._notifier = notifier
        self._whose = whose
        self._presence = presence
        self._failures: tuple[type[Exception], ...] = (*failures, OSError)
        self._look_ms = look_ms
        self._look_at = 0.0
        self._closed = threading.Event()
        self._is_listening = threading.Event()
        self._thread = threading.Thread(target=self._main, name="Ear", daemon=True)

    @abstractmethod
    def _listen(self) -> AbstractContextManager[Any]:
        """Have a connection on which everything is heard that is told from now on."""

    @abstractmethod
    def _hear(self, source: Any) -> None:
        """Tell what is heard on a connection, and look, until the thread is to end or the connection is gone."""

    @abstractmethod
    def _wake(self) -> None:
        """Let the thread see that it is to end; on a thread that may wait."""

    async def open(self) -> None:
        """Listen; return once what happens from now on is heard, or once that has failed and is tried again."""
        with starting_thread("listening to the world"):
            self._thread.start()
        await asyncio.to_thread(self._is_listening.wait)

    async def close(self) -> None:
        """End the thread."""
        self._closed.set()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._wake()
        self._thread.join()

    def put_off(self) -> None:
        """Look some time from now: who has subscribed just now has just looked."""
        self._look_at = time.monotonic() + self._look_ms / 1000

    @property
    def _left_seconds(self) -> float:
        """How long it is until the next look."""
        return max(0.0, self._look_at - time.monotonic())

    def _pass_on(self, messages: Iterable[str]) -> bool:
        """Tell listeners of news, or to look when it is time for that; return whether there were any news."""
        news = heard(messages, self._whose)
        if news is not None or time.monotonic() >= self._look_at:
            self.put_off()
            self._notifier.notify(ALL if news is None else news)
        return news is not None

    def _main(self) -> None:
        self.put_off()
        has_failed, pause = False, _PAUSE_SECONDS
        while not self._closed.is_set():
            try:
                with self._listen() as source:
                    if has_failed:  # whatever was told meanwhile was told to nobody
                        self._notifier.notify(ALL)
                    has_failed, pause = False, _PAUSE_SECONDS
                    self._is_listening.set()
                    self._hear(source)
            except self._failures:
                has_failed = True
                self._presence.lose()
                self._is_listening.set()
                self._closed.wait(pause)
                pause = min(2 * pause, AGAIN_SECONDS)
