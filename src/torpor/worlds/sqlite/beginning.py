"""
Beginning a transaction that writes: there is one at a time in a file, and processes take turns.

SQLite's own way of waiting looks after 1, 2, 5, 10 … 100 ms whether the other one is over, and most take one or two. So
who waits sleeps while the file is free, and somebody else takes it meanwhile. Here one looks more often (0090).
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_TRY_SECONDS: Final = (0.0002, 0.005)
"""At least and at most how long to wait before the next try."""

_TRIES: Final = 8
"""The next try comes after this part of the time that was waited before: the longer, the less a while more matters."""


def begin_writing(db: sqlite3.Connection, patience_seconds: float) -> None:
    """
    Begin a transaction, once nobody else is within one.

    Args:
        db: a connection without a busy timeout of its own.
        patience_seconds: how long to wait for others.

    Raises:
        sqlite3.Error: that took longer, or SQLite failed.
    """
    since = time.monotonic()
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            waited = time.monotonic() - since
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or waited > patience_seconds:
                raise
        else:
            return
        least, most = _TRY_SECONDS
        time.sleep(min(max(waited / _TRIES, least), most))


def take_patience(db: sqlite3.Connection) -> float:
    """Take a connection's busy timeout from it and return it, in seconds, for :func:`begin_writing`."""
    (patience_ms,) = db.execute("PRAGMA busy_timeout").fetchone()
    db.execute("PRAGMA busy_timeout = 0")
    return float(patience_ms) / 1000
