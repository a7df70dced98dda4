"""
Telling other processes of what this one has changed, and hearing of what they have: by notifications, and beneath them
by looking.

A notification says what kind of change it was, and never which: whoever hears it looks for itself. One that is lost,
with a connection or a process that dies between its commit and its notification, is made up for some seconds later:
listeners are told to look when they have heard nothing for so long.

What is told goes in a transaction of its own, behind the one that made it true: transactions that notify are stored one
after the other, and would wait for the disk one after the other. Several changes within some milliseconds are told at
once.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import select
import threading
import time
from contextlib import suppress
from typing import Final

import psycopg

from torpor.model import Notice
from torpor.thread_start import starting_thread
from torpor.worlds.notices import ALL, heard, kinds_of, news_of
from torpor.worlds.notifier import Notifier
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.url import Settings
from torpor.worlds.postgres.wire import Wire

CHANNEL: Final = "torpor"
TELL: Final = f"SELECT pg_notify('{CHANNEL}', %s)"
LOOK_MS: Final = 5_000
LOOK_DEAF_MS: Final = 1_000
"""The same where there are no notifications."""

_REST_SECONDS: Final = 0.005
"""How long news are kept back that follow others, heard or told: who is told looks around, which is not for free."""

_AGAIN_SECONDS: Final = 1.0
_WAKINGS: Final = 64


class Ear:
    """
    A thread with a connection of its own that listens, tells listeners, and tells others.

    Args:
        settings: where to.
        notifier: whom to tell.
    """

    def __init__(self, settings: Settings, notifier: Notifier) -> None:
        self._settings = settings
        self._notifier = notifier
        self._origin = secrets.token_hex(8)  # of notifications that are not news here
        self._telling = threading.Lock()
        self._to_tell: set[str] = set()
        self._closed = threading.Event()
        self._connection = Connection(settings, self._closed)
        self._listens_by: Wire | None = None
        self._look_ms = LOOK_MS if settings.listen else LOOK_DEAF_MS
        self._look_at = 0.0
        self._wakes, self._waker = os.pipe()
        self._thread = threading.Thread(target=self._main, name="Ear", daemon=True)
        self._listening = threading.Event()

    async def open(self) -> None:
        """Listen; return once what happens from now on is heard, or once that has failed and is tried again."""
        with starting_thread("listening to the world"):
            self._thread.start()
        await asyncio.to_thread(self._listening.wait)

    async def close(self) -> None:
        """End the thread."""
        with self._telling:
            self._closed.set()
            os.write(self._waker, b"x")
        await asyncio.to_thread(self._thread.join)
        os.close(self._wakes)
        os.close(self._waker)

    def tell(self, notice: Notice) -> None:
        """Tell other processes what has changed, soon; on any thread."""
        kinds = kinds_of(notice)
        if kinds <= self._to_tell:
            return
        with self._telling:
            is_first = not self._to_tell
            self._to_tell |= kinds
            if is_first and not self._closed.is_set():
                os.write(self._waker, b"x")

    def put_off(self) -> None:
        """Look some time from now: who has subscribed just now has just looked."""
        self._look_at = time.monotonic() + self._look_ms / 1000

    def _main(self) -> None:
        self.put_off()
        has_failed = False
        while not self._closed.is_set():
            try:
                self._listen()
                if has_failed:  # whatever was told meanwhile was told to nobody
                    self._notifier.notify(ALL)
                has_failed = False
                self._listening.set()
                self._hear()
            except (psycopg.Error, OSError):
                has_failed = True
                self._connection.drop()
                self._listening.set()
                self._closed.wait(_AGAIN_SECONDS)
        with suppress(psycopg.Error, OSError):
            self._tell_others()
        self._connection.drop()

    def _listen(self) -> None:
        if self._settings.listen:
            self._connection.drop()
            self._listens_by = self._connection.wire
            self._listens_by.send([(f"LISTEN {CHANNEL}", ())])

    def _hear(self) -> None:
        """Tell what is heard, and look, until the thread is to end or the connection is gone."""
        wire = self._listens_by
        while not self._closed.is_set():
            sources = [self._wakes] if wire is None else [self._wakes, wire.fileno()]
            ready, _, _ = select.select(sources, [], [], max(0.0, self._look_at - time.monotonic()))
            if self._wakes in ready:
                os.read(self._wakes, _WAKINGS)
            has_told = self._tell_others()
            news = None if wire is None else heard(wire.heard(), self._origin)
            if news is not None:
                self.put_off()
                self._notifier.notify(news)
            elif time.monotonic() >= self._look_at:
                self.put_off()
                self._notifier.notify(ALL)
            if has_told or news is not None:
                self._closed.wait(_REST_SECONDS)

    def _tell_others(self) -> bool:
        """Tell what is to be told; return whether there was anything."""
        with self._telling:
            kinds, self._to_tell = self._to_tell, set()
        if kinds:
            # Whether the one that listens was cut is not asked by whether something came on it: that is news.
            wire = self._listens_by or self._connection.wire
            wire.send([(TELL, (news_of(kinds, self._origin),))])
        return bool(kinds)
