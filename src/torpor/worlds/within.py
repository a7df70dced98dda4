"""A world within a transaction of somebody else's, whatever the back end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TypeVar

from torpor.clock import Clock
from torpor.model import Notice
from torpor.world import Capabilities, Unsubscribe, World
from torpor.worlds.notifier import Listener
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")


class WorldWithin(StoredWorld[S, T]):
    """
    What is stored through it is there once the transaction is committed; see :meth:`torpor.world.Transactions.within`.

    Args:
        outer: the world.
        tables, times: as it has them.
        store: on the connection.
    """

    def __init__(self, outer: World, tables: Tables[S, T], times: T, store: S) -> None:
        super().__init__(outer.url, tables, times)
        self._outer = outer
        self._store = store

    @property
    def clock(self) -> Clock:
        return self._outer.clock

    @property
    def capabilities(self) -> Capabilities:
        return self._outer.capabilities

    async def open(self) -> None:
        """Do nothing: the connection is its owner's."""

    async def close(self) -> None:
        """Do nothing: so is the end of its transaction."""

    async def within(self, connection: object) -> World:
        return await self._outer.within(connection)

    def transaction(self) -> AbstractAsyncContextManager[object]:
        return self._outer.transaction()

    def transaction_in_thread(self) -> AbstractContextManager[object]:
        return self._outer.transaction_in_thread()

    def subscribe(self, listener: Listener) -> Unsubscribe:
        return self._outer.subscribe(listener)

    @abstractmethod
    def _carry_out(self, work: Callable[[], R], about: str) -> Awaitable[R]:
        """Do *work* on the connection, and undo it if it fails; *about* names it in errors."""

    @abstractmethod
    def _tell(self, notice: Notice) -> None:
        """Have others told of a change once the transaction is committed."""

    def _operate(self, begin: Begin[R], about: str) -> Awaitable[R]:
        return self._write(lambda store: self._converse(store, begin(self.clock.now())), about)

    def _write(self, change: Change[S, R], about: str) -> Awaitable[R]:
        def work() -> R:
            result, notice = change(self._store)
            if notice is not None:
                self._tell(notice)
            return result

        return self._carry_out(work, about)

    def _read(self, read: Callable[[S], R], about: str) -> Awaitable[R]:
        return self._carry_out(lambda: read(self._store), about)

    _query = _read
