"""The SQLite world: each method hands a plain function to a connection thread and waits for its result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from typing import Final, TypeVar

from torpor.clock import Clock, SystemClock
from torpor.model import ClaimRequest, Claims
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds.notifier import Listener, Notifier
from torpor.worlds.requests import Conversation
from torpor.worlds.sqlite import (
    blobs,
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
from torpor.worlds.sqlite.answers import converse
from torpor.worlds.sqlite.reader import Reader
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.transactions import Transactions
from torpor.worlds.sqlite.url import parse
from torpor.worlds.sqlite.within import within
from torpor.worlds.sqlite.writer import QUIET_MS, Writer
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables

BLOB_BYTES_MAX: Final = 900_000_000
"""SQLite's own limit is 1 000 000 000 bytes a row."""

_log = logging.getLogger("torpor.worlds")

_CAPABILITIES: Final = Capabilities(
    durable=True, shared=True, listen_ms=QUIET_MS, blob_bytes_max=BLOB_BYTES_MAX, transactions=True
)
_TABLES: Final = Tables[Store, Clock](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, pruning, examination, queries
)

T = TypeVar("T")


class SqliteWorld(StoredWorld[Store, Clock]):
    """
    A world in a SQLite file, for any number of processes on one machine.

    Args:
        url: see :mod:`torpor.worlds.sqlite.url`.
        clock: the world's clock, by default the machine's.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(url, _TABLES, clock or SystemClock())
        self._settings = parse(url)
        self._notifier = Notifier()
        self._reader = Reader(self._connect_to_read, url, self._notifier)
        self._queries = Reader(self._connect_to_read, url, self._notifier)
        self._writer = Writer(self._connect, url, self._notifier)
        self._opening = asyncio.Lock()
        self._transactions = Transactions(self._settings, url)

    @property
    def clock(self) -> Clock:
        return self._times

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        async with self._opening:
            made = None if self._writer.is_open else self._relative_new_file()
            for thread in (self._writer, self._reader, self._queries):
                if not thread.is_open:
                    await thread.start()
            if made is not None:  # in another folder than before, it looks as if every run were gone
                _log.warning("made a new world in %s: %s is relative to the working folder", made, self._url)

    async def close(self) -> None:
        async with self._opening:
            for thread in (self._queries, self._reader, self._writer):
                if thread.is_open:
                    await thread.stop()

    async def claim(self, request: ClaimRequest) -> Claims:
        """
        Claim; a failure of power that ends the worker, too, may undo it where turns are claimed: until the turn's first
        commit nobody else can tell that it was there.
        """
        return await self._writer.submit(
            lambda store: _TABLES.queue.claim(store, request, self._times),
            f"claim of worker {request.worker_id}",
            None if request.elsewhere else _has_step,
        )

    def subscribe(self, listener: Listener) -> Unsubscribe:
        unsubscribe = self._notifier.subscribe(listener)
        self._writer.listen()
        return unsubscribe

    async def within(self, connection: object) -> World:
        return await within(self, _TABLES, Path(self._settings.path), connection)

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._transactions.on_loop()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        return self._transactions.in_thread()

    def _relative_new_file(self) -> Path | None:
        """Return the whole path of the file if it is not there yet and the URL names it by a relative one."""
        file = Path(self._settings.path)
        return None if file.is_absolute() or file.exists() else file.absolute()

    def _connect(self) -> Store:
        return schema.connect(self._settings, self._url)

    def _connect_to_read(self) -> Store:
        store = self._connect()
        store.db.execute("PRAGMA query_only = ON")
        return store

    def _operate(self, begin: Begin[T], about: str) -> asyncio.Future[T]:
        """Carry an operation out; the time is told on the writer's thread, in the transaction."""
        return self._writer.submit(lambda store: converse(store, begin(self._times.now())), about)

    def _operate_at_once(self, begin: Begin[T], about: str) -> tuple[T] | None:
        return self._writer.at_once(lambda store: converse(store, begin(self._times.now())), about)

    def _hand_in(self, run_id: str, begin: Begin[T], about: str, stored: asyncio.Future[T]) -> bool:
        return self._writer.hand_in(lambda store: converse(store, begin(self._times.now())), about, stored)

    def _write(self, change: Change[Store, T], about: str) -> asyncio.Future[T]:
        return self._writer.submit(change, about)

    def _read(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._reader.submit(read, about)

    def _query(self, read: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        return self._queries.submit(read, about)

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse(store, conversation)


def _has_step(claims: Claims) -> bool:
    return any(task.kind == "step" for task in claims.tasks)
