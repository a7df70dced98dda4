"""
Statements sent together over a driver's connection, in one round trip: a pipeline of libpq.

The driver's own cursors would turn each value and each row over in Python some times more, which is two thirds of what
a commit costs the client (ADR 0091). What fails is told as the driver tells it.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Iterable
from typing import Final

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult

from torpor.worlds.postgres.parameters import Encode, decoder_of, kind_of, types_of
from torpor.worlds.postgres.statements import Row, Statement, Values, in_order, numbered

_SHAPES_MAX: Final = 500
_GONE: Final = "the connection was lost"


class _Shape:
    """
    A statement with values of certain types.

    Args:
        query: with numbered placeholders.
        types: of its values.
        name: to prepare it by.

    Attributes:
        is_new: it has not been sent yet.
        is_prepared: the server knows it by its name, or will once it gets there.
    """

    def __init__(self, query: str, types: tuple[object, ...], name: bytes) -> None:
        kinds = [kind_of(each) for each in types]
        self.query = query.encode()
        self.numbers = [number for number, _, _ in kinds]
        self.formats = [form for _, form, _ in kinds]
        self.encoders: list[Encode] = [encode for _, _, encode in kinds]
        self.name = name
        self.is_new = True
        self.is_prepared = False


class Wire:
    """
    The way of statements over one connection, used by one thread at a time.

    Args:
        db: the driver's connection, in autocommit mode; between two calls of :meth:`send` it may be used as usual.
        prepare: a statement is prepared when it comes a second time.
    """

    def __init__(self, db: psycopg.Connection | psycopg.AsyncConnection, *, prepare: bool) -> None:
        self._pg = db.pgconn
        self._prepare = prepare
        self._shapes: dict[tuple[str, tuple[object, ...]], _Shape] = {}
        self._named = itertools.count()
        self._poll = select.poll()
        self._poll.register(self._pg.socket, select.POLLIN)

    def send(self, statements: Iterable[Statement]) -> list[PGresult]:
        """
        Send statements, and return the result of each. Outside a transaction they are one.

        Raises:
            psycopg.Error: one of them failed, and none behind it was carried out; or the connection is gone.
        """
        pg = self._pg
        if pg.status != ConnStatus.OK:
            raise psycopg.OperationalError(_GONE)
        self._forget()
        parcels = [self._parcel(*each) for each in statements]
        pg.enter_pipeline_mode()
        prepares = [self._send(*each) for each in parcels]
        pg.pipeline_sync()
        results: list[PGresult] = []
        try:
            self._receive(results)
        except psycopg.OperationalError:
            _check(results)  # it may have said why it ends the session
            raise
        pg.exit_pipeline_mode()
        return _own(results, [shape for pair in prepares for shape in pair])

    def fileno(self) -> int:
        """Return the descriptor on which something comes when there are notifications, or the connection is gone."""
        return self._pg.socket

    def heard(self) -> list[str]:
        """
        Return what notifications that have come since say, without waiting for any.

        Raises:
            psycopg.OperationalError: the connection is gone.
        """
        self._pg.consume_input()
        found = []
        while (notification := self._pg.notifies()) is not None:
            found.append(notification.extra.decode())
        return found

    def _forget(self) -> None:
        """Let the server forget what it has prepared, once that is too much."""
        if len(self._shapes) > _SHAPES_MAX and self._pg.transaction_status != TransactionStatus.INERROR:
            prepared = [b"DEALLOCATE " + shape.name for shape in self._shapes.values() if shape.is_prepared]
            self._shapes.clear()
            self._pg.exec_(b"; ".join(prepared))

    def _parcel(self, query: str, values: Values) -> tuple[_Shape, list[bytes | None]]:
        text, names = numbered(query)
        given = in_order(values, names)
        types = types_of(given)
        shape = self._shapes.get((text, types))
        if shape is None:
            shape = self._shapes[text, types] = _Shape(text, types, b"torpor_%d" % next(self._named))
        return shape, [encode(value) for encode, value in zip(shape.encoders, given, strict=True)]

    def _send(self, shape: _Shape, parameters: list[bytes | None]) -> tuple[_Shape | None, ...]:
        """Send a statement; return for each result what it says to be prepared, None of the statement's own."""
        pg = self._pg
        if not self._prepare or shape.is_new:
            shape.is_new = False
            pg.send_query_params(shape.query, parameters, shape.numbers, shape.formats, Format.BINARY)
            return (None,)
        is_prepared, shape.is_prepared = shape.is_prepared, True
        if not is_prepared:
            pg.send_prepare(shape.name, shape.query, shape.numbers)
        pg.send_query_prepared(shape.name, parameters, shape.formats, Format.BINARY)
        return (None,) if is_prepared else (shape, None)

    def _receive(self, results: list[PGresult]) -> None:
        """
        Wait for all results.

        Raises:
            psycopg.OperationalError: the connection is gone; those that came before are there.
        """
        pg = self._pg
        self._flush()
        is_between = False
        while True:
            while pg.is_busy():
                self._poll.poll()
                pg.consume_input()
            result = pg.get_result()
            if result is None:  # stands behind each result, and in the place of those that will not come
                if is_between:
                    raise psycopg.OperationalError(_GONE)
                is_between = True
                continue
            is_between = False
            if result.status == ExecStatus.PIPELINE_SYNC:
                return
            results.append(result)

    def _flush(self) -> None:
        """Send what has not gone yet; a server that waits for somebody to take its results is not waited for."""
        pg = self._pg
        while pg.flush():
            self._poll.modify(pg.socket, select.POLLIN | select.POLLOUT)
            ready = self._poll.poll()
            self._poll.modify(pg.socket, select.POLLIN)
            if ready[0][1] & ~select.POLLOUT:
                pg.consume_input()


def rows_of(result: PGresult) -> list[Row]:
    """Return the rows of a result, none of a statement that finds nothing."""
    columns = [(n, decoder_of(result.ftype(n))) for n in range(result.nfields)]
    get = result.get_value
    return [
        tuple([None if (data := get(row, n)) is None else decode(data) for n, decode in columns])
        for row in range(result.ntuples)
    ]


def _own(results: list[PGresult], prepares: list[_Shape | None]) -> list[PGresult]:
    """
    Return the statements' own results of all.

    Raises:
        psycopg.Error: one of them failed.
    """
    own = []
    for result, shape in zip(results, prepares, strict=True):
        if shape is None:
            own.append(result)
        elif result.status != ExecStatus.COMMAND_OK:  # what stood before it has failed
            shape.is_prepared = False
    _check(results)
    return own


def _check(results: list[PGresult]) -> None:
    """
    Raise the first error.

    Raises:
        psycopg.Error: one of them is an error.
    """
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise error_from_result(result)
