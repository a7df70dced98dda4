"""A world in a SQLite file within a transaction on a connection of the application's to the same file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from torpor.calling_thread import in_calling_thread
from torpor.clock import Clock
from torpor.errors import TransactionError
from torpor.model import Notice
from torpor.world import World
from torpor.worlds.connections import driver_connection
from torpor.worlds.requests import Conversation
from torpor.worlds.sqlite.answers import converse
from torpor.worlds.sqlite.faults import failure_of
from torpor.worlds.sqlite.file import DatabaseFile
from torpor.worlds.sqlite.store import Store
from torpor.worlds.tables import Tables
from torpor.worlds.within import WorldWithin

R = TypeVar("R")


class SqliteWithin(WorldWithin[Store, Clock]):
    """See :class:`torpor.worlds.within.WorldWithin`; it works in the thread that has the connection."""

    async def _carry_out(self, work: Callable[[], R], about: str) -> R:
        return await in_calling_thread(lambda: self._within_savepoint(work, about))

    def _within_savepoint(self, work: Callable[[], R], about: str) -> R:
        db = self._store.db
        try:
            with _as_ours(db):
                _begin(db)
                db.execute("SAVEPOINT torpor")
                try:
                    result = work()
                except BaseException:
                    self._store.forget()
                    if db.in_transaction:  # an error may have ended it
                        db.execute("ROLLBACK TO torpor")
                        db.execute("RELEASE torpor")
                    raise
                db.execute("RELEASE torpor")
                return result
        except Exception as error:
            failure = failure_of(error, self._url, about)
            if failure is not error:
                raise failure from error
            raise

    def _tell(self, notice: Notice) -> None:
        """Do nothing: writers see that the file was changed."""

    def _converse(self, store: Store, conversation: Conversation[R]) -> R:
        return converse(store, conversation)


async def within(outer: World, tables: Tables[Store, Clock], path: Path, given: object) -> World:
    """
    Answer :meth:`torpor.world.Transactions.within`.

    Args:
        outer: the world.
        tables: its modules.
        path: of its file.
        given: the connection, or what is around it.

    Raises:
        TransactionError: it is none to this file, another thread's, or nothing is open on it.
    """
    db = await driver_connection(given)
    if not isinstance(db, sqlite3.Connection):
        raise TransactionError(
            f"world {outer.url} takes a sqlite3.Connection, or what SQLAlchemy or Django have around one, not a "
            f"{type(db).__module__}.{type(db).__qualname__}"
        )
    try:
        await in_calling_thread(lambda: _check(db, path, outer.url))
    except sqlite3.ProgrammingError as error:
        raise TransactionError(
            f"world {outer.url} cannot use the connection in this thread: {error}; open it with "
            "check_same_thread=False, or call this from the thread that has opened it"
        ) from error
    return SqliteWithin(outer, tables, outer.clock, Store(db, outer.url, DatabaseFile(path)))


def _check(db: sqlite3.Connection, path: Path, url: str) -> None:
    with _as_ours(db):
        files = {name: file for _, name, file in db.execute("PRAGMA database_list").fetchall()}
    file = files["main"]
    if not file or not path.exists() or not path.samefile(file):
        told = f"the file {file}" if file else "no file"
        raise TransactionError(f"world {url} is in the file {path}, and the connection leads to {told}")
    if not db.in_transaction and db.isolation_level is None:
        raise TransactionError(f"no transaction is open on the connection to world {url}; BEGIN one first")


@contextmanager
def _as_ours(db: sqlite3.Connection) -> Iterator[None]:
    """Have rows and texts of a connection as a world reads them, for the time of the block."""
    theirs = db.row_factory, db.text_factory
    db.row_factory, db.text_factory = None, str
    try:
        yield
    finally:
        db.row_factory, db.text_factory = theirs


def _begin(db: sqlite3.Connection) -> None:
    """
    Begin the transaction that Python begins with the first change, so that it does not end with the savepoint. One that
    is open becomes one that writes, before it reads what others may change meanwhile.
    """
    db.execute("DELETE FROM blobs WHERE 0" if db.in_transaction else "BEGIN IMMEDIATE")
