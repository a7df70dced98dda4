"""
Hearing of what other processes have changed: by messages, and beneath them by looking.

A message is sent by the script that makes it true, in the same moment. It says what kind of change it was, and never
which: whoever hears it looks for itself. One that is lost, because nobody was connected, is made up for some seconds
later: listeners are told to look when they have heard nothing for so long.
"""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import suppress
from typing import Any, Final

import redis

from torpor.thread_start import starting_thread
from torpor.worlds.notices import ALL, heard
from torpor.worlds.notifier import Notifier
from torpor.worlds.redis.connection import client_of
from torpor.worlds.redis.url import Settings

LOOK_MS: Final = 5_000
_REST_SECONDS: Final = 0.005
"""How long news are kept back that follow others: who is told looks around, which is not for free."""

_AGAIN_SECONDS: Final = 1.0


class Ear:
    """
    A thread with a connection of its own that listens, and tells listeners.

    Args:
        settings: where to.
        channel: where news are told.
        whose: what tells the news of this world, which are none here, from those of others.
        notifier: whom to tell.
    """

    def __init__(self, settings: Settings, channel: bytes, whose: str, notifier: Notifier) -> None:
        self._settings = settings
        self._channel = channel
        self._farewell = channel + b":" + whose.encode()
        self._whose = whose
        self._notifier = notifier
        self._closed = threading.Event()
        self._listening = threading.Event()
        self._look_at = 0.0
        self._thread = threading.Thread(target=self._main, name="Ear", daemon=True)

    async def open(self) -> None:
        """Listen; return once what happens from now on is heard, or once that has failed and is tried again."""
        with starting_thread("listening to the world"):
            self._thread.start()
        await asyncio.to_thread(self._listening.wait)

    async def close(self) -> None:
        """End the thread."""
        self._closed.set()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        with suppress(redis.RedisError, OSError), client_of(self._settings) as client:
            client.publish(self._farewell, b"")
        self._thread.join()

    def put_off(self) -> None:
        """Look some time from now: who has subscribed just now has just looked."""
        self._look_at = time.monotonic() + LOOK_MS / 1000

    def _main(self) -> None:
        self.put_off()
        has_failed = False
        while not self._closed.is_set():
            try:
                with client_of(self._settings, socket_timeout=None) as client, client.pubsub() as listening:
                    listening.subscribe(self._channel, self._farewell)
                    while (message := listening.get_message(timeout=_AGAIN_SECONDS)) is None:
                        pass  # until the server has begun to tell
                    if has_failed:  # whatever was told meanwhile was told to nobody
                        self._notifier.notify(ALL)
                    has_failed = False
                    self._listening.set()
                    self._hear(listening, message)
            except (redis.RedisError, OSError):
                has_failed = True
                self._listening.set()
                self._closed.wait(_AGAIN_SECONDS)

    def _hear(self, listening: Any, message: Any) -> None:
        """Tell what is heard, and look, until the thread is to end or the connection is gone."""
        while not self._closed.is_set():
            messages: list[str] = []
            while message is not None:
                if message["type"] == "message" and message["channel"] == self._channel:
                    messages.append(message["data"].decode())
                message = listening.get_message(timeout=0)
            news = heard(messages, self._whose)
            if news is not None:
                self.put_off()
                self._notifier.notify(news)
                self._closed.wait(_REST_SECONDS)
            elif time.monotonic() >= self._look_at:
                self.put_off()
                self._notifier.notify(ALL)
            if not self._closed.is_set():
                message = listening.get_message(timeout=max(0.0, self._look_at - time.monotonic()))
