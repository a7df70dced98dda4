"""
A connection: statements in one round trip, transactions, and what became of one whose answer was lost.

What is sent together is one pipeline. Outside a transaction a pipeline is one: all of it is stored or nothing. A
transaction begins with the first pipeline inside it, so that it costs no round trip of its own.

Who loses the connection before the answer to a COMMIT does not know whether it is stored, and the server does: it is
asked by the transaction's id (``pg_xact_status``) over a new connection. A server that has crashed, or a standby that
has taken over, may have given the id to another transaction since: then what the transaction changed is looked at
instead (:meth:`Connection.prove`).
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult

from torpor.worlds.postgres.faults import is_lost, is_passing
from torpor.worlds.postgres.statements import Row, Statement
from torpor.worlds.postgres.url import Settings
from torpor.worlds.postgres.wire import Wire, rows_of

_CONNECT_SECONDS: Final = 10
_LOOK_SECONDS: Final = 1.0
"""A connection that was used so lately is taken to be there."""

_OPTIONS: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "torpor",
    "client_encoding": "utf-8",
}
_KNOWN_SECONDS: Final = 0.05
_LOOKS_MAX: Final = 5
_MOMENT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_PATIENCE_SECONDS: Final = 20.0
"""For so long one waits for a server that restarts."""

_PAUSES_SECONDS: Final = (0.05, 1.0)
_BEGINNING: Final[tuple[Statement, ...]] = (("BEGIN", ()), ("SELECT pg_current_xact_id()::text", ()))
_SERVER: Final = (
    "SELECT pg_postmaster_start_time()::text, "
    "CASE WHEN pg_is_in_recovery() THEN '' ELSE left(pg_walfile_name(pg_current_wal_lsn()), 8) END"
)
"""Tells servers, and what became of one after a restart or a failover, apart: ids of transactions are one's own."""

_STATUS: Final = "SELECT pg_xact_status(%s::xid8)"


class LostError(Exception):
    """The connection went before the answer to what ended a transaction: nobody knows yet whether it is stored."""


class UndoneError(Exception):
    """The connection went before a transaction was committed: nothing is stored, and it may be carried out again."""


