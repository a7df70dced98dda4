"""
What worlds on a server have in common: some connections for the engine, others for people, and an ear.

A back end says what its connections are, and how an operation is carried out on one.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Final, TypeVar

from torpor.clock import Clock
from torpor.model import Notice
from torpor.world import Unsubscribe
from torpor.worlds.ear import Ear
from torpor.worlds.notifier import Listener, Notifier
from torpor.worlds.requests import Operation
from torpor.worlds.server_times import GivenTimes, ServerTimes, Times
from torpor.worlds.sharing import SharingPool
from torpor.worlds.stored import Begin, Change, StoredWorld
from torpor.worlds.tables import Tables
from torpor.worlds.urls import shown

QUERIES: Final = 2
"""Connections of a process for what people ask."""

S = TypeVar("S")
T = TypeVar("T")


class ServerWorld(StoredWorld[S, Times]):
    """
    A world on a server, for any number of processes on any number of machines.

    Args:
        url: where.
        tables: the modules of the back end.
        clock: the world's clock, by default the server's.
    """

    _pool: SharingPool[S]
    _queries: SharingPool[S]

    def __init__(self, url: str, tables: Tables[S, Times], clock: Clock | None) -> None:
        super().__init__(shown(url), tables, ServerTimes() if clock is None else GivenTimes(clock))
        self._address = url
        self._notifier = Notifier()
        self._ear: Ear | None = None
        self._opening = asyncio.Lock()

    @abstractmethod
    async def _connect(self) -> None:
        """
        Open the pools.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """

    @abstractmethod
    def _new_ear(self) -> Ear:
        """Return an ear for a server that is there."""

    @abstractmethod
    def _transact(self, store: S, begin: Callable[[], Operation[T]]) -> tuple[T, Notice | None]:
        """Carry an operation out; it may be begun more than once."""

    @property
    def address(self) -> str:
        """The URL that opens this world, with its password; see :func:`torpor.worlds.address_of`."""
        return self._address

    @property
    def clock(self) -> Clock:
        return self._times.clock

    async def open(self) -> None:
        async with self._opening:
            if self._pool.is_open:
                return
            await self._connect()
            self._ear = self._new_ear()
            await self._ear.open()

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

    def _now(self, begin: Begin[T]) -> Callable[[], Operation[T]]:
        return lambda: begin(self.clock.now())

    def _operate(self, begin: Begin[T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: self._transact(store, self._now(begin)), about)

    def _operate_on(self, run_id: str, begin: Begin[T], about: str) -> asyncio.Future[T]:
        return self._pool.submit_shared(self._now(begin), run_id, about)

    def _hand_in(self, run_id: str, begin: Begin[T], about: str, stored: asyncio.Future[T]) -> bool:
        return self._pool.share(self._now(begin), run_id, about, stored)

    def _operate_at_once(self, begin: Begin[T], about: str) -> tuple[T] | None:
        return self._pool.at_once(lambda store: self._transact(store, self._now(begin)), about)

    def _write(self, change: Change[S, T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(change, about)

    def _read(self, read: Callable[[S], T], about: str) -> asyncio.Future[T]:
        return self._pool.submit(lambda store: (read(store), None), about)

    def _query(self, read: Callable[[S], T], about: str) -> asyncio.Future[T]:
        return self._queries.submit(lambda store: (read(store), None), about)
