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
from torpor.world import Capabilities, World
from torpor.worlds import refusals
from torpor.worlds.ear import LOOK_MS
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
from torpor.worlds.redis.listening import RedisEar
from torpor.worlds.redis.pool import Pool
from torpor.worlds.redis.store import Store
from torpor.worlds.redis.url import check_files, parse
from torpor.worlds.requests import Conversation, Operation
from torpor.worlds.server_times import Times
from torpor.worlds.server_world import QUERIES, ServerWorld
from torpor.worlds.stored import Change
from torpor.worlds.tables import Tables

BLOB_BYTES_MAX: Final = 500_000_000
"""A value of Redis has at most 512 MB."""

_TABLES: Final = Tables[Store, Times](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, queries, examination, queries
)

T = TypeVar("T")


class RedisWorld(ServerWorld[Store]):
    """
    A world on a Redis server, for any number of processes on any number of machines.

    Args:
        url: see :mod:`torpor.worlds.redis.url`.
        clock: the world's clock, by default the server's.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(url, _TABLES, clock)
        self._settings = parse(url)
        self._whose = secrets.token_hex(8)
        about = self._url, self._whose, self._notifier.notify, self._times
        self._pool = Pool(self._settings, self._settings.connections, *about)
        self._queries = Pool(self._settings, QUERIES, *about)

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            durable=True,
            shared=True,
            listen_ms=LOOK_MS,
            blob_bytes_max=BLOB_BYTES_MAX,
            presence=self._times.presence.id,
        )

    async def _connect(self) -> None:
        check_files(self._settings, self._url)
        await self._pool.open(self._prepare)
        await self._queries.open(lambda _: None)

    def _prepare(self, store: Store) -> None:
        server.prepare(store)
        workers.ask_time(store, self._times)

    def _new_ear(self) -> RedisEar:
        return RedisEar(self._settings, self._whose, self._notifier, self._times.presence)

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

    def _transact(self, store: Store, begin: Callable[[], Operation[T]]) -> tuple[T, Notice | None]:
        return carry_out(store, lambda store: converse(store, begin()))

    def _write(self, change: Change[Store, T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: carry_out(store, change), about)

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse(store, conversation)