class Connection:
    """
    One connection, used by one thread at a time; it is made when it is first needed, and again when it was lost.

    Args:
        settings: where to.
        given_up: is set once nobody waits any more for a server that is not there.
    """

    def __init__(self, settings: Settings, given_up: threading.Event | None = None) -> None:
        self._settings = settings
        self._given_up = given_up or threading.Event()
        self._db: psycopg.Connection | None = None
        self._used_at = 0.0
        self._is_inside = False  # of transaction()
        self._has_begun = False
        self._xid = ""
        self._put_off: list[Statement] = []
        self._server: Row = ()
        self._proof: Callable[[], bool] | None = None

    @property
    def db(self) -> psycopg.Connection:
        """
        The driver's connection.

        Raises:
            psycopg.Error: there is none, and none can be made.
        """
        if self._db is None:
            self._db = self._connect_patiently()
        elif not self._has_begun and time.monotonic() > self._used_at + _LOOK_SECONDS and was_cut(self._db):
            self.drop()
            self._db = self._connect_patiently()
        return self._db

    @property
    def wire(self) -> Wire:
        """
        The way of statements over the driver's connection, outside transactions.

        Raises:
            psycopg.Error: as :attr:`db`.
        """
        assert self.db is not None, "it makes one"
        return self._wire

    def try_to_connect(self) -> None:
        """
        Connect, and do not wait for a server that is not there.

        Raises:
            psycopg.Error: there is none, or it refuses.
        """
        if self._db is None:
            self._db = self._connect()

    def is_lost(self, error: BaseException) -> bool:
        """Return whether an error means that the connection is gone."""
        return is_lost(error, self._db)

    def _db_is_gone(self) -> bool:
        return self._db is None or self._db.closed or self._db.broken

    def drop(self) -> None:
        """Let go of the connection; the next statement makes a new one."""
        if self._db is not None:
            with suppress(psycopg.Error, OSError):
                self._db.close()
        self._db = None
        self._has_begun = False

    def reset(self) -> None:
        """Be ready for another operation, whatever became of the last one."""
        db = self._db
        if db is not None and (db.closed or db.broken or not _is_idle(db)):
            self.drop()
        self._has_begun = False

    # Statements

    def rows(self, query: str, *values: object) -> list[Row]:
        """Return all that a query finds."""
        [found] = self.ask((query, values))
        return found

    def row(self, query: str, *values: object) -> Row | None:
        """Return the first row that a query finds."""
        found = self.rows(query, *values)
        return found[0] if found else None

    def ask(self, *asked: Statement) -> list[list[Row]]:
        """Send statements together, and return what each of them finds, in one round trip."""
        return [rows_of(result) for result in self._send(asked)]

    def ask_of_one_moment(self, *asked: Statement) -> list[list[Row]]:
        """Do as :meth:`ask`, outside a transaction, so that all answers are of one moment."""
        assert not self._is_inside, "a transaction that writes sees what others have committed meanwhile"
        _, *found, _ = self.ask((_MOMENT, ()), *asked, ("COMMIT", ()))
        return found

    def store(self, statements: Iterable[Statement]) -> None:
        """
        Send statements together whose results nobody wants, in one round trip.

        Raises:
            LostError: the connection went, outside a transaction, and they may be stored or not.
        """
        try:
            self._send(statements)
        except psycopg.Error as error:
            if not self._is_inside and self.is_lost(error):
                raise LostError from error
            raise

    def put_off(self, statements: Iterable[Statement]) -> None:
        """
        Send statements with what is asked or stored next, or with the COMMIT: inside a transaction only.

        Whatever is wrong with them undoes the transaction, so they are such that nothing can be.
        """
        assert self._is_inside, "a transaction says when they are sent at the latest"
        self._put_off += statements

    def _send(self, statements: Iterable[Statement]) -> list[PGresult]:
        """Send statements behind those that were put off, and a transaction's beginning before its first."""
        db = self.db
        put_off, self._put_off = self._put_off, []
        begins = self._is_inside and not self._has_begun
        self._has_begun = self._is_inside
        beginning = _BEGINNING if begins else ()
        try:
            results = self._wire.send([*beginning, *put_off, *statements])
        except psycopg.Error:
            if not self._is_inside and not self._db_is_gone() and not _is_idle(db):
                self.undo("ROLLBACK")
            raise
        self._used_at = time.monotonic()
        if begins:
            [(self._xid,)] = rows_of(results[1])
        return results[len(beginning) + len(put_off) :]

    # Transactions

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """
        Make one transaction of the statements in the block; an error in it undoes them.

        Raises:
            psycopg.Error: nothing is stored.
        """
        assert not self._is_inside, "a transaction has none inside"
        self._is_inside, self._has_begun, self._xid = True, False, ""
        self._put_off, self._proof = [], None
        try:
            yield
            if self._put_off and not self._has_begun:
                self._send(())  # so that its id is known before it ends
            if self._has_begun:
                self._commit()
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._is_inside = self._has_begun = False
            self._put_off = []

    def prove(self, proof: Callable[[], bool]) -> None:
        """Have *proof* say whether the transaction is stored, should nobody else know; of several the last counts."""
        self._proof = proof

    def _commit(self) -> None:
        try:
            self._send([("COMMIT", ())])
        except psycopg.Error as error:
            if not self.is_lost(error):
                raise
            if not self._is_stored(error):
                raise UndoneError from error

    def _is_stored(self, lost: psycopg.Error) -> bool:
        """Ask over a new connection whether the transaction was committed whose connection is gone."""
        server, xid, proof = self._server, self._xid, self._proof
        self._is_inside = False
        for _ in range(_LOOKS_MAX):
            self.drop()
            try:
                is_the_same = self.db is not None and self._server == server
                if is_the_same and xid:
                    return self._is_committed(xid)
                if proof is not None:
                    return proof()
            except psycopg.Error as error:  # the server may just be ending all sessions, one after the other
                if not self.is_lost(error):
                    break
        raise LostError from lost

    def _is_committed(self, xid: str) -> bool:
        while (status := self.rows(_STATUS, xid)[0][0]) == "in progress":
            self._given_up.wait(_KNOWN_SECONDS)  # the server has not noticed yet that nobody is there
        return bool(status == "committed")

    def _roll_back(self) -> None:
        if self._has_begun and self._db is not None and not self._db_is_gone():
            try:
                self.undo("ROLLBACK")
            except psycopg.Error:
                self.drop()

    def undo(self, statement: str) -> None:
        """Carry a statement out that undoes what failed."""
        self._wire.send([(statement, ())])

    def _connect_patiently(self) -> psycopg.Connection:
        until = time.monotonic() + _PATIENCE_SECONDS
        pause, longest = _PAUSES_SECONDS
        while True:
            try:
                return self._connect()
            except psycopg.Error as error:
                if not is_passing(error) or time.monotonic() > until or self._given_up.wait(pause):
                    raise
                pause = min(2 * pause, longest)

    def _connect(self) -> psycopg.Connection:
        try:
            db = psycopg.connect(
                self._settings.server,
                autocommit=True,
                connect_timeout=_CONNECT_SECONDS,
                prepare_threshold=None,  # a wire has names of its own
                **_OPTIONS,  # type: ignore[arg-type]  # libpq's
            )
        except OSError as error:  # the driver waits by means of the system's, which may have no descriptor left
            raise psycopg.OperationalError(f"this process could not connect: {error}") from error
        self._wire = Wire(db, prepare=self._settings.prepare)
        [server] = self._wire.send([(_SERVER, ())])
        [self._server] = rows_of(server)
        return db


def _is_idle(db: psycopg.Connection) -> bool:
    return db.info.transaction_status is TransactionStatus.IDLE


def was_cut(db: psycopg.Connection | psycopg.AsyncConnection) -> bool:
    """Return whether something came on a connection that nobody asked anything: its end, or why it ends."""
    if db.closed or db.broken:
        return True
    try:
        readable, _, _ = select.select([db.fileno()], [], [], 0)
    except (OSError, ValueError, psycopg.Error):
        return True
    return bool(readable)
