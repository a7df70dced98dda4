"""
Counts the transactions that SQLite commits.

With ``synchronous=FULL`` each is one wait for the disk (checkpoints of the write-ahead log add a few), so on a real
disk this number decides. Counting costs time: it is done in a run of its own, never in one that is timed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock


class Commits:
    """How many there were since the count was last set to 0."""

    def __init__(self) -> None:
        self.count = 0

    def see(self, statement: str) -> None:
        """Take note of a statement."""
        if statement.lstrip().upper().startswith("COMMIT"):
            self.count += 1


@contextmanager
def counted() -> Iterator[Commits]:
    """Count the commits of all connections that are opened inside the block."""
    commits = Commits()
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        connection.set_trace_callback(commits.see)
        return connection

    with mock.patch.object(sqlite3, "connect", traced):
        yield commits
