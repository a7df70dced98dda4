"""The Postgres world: each method hands a plain function to a connection's thread and waits for its result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, TypeVar

from msgspec.structs import replace

from torpor.clock import Clock
from torpor.model import Notice
from torpor.world import Capabilities, World
from torpor.worlds.ear import LOOK_MS
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
from torpor.worlds.postgres.listening import LOOK_DEAF_MS, PostgresEar
from torpor.worlds.postgres.pool import Pool
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.transactions import Transactions
from torpor.worlds.postgres.url import parse
from torpor.worlds.postgres.within import which, within
from torpor.worlds.requests import Conversation, Operation
from torpor.worlds.server_times import Times
from torpor.worlds.server_world import QUERIES, ServerWorld
from torpor.worlds.tables import Tables

BLOB_BYTES_MAX: Final = 500_000_000
"""A value of Postgres has at most 1 GB, and so has a message of its protocol, of which this is one of several parts."""

_TABLES: Final = Tables[Store, Times](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, pruning, examination, queries
)

T = TypeVar("T")


class PostgresWorld(ServerWorld[Store]):
    """
    A world in a Postgres database, for any number of processes on any number of machines.

    Args:
        url: see :mod:`torpor.worlds.postgres.url`.
        clock: the world's clock, by default the server's.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(url, _TABLES, clock)
        self._settings = parse(url)
        self._pool = Pool(lambda: self._settings, self._settings.connections, self._url, self._tell)
        self._queries = Pool(lambda: self._settings, QUERIES, self._url, self._tell)
        self._telling: PostgresEar | None = None
        self._database: tuple[object, ...] = ()
        self._transactions = Transactions(self._settings, self._url)

    @property
    def capabilities(self) -> Capabilities:
        listen_ms = LOOK_MS if self._settings.listen else LOOK_DEAF_MS
        return Capabilities(
            durable=True,
            shared=True,
            listen_ms=listen_ms,
            blob_bytes_max=BLOB_BYTES_MAX,
            transactions=True,
            presence=self._times.presence.id if self._settings.listen else "",
        )

    async def _connect(self) -> None:
        if self._settings.folder:
            server = await asyncio.to_thread(embedded.start, self._settings.folder)
            self._settings = replace(self._settings, server=server)
        await self._pool.open(lambda store: schema.migrate(store.connection, self._url))
        await self._queries.open(lambda _: None)
        self._transactions = Transactions(self._settings, self._url)

    def _new_ear(self) -> PostgresEar:
        self._telling = PostgresEar(self._settings, self._notifier, self._times.presence)
        return self._telling

    async def close(self) -> None:
        await self._transactions.close()
        await super().close()

    def _tell(self, notice: Notice) -> None:
        self._notifier.notify(notice)
        if self._telling is not None:
            self._telling.tell(notice)

    async def within(self, connection: object) -> World:
        return await within(self, _TABLES, self._times, self._is_at, connection, self._transactions.wire_of)

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._transactions.on_loop()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        return self._transactions.in_thread()

    async def _is_at(self, database: tuple[object, ...]) -> bool:
        """Return whether this world is in a database; see :func:`torpor.worlds.postgres.within.which`."""
        if database != self._database:  # else it has not been restarted since
            self._database = await self._read(which, "look at the database")
        return database == self._database

    def _transact(self, store: Store, begin: Callable[[], Operation[T]]) -> tuple[T, Notice | None]:
        return converse(store, begin())

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse_within(store, conversation)
