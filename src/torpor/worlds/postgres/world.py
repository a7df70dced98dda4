"""The Postgres world: each method hands a plain function to a connection's thread and waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import Notice
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds.notifier import Listener, Notifier
from torpor.worlds.postgres import (
    blobs,
    embedded,
    examination,
    flow,
    parcels,
    pruning,
    queries,
    queue,
    reads,
    schedules,
    schema,
    streams,
    tenants,
    workers,
)
from torpor.worlds.postgres.answers import converse, converse_within
from torpor.worlds.postgres.listening import LOOK_DEAF_MS, LOOK_MS, Ear
from torpor.worlds.postgres.pool import Pool
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.together import Shared
from torpor.worlds.postgres.transactions import Transactions
from torpor.worlds.postgres.url import parse
from torpor.worlds.postgres.within import which, within
from torpor.worlds.requests import Conversation
from torpor.worlds.server_times import GivenTimes, ServerTimes, Times
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables
from torpor.worlds.urls import shown

BLOB_BYTES_MAX: Final = 500_000_000
"""A value of Postgres has at most 1 GB, and so has a message of its protocol, of which this is one of several parts."""

_QUERIES: Final = 2
_TABLES: Final = Tables[Store, Times](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, pruning, examination, queries
)

T = TypeVar("T")


class PostgresWorld(StoredWorld[Store, Times]):
    """
    A world in a Postgres database, for any number of processes on any number of machines.

    Args:
        url: see :mod:`torpor.worlds.postgres.url`.
        clock: the world's clock, by default the server's.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(shown(url), _TABLES, ServerTimes() if clock is None else GivenTimes(clock))
        self._address = url
        self._settings = parse(url)
        self._notifier = Notifier()
        self._pool = Pool(self._settings, self._settings.connections, self._url, self._tell)
        self._queries = Pool(self._settings, _QUERIES, self._url, self._tell)
        self._ear: Ear | None = None
        self._opening = asyncio.Lock()
        self._database: tuple[object, ...] = ()
        self._transactions = Transactions(self._settings, self._url)

    @property
    def address(self) -> str:
        """The URL that opens this world, with its password; see :func:`torpor.worlds.address_of`."""
        return self._address

    @property
    def clock(self) -> Clock:
        return self._times.clock

    @property
    def capabilities(self) -> Capabilities:
        listen_ms = LOOK_MS if self._settings.listen else LOOK_DEAF_MS
        return Capabilities(
            durable=True, shared=True, listen_ms=listen_ms, blob_bytes_max=BLOB_BYTES_MAX, transactions=True
        )

    async def open(self) -> None:
        async with self._opening:
            if self._pool.is_open:
                return
            settings = self._settings
            if settings.folder:
                server = await asyncio.to_thread(embedded.start, settings.folder)
                settings = replace(settings, server=server)
            await self._pool.open(settings, lambda connection: schema.migrate(connection, self._url))
            await self._queries.open(settings, lambda _: None)
            self._transactions = Transactions(settings, self._url)
            self._ear = Ear(settings, self._notifier)
            await self._ear.open()

    async def close(self) -> None:
        async with self._opening:
            if self._pool.is_open:
                await self._transactions.close()
                await self._queries.close()
                await self._pool.close()
            if self._ear is not None:
                await self._ear.close()
            self._ear = None

    def subscribe(self, listener: Listener) -> Unsubscribe:
        unsubscribe = self._notifier.subscribe(listener)
        if self._ear is not None:
            self._ear.put_off()
        return unsubscribe

    def _tell(self, notice: Notice) -> None:
        self._notifier.notify(notice)
        if self._ear is not None:
            self._ear.tell(notice)

    async def within(self, connection: object) -> World:
        return await within(self, _TABLES, self._times, self._is_at, connection)

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._transactions.on_loop()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        return self._transactions.in_thread()

    async def _is_at(self, database: tuple[object, ...]) -> bool:
        """Return whether this world is in a database; see :func:`torpor.worlds.postgres.within.which`."""
        if database != self._database:  # else it has not been restarted since
            self._database = await self._read(which, "look at the database")
        return database == self._database

    def _operate(self, begin: Begin[T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: converse(store, begin(self.clock.now())), about)

    def _operate_on(self, run_id: str, begin: Begin[T], about: str) -> asyncio.Future[T]:
        return self._pool.submit_shared(lambda: begin(self.clock.now()), run_id, about)

    def _hand_in(self, run_id: str, begin: Begin[T], about: str, stored: asyncio.Future[T]) -> bool:
        return self._pool.share(Shared(lambda: begin(self.clock.now()), run_id, about, stored))

    def _operate_at_once(self, begin: Begin[T], about: str) -> tuple[T] | None:
        return self._pool.at_once(lambda store: converse(store, begin(self.clock.now())), about)

    def _write(self, change: Change[Store, T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(change, about)

    def _read(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: (read(store), None), about)

    def _query(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._queries.submit(lambda store: (read(store), None), about)

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse_within(store, conversation)
