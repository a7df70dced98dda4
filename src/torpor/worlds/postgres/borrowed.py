"""
Somebody else's connection to Postgres, of whichever driver, as a :class:`~.connection.Connection` of ours.

It is left as it is: nothing is prepared on it, and what one of psycopg's has is sent beside its cursors, by a wire of
ours. A connection of asyncpg is asked from a thread, and answered by its event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, TypeVar

import psycopg
from psycopg.pq import TransactionStatus

from torpor.calling_thread import in_calling_thread, is_waited_for, to_its_end
from torpor.errors import TransactionError
from torpor.worlds.postgres.connection import Connection
from torpor.worlds.postgres.parameters import read, stored
from torpor.worlds.postgres.statements import Row, Statement, Values, in_order, numbered
from torpor.worlds.postgres.wire import Wire, rows_of

R = TypeVar("R")

_WORKING: Final = "working in a transaction"
_ENCODINGS: Final = ("utf-8", "ascii")
_SAVEPOINT: Final[Statement] = ("SAVEPOINT torpor", ())


class Link(Protocol):
    """How statements get to a driver's connection."""

    def ask(self, statements: Iterable[Statement]) -> list[list[Row]]:
        """Send statements, and return what each of them finds; called by what :meth:`carry_out` does."""
        ...

    async def carry_out(self, work: Callable[[], R]) -> R:
        """Do *work* where it may wait for answers."""
        ...


class Borrowed(Connection):
    """
    A connection in the middle of a transaction of its owner's.

    Args:
        link: leads to it.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._put_off: list[Statement] = []

    @property
    def db(self) -> psycopg.Connection:
        raise AssertionError("a borrowed connection is its owner's")

    def is_lost(self, error: BaseException) -> bool:
        return False  # whoever owns it learns of that

    def ask(self, *asked: Statement) -> list[list[Row]]:
        before, self._put_off = self._put_off, []
        return self._link.ask([*before, *asked])[len(before) :]

    def ask_of_one_moment(self, *asked: Statement) -> list[list[Row]]:
        return self.ask(*asked)

    def store(self, statements: Iterable[Statement]) -> None:
        self.ask(*statements)

    def put_off(self, statements: Iterable[Statement]) -> None:
        self._put_off += statements

    def undo(self, statement: str) -> None:
        self._put_off = []
        self._link.ask([(statement, ())])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make a part of the transaction of what is done in the block, which is undone if it fails."""
        self._put_off = [_SAVEPOINT]
        try:
            yield
            if self._put_off != [_SAVEPOINT]:
                self.store([("RELEASE torpor", ())])
        except BaseException:
            if self._put_off[:1] != [_SAVEPOINT]:
                self.undo("ROLLBACK TO torpor")
            raise
        finally:
            self._put_off = []


def link_to(db: Any, url: str, wire: Wire | None = None) -> Link:
    """
    Return what leads to a connection, on which a transaction is open or begins with the first statement.

    Args:
        db: the driver's connection.
        url: of the world, for messages.
        wire: over it, if it is ours.

    Raises:
        TransactionError: it is none of a driver that is known, or there is no transaction to be part of.
    """
    if isinstance(db, psycopg.Connection | psycopg.AsyncConnection):
        status = db.info.transaction_status
        if status is TransactionStatus.INERROR:
            raise TransactionError(f"the transaction on the connection to world {url} has failed; roll it back")
        if status is TransactionStatus.IDLE and db.autocommit:
            raise _nothing_open(url)
        if db.pgconn.pipeline_status:
            raise TransactionError(f"the connection to world {url} is in pipeline mode; leave its pipeline first")
        if db.info.encoding not in _ENCODINGS:
            told = f"has client_encoding {db.info.encoding}"
            raise TransactionError(f"the connection to world {url} {told}; make it with client_encoding=utf-8")
        wire = wire or Wire(db, prepare=False)
        return _Psycopg(db, wire) if isinstance(db, psycopg.Connection) else _AsyncPsycopg(db, wire)
    if type(db).__module__.partition(".")[0] == "asyncpg":
        if not db.is_in_transaction():
            raise _nothing_open(url)
        return _Asyncpg(db)
    raise TransactionError(
        f"world {url} takes a connection of psycopg 3 or asyncpg, or what SQLAlchemy or Django have around one, not a "
        f"{type(db).__module__}.{type(db).__qualname__}"
    )


def _nothing_open(url: str) -> TransactionError:
    return TransactionError(f"no transaction is open on the connection to world {url}; begin one first")


class _Psycopg:
    def __init__(self, db: psycopg.Connection, wire: Wire) -> None:
        self._db = db
        self._wire = wire

    def ask(self, statements: Iterable[Statement]) -> list[list[Row]]:
        if self._db.info.transaction_status is TransactionStatus.IDLE:
            self._db.execute("SELECT")  # which begins it as its owner wants it
        return [rows_of(result) for result in self._wire.send(statements)]

    async def carry_out(self, work: Callable[[], R]) -> R:
        return await (in_calling_thread(work) if is_waited_for() else to_its_end(work, _WORKING))


class _AsyncPsycopg:
    """The driver asks the server on its event loop; what we send is answered at once, and goes from a thread."""

    def __init__(self, db: psycopg.AsyncConnection, wire: Wire) -> None:
        self._db = db
        self._wire = wire

    def ask(self, statements: Iterable[Statement]) -> list[list[Row]]:
        return [rows_of(result) for result in self._wire.send(statements)]

    async def carry_out(self, work: Callable[[], R]) -> R:
        if self._db.info.transaction_status is TransactionStatus.IDLE:
            await self._db.execute("SELECT")  # as above
        return await to_its_end(work, _WORKING)


class _Asyncpg:
    def __init__(self, db: Any) -> None:
        self._db = db
        self._loop = asyncio.get_running_loop()

    def ask(self, statements: Iterable[Statement]) -> list[list[Row]]:
        return asyncio.run_coroutine_threadsafe(self._ask([*statements]), self._loop).result()

    async def carry_out(self, work: Callable[[], R]) -> R:
        return await to_its_end(work, _WORKING)

    async def _ask(self, statements: Sequence[Statement]) -> list[list[Row]]:
        try:
            return [await self._found(*each) for each in statements]
        except Exception as error:
            code = getattr(error, "sqlstate", None)
            if code is None:
                raise
            raise _as_psycopg(error, code) from error

    async def _found(self, query: str, values: Values) -> list[Row]:
        text, names = numbered(query)
        rows = await self._db.fetch(text, *map(_sent, in_order(values, names)))
        return [tuple(read(value) if isinstance(value, str) else value for value in row.values()) for row in rows]


def _sent(value: Any) -> Any:
    if isinstance(value, str):
        return stored(value)
    if isinstance(value, list):
        return [_sent(each) for each in value]
    return value


def _as_psycopg(error: Exception, code: str) -> psycopg.Error:
    """Return an error of the server as our own driver would raise it."""
    try:
        kind: type[psycopg.Error] = psycopg.errors.lookup(code)
    except KeyError:
        kind = psycopg.DatabaseError
    made = kind(str(error))
    made.constraint = getattr(error, "constraint_name", None)  # type: ignore[attr-defined]  # see faults.constraint_of
    return made
