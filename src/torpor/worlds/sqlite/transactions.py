"""Transactions that a SQLite world begins itself, for steps; see :meth:`torpor.world.Transactions.transaction`."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

from torpor.calling_thread import to_its_end
from torpor.worlds.sqlite.beginning import begin_writing
from torpor.worlds.sqlite.faults import world_error
from torpor.worlds.sqlite.url import Settings

T = TypeVar("T")

_BEGINNING: Final = "beginning of a transaction"
_ENDING: Final = "end of a transaction"


class Transactions:
    """
    Transactions on connections of their own.

    Each takes the file for writing at its beginning: one that has read could not write any more once others have. So
    there is one at a time, and those of this process take turns instead of asking SQLite again and again.

    Args:
        settings: which file.
        url: of the world, for messages.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self._settings = settings
        self._url = url
        self._in_threads = threading.Lock()
        self._on_loop = asyncio.Lock()

    @contextmanager
    def in_thread(self) -> Iterator[sqlite3.Connection]:
        """Answer :meth:`torpor.world.Transactions.transaction_in_thread`."""
        with self._in_threads:
            db = self._connect()
            try:
                self._begin(db)
                yield db
                self._execute(db, "COMMIT", _ENDING)
            finally:
                db.close()  # what is not committed is undone

    @asynccontextmanager
    async def on_loop(self) -> AsyncIterator[sqlite3.Connection]:
        """Answer :meth:`torpor.world.Transactions.transaction`: what waits for others waits in a thread."""
        async with self._on_loop:
            db = self._connect()
            try:
                await to_its_end(lambda: self._begin(db), _BEGINNING)
                yield db
                await to_its_end(lambda: self._execute(db, "COMMIT", _ENDING), _ENDING)
            finally:
                db.close()

    def _connect(self) -> sqlite3.Connection:
        path = self._settings.path
        return self._told(
            lambda: sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False), _BEGINNING
        )

    def _begin(self, db: sqlite3.Connection) -> None:
        patience_ms = self._settings.busy_timeout_ms
        self._told(lambda: begin_writing(db, patience_ms / 1000), _BEGINNING)
        self._execute(db, f"PRAGMA busy_timeout = {patience_ms}", _BEGINNING)

    def _execute(self, db: sqlite3.Connection, statement: str, about: str) -> None:
        self._told(lambda: db.execute(statement), about)

    def _told(self, work: Callable[[], T], about: str) -> T:
        try:
            return work()
        except sqlite3.Error as error:
            raise world_error(error, self._url, about) from error
