"""
How what a connection writes comes to the disk: with its commit, unless a failure of power may undo it.

Some of what a worker writes says only what it does, such as which turns it has taken: a failure of power ends the
worker, too, and whatever follows from that is stored by later commits. These go to the disk in their order, so none of
them is there without what was before it. Such a commit waits for nothing; the next one takes it along.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
        (level,) = self._db.execute("PRAGMA synchronous").fetchone()
        if level == _FULL:
            with suppress(OSError):  # then all of them wait
                # SQLite has no locks on it, so opening it takes none away.
                self._log = os.open(store.file.path.with_name(f"{store.file.path.name}-wal"), os.O_RDWR)

    def close(self) -> None:
        """Let go of the log, before the connection is closed."""
        if self._log is not None:
            os.close(self._log)

    @contextmanager
    def transaction(self, *, lasts: bool) -> Iterator[bool]:
        """
        Let the commit in the block wait for the disk if what it commits lasts; gives whether others' may join it.

        A transaction that is open at the end of the block is rolled back.
        """
        if lasts or self._log is None:
            yield True
            return
        # It takes effect when it is compiled, so statements that are kept compiled will not do.
        self._db.executescript("PRAGMA synchronous = NORMAL")
        try:
            yield False
        finally:
            if self._db.in_transaction:  # within which it cannot be set
                self._db.execute("ROLLBACK")
            self._db.executescript("PRAGMA synchronous = FULL")

    def synchronize(self) -> None:
        """Wait until what was committed is on the disk."""
        if self._log is not None:
            with suppress(OSError):  # a commit that waits meets the same, and says so
                getattr(os, "fdatasync", os.fsync)(self._log)
