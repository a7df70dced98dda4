"""The memory world: every operation is one synchronous change of a store, so each is atomic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Final, TypeVar

from torpor.clock import Clock, SystemClock
from torpor.errors import TransactionError
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds import refusals
from torpor.worlds.memory import blobs, flow, parcels, queries, queue, reads, schedules, streams, tenants, workers
from torpor.worlds.memory.store import Store
from torpor.worlds.notifier import Listener
from torpor.worlds.requests import Conversation, converse
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables

T = TypeVar("T")

_CAPABILITIES: Final = Capabilities(durable=False, shared=False, listen_ms=0, blob_bytes_max=sys.maxsize)
_STORES: Final[dict[str, Store]] = {}
_TABLES: Final = Tables[Store, Clock](
    reads, blobs, queue, workers, flow, streams, parcels, schedules, tenants, queries, queries, queries
)


class MemoryWorld(StoredWorld[Store, Clock]):
    """
    A world in the process's own memory, gone with it.

    Args:
        url: ``memory://`` is a store of its own, ``memory://name`` one that all worlds of that name in the process
            share, for as long as the process lives.
        clock: decides about time; the machine's by default.
        store: what it keeps its runs in, shared with whoever else has it; else the one that *url* says.
    """

    def __init__(self, url: str = "memory://", clock: Clock | None = None, store: Store | None = None) -> None:
        name = url.removeprefix("memory://")
        super().__init__(url, _TABLES, clock or SystemClock())
        self._store = store or (_STORES.setdefault(name, Store(url)) if name else Store(url))

    @property
    def clock(self) -> Clock:
        return self._times

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        """Do nothing: the store is there."""

    async def close(self) -> None:
        """Do nothing: the store stays as long as somebody holds it."""

    def subscribe(self, listener: Listener) -> Unsubscribe:
        return self._store.notifier.subscribe(listener)

    async def within(self, connection: object) -> World:  # none would do
        raise self._no_transactions()

    def transaction(self) -> AbstractAsyncContextManager[object]:
        raise self._no_transactions()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        raise self._no_transactions()

    def _no_transactions(self) -> TransactionError:
        return refusals.no_transactions(self._url, "it is in memory; use one in SQLite or Postgres")

    async def _operate(self, begin: Begin[T], about: str) -> T:
        return await self._write(lambda store: converse(begin(self._times.now()), store.answer), about)

    async def _write(self, change: Change[Store, T], about: str) -> T:  # nothing fails here
        with self._store.lock:
            result, notice = change(self._store)
        if notice is not None:
            self._store.notifier.notify(notice)
        return result

    async def _read(self, read: Callable[[Store], T], about: str) -> T:  # nothing fails here
        with self._store.lock:
            return read(self._store)

    _query = _read

    def _converse(self, store: Store, conversation: Conversation[T]) -> T:
        return converse(conversation, store.answer)
