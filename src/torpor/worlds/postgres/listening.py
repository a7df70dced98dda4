"""
Telling other processes of what this one has changed, and hearing of what they have, by notifications; see
:mod:`torpor.worlds.ear`.

What is told goes in a transaction of its own, behind the one that made it true: transactions that notify are stored one
after the other, and would wait for the disk one after the other. Several changes within some milliseconds are told at
once.
"""

from __future__ import annotations

import os
import secrets
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg

from torpor.model import Notice
from torpor.worlds.ear import LOOK_MS, REST_SECONDS, Ear
from torpor.worlds.notices import kinds_of, news_of
from torpor.worlds.notifier import Notifier
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.times import LOCK_OF_PRESENCE, STARTED
from torpor.worlds.postgres.url import Settings
from torpor.worlds.postgres.wire import Wire, rows_of
from torpor.worlds.presence import Presence

CHANNEL: Final = "torpor"
TELL: Final = f"SELECT pg_notify('{CHANNEL}', %s)"
LOOK_DEAF_MS: Final = 1_000
"""After so long without news one looks where there are no notifications."""

_WAKINGS: Final = 64
_SHOW: Final = f"SELECT {STARTED}, pg_advisory_lock_shared({LOCK_OF_PRESENCE.format('%s')})"
"""Shared, so that a session of this process that the server does not know to be gone yet is not waited for."""


class PostgresEar(Ear):
    """
    One that tells others, too.

    Args:
        settings: where to.
        notifier: whom to tell.
        presence: shown by a lock that the connection holds.
    """

    def __init__(self, settings: Settings, notifier: Notifier, presence: Presence) -> None:
        look_ms = LOOK_MS if settings.listen else LOOK_DEAF_MS
        super().__init__(notifier, secrets.token_hex(8), (psycopg.Error,), presence, look_ms)
        self._settings = settings
        self._telling = threading.Lock()
        self._to_tell: set[str] = set()
        self._connection = Connection(settings, self._closed)
        self._listens_by: Wire | None = None
        self._wakes, self._waker = os.pipe()

    def _wake(self) -> None:
        with self._telling:
            os.write(self._waker, b"x")

    def _end(self) -> None:
        super()._end()
        with suppress(psycopg.Error, OSError):
            self._tell_others()
        self._connection.drop()
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

    @contextmanager
    def _listen(self) -> Iterator[Wire | None]:
        try:
            if self._settings.listen:
                self._connection.drop()
                self._listens_by = self._connection.wire
                _, shown = self._listens_by.send([(f"LISTEN {CHANNEL}", ()), (_SHOW, (self._presence.id,))])
                [(server, _)] = rows_of(shown)
                self._presence.show(server)
            yield self._listens_by
        except (psycopg.Error, OSError):
            self._connection.drop()
            raise

    def _hear(self, source: Wire | None) -> None:
        while not self._closed.is_set():
            sources = [self._wakes] if source is None else [self._wakes, source.fileno()]
            ready, _, _ = select.select(sources, [], [], self._left_seconds)
            if self._wakes in ready:
                os.read(self._wakes, _WAKINGS)
            has_told = self._tell_others()
            has_heard = self._pass_on(() if source is None else source.heard())
            if has_told or has_heard:
                self._closed.wait(REST_SECONDS)

    def _tell_others(self) -> bool:
        """Tell what is to be told; return whether there was anything."""
        with self._telling:
            kinds, self._to_tell = self._to_tell, set()
        if kinds:
            # Whether the one that listens was cut is not asked by whether something came on it: that is news.
            wire = self._listens_by or self._connection.wire
            wire.send([(TELL, (news_of(kinds, self._whose),))])
        return bool(kinds)
