"""Transactions that a Postgres world begins itself, for steps; see :meth:`torpor.world.Transactions.transaction`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus

from torpor.worlds.postgres.connection import was_cut
from torpor.worlds.postgres.faults import failure_of
from torpor.worlds.postgres.url import Settings
from torpor.worlds.postgres.wire import Wire

_BEGINNING: Final = "beginning of a transaction"
_APPLICATION: Final = "torpor step"


class Transactions:
    """
    Transactions on connections of their own, which are kept for the next ones.

    Args:
        settings: where to; as many connections of each of the two kinds as the engine has.
        url: of the world, for messages.
    """

    def __init__(self, settings: Settings, url: str) -> None:
        self._options: dict[str, Any] = {
            "prepare_threshold": 5 if settings.prepare else None,
            "application_name": _APPLICATION,
            "client_encoding": "utf-8",
        }
        self._server = settings.server
        self._url = url
        self._free_in_threads = threading.BoundedSemaphore(settings.connections)
        self._free_on_loop = asyncio.BoundedSemaphore(settings.connections)
        self._in_threads: list[psycopg.Connection] = []
        self._on_loop: list[psycopg.AsyncConnection] = []
        self._prepare = settings.prepare
        self._wires: WeakKeyDictionary[object, Wire] = WeakKeyDictionary()

    def wire_of(self, db: object) -> Wire | None:
        """Return the wire over a connection that was made here, None for any other."""
        return self._wires.get(db) if isinstance(db, psycopg.Connection | psycopg.AsyncConnection) else None

    @contextmanager
    def in_thread(self) -> Iterator[psycopg.Connection]:
        """Answer :meth:`torpor.world.Transactions.transaction_in_thread`."""
        with self._free_in_threads:
            db = _idle(self._in_threads) or self._connect()
            try:
                with db.transaction():
                    yield db
            except BaseException:
                db.close()  # whatever state it is in
                raise
            self._in_threads.append(db)

    @asynccontextmanager
    async def on_loop(self) -> AsyncIterator[psycopg.AsyncConnection]:
        """Answer :meth:`torpor.world.Transactions.transaction`."""
        async with self._free_on_loop:
            db = _idle(self._on_loop) or await self._connect_on_loop()
            try:
                async with db.transaction():
                    yield db
            except BaseException:
                await db.close()
                raise
            self._on_loop.append(db)

    async def close(self) -> None:
        """Let go of the connections that nobody uses."""
        while self._in_threads:
            self._in_threads.pop().close()
        while self._on_loop:
            await self._on_loop.pop().close()

    def _connect(self) -> psycopg.Connection:
        try:
            db = psycopg.connect(self._server, autocommit=True, **self._options)
        except psycopg.Error as error:
            raise failure_of(error, self._url, _BEGINNING) from error
        self._wires[db] = Wire(db, prepare=self._prepare)
        return db

    async def _connect_on_loop(self) -> psycopg.AsyncConnection:
        try:
            db = await psycopg.AsyncConnection.connect(self._server, autocommit=True, **self._options)
        except psycopg.Error as error:
            raise failure_of(error, self._url, _BEGINNING) from error
        self._wires[db] = Wire(db, prepare=self._prepare)
        return db


def _idle(kept: list[Any]) -> Any:
    """Return a connection that is ready, None when there is none."""
    while True:
        try:
            db = kept.pop()
        except IndexError:
            return None
        if not was_cut(db) and db.info.transaction_status is TransactionStatus.IDLE:
            return db
        db.pgconn.finish()
