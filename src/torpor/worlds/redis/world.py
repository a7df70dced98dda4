"""The Redis world: each method hands a plain function to a connection's thread and waits for its result."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, TypeVar

from torpor.clock import Clock
from torpor.errors import TransactionError
from torpor.model import Notice
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds import refusals
from torpor.worlds.notifier import Listener, Notifier
from torpor.worlds.redis import (
    blobs,
    examination,
    flow,
    parcels,
    queries,
    queue,
    reads,
    schedules,
    server,
    streams,
    tenants,
    workers,
)
from torpor.worlds.redis.answers import carry_out, converse
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.listening import LOOK_MS, Ear
from torpor.worlds.redis.pool import Pool
from torpor.worlds.redis.store import Store
from torpor.worlds.redis.url import parse
from torpor.worlds.requests import Conversation
from torpor.worlds.server_times import GivenTimes, ServerTimes, Times
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables
from torpor.worlds.urls import shown

BLOB_BYTES_MAX: Final = 500_000_000
"""A value of Redis has at most 512 MB."""

_QUERIES: Final = 2
_TABLES: Final = Tables[Store, Times](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, queries, examination, queries
)

T = TypeVar("T")


class RedisWorld(StoredWorld[Store, Times]):
    """
    A world on a Redis server, for any number of processes on any number of machines.

    Args:
        url: see :mod:`torpor.worlds.redis.url`.
        clock: the world's clock, by default the server's.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(shown(url), _TABLES, ServerTimes() if clock is None else GivenTimes(clock))
        self._address = url
        self._settings = parse(url)
        self._notifier = Notifier()
        self._whose = secrets.token_hex(8)
        about = self._url, self._whose, self._notifier.notify
        self._pool = Pool(self._settings, self._settings.connections, *about)
        self._queries = Pool(self._settings, _QUERIES, *about)
        self._ear: Ear | None = None
        self._opening = asyncio.Lock()

    @property
    def address(self) -> str:
        """The URL that opens this world, with its password; see :func:`torpor.worlds.address_of`."""
        return self._address

    @property
    def clock(self) -> Clock:
        return self._times.clock

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(durable=True, shared=True, listen_ms=LOOK_MS, blob_bytes_max=BLOB_BYTES_MAX)

    async def open(self) -> None:
        async with self._opening:
            if self._pool.is_open:
                return
            await self._pool.open(self._prepare)
            await self._queries.open(lambda _: None)
            self._ear = Ear(self._settings, Keys(self._settings.name).news, self._whose, self._notifier)
            await self._ear.open()

    def _prepare(self, store: Store) -> None:
        server.prepare(store)
        workers.ask_time(store, self._times)

    async def close(self) -> None:
        async with self._opening:
            if self._pool.is_open:
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

    async def examine_server(self) -> dict[str, server.Told]:
        """Return what there is to say of the server, for people; see ``torpor doctor``."""
        return await self._query(server.examine, "look at the server")

    async def within(self, connection: object) -> World:
        raise self._no_transactions()

    def transaction(self) -> AbstractAsyncContextManager[object]:
        raise self._no_transactions()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        raise self._no_transactions()

    def _no_transactions(self) -> TransactionError:
        return refusals.no_transactions(self._url, "Redis has none for others to take part in; use SQLite or Postgres")

    def _operate(self, begin: Begin[T], about: str) -> asyncio.Future[T]:
        return self._write(lambda store: converse(store, begin(self.clock.now())), about)

    def _operate_at_once(self, begin: Begin[T], about: str) -> tuple[T] | None:
        def act(store: Store) -> tuple[T, Notice | None]:
            return converse(store, begin(self.clock.now()))

        return self._pool.at_once(lambda store: carry_out(store, act), about)

    def _write(self, change: Change[Store, T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: carry_out(store, change), about)

    def _read(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: (read(store), None), about)

    def _query(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._queries.submit(lambda store: (read(store), None), about)

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse(store, conversation)
