"""
How what a connection writes comes to the disk: with its commit, unless a failure of power may undo it.

Some of what a worker writes says only what it does, such as which turns it has taken: a failure of power ends the
worker, too, and whatever follows from that is stored by later commits. These go to the disk in their order, so none of
them is there without what was before it. Such a commit waits for nothing; the next one takes it along.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Final

from torpor.worlds.sqlite.store import Store

_FULL: Final = 2


class Committing:
    """
    Has the transactions of a connection wait for the disk, or not.

    Args:
        store: its connection, which has read from the file.
    """

    def __init__(self, store: Store) -> None:
        self._db = store.db
        self._log: int | None = None
        self._waits = True  # for the disk
        (level,) = self._db.execute("PRAGMA synchronous").fetchone()
        if level == _FULL:
            with suppress(OSError):  # then all of them wait
                # SQLite has no locks on it, so opening it takes none away.
                self._log = os.open(store.file.path.with_name(f"{store.file.path.name}-wal"), os.O_RDWR)

    def close(self) -> None:
        """Let go of the log, before the connection is closed."""
        if self._log is not None:
            os.close(self._log)

    def prepare(self, *, lasts: bool) -> bool:
        """
        Have the transactions that begin from now on wait for the disk, if what they commit lasts; return whether those
        of others may join.

        A transaction that is open, which could not be rolled back before, is rolled back.

        Raises:
            sqlite3.Error: it still cannot be.
        """
        if self._log is None:
            return True
        if lasts != self._waits:
            if self._db.in_transaction:  # within which it cannot be set
                self._db.execute("ROLLBACK")
            # It takes effect when it is compiled, so statements that are kept compiled will not do.
            self._db.executescript(f"PRAGMA synchronous = {'FULL' if lasts else 'NORMAL'}")
            self._waits = lasts
        return lasts

    def synchronize(self) -> None:
        """Wait until what was committed is on the disk."""
        if self._log is not None:
            with suppress(OSError):  # a commit that waits meets the same, and says so
                getattr(os, "fdatasync", os.fsync)(self._log)
