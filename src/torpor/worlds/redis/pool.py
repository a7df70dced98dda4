"""Connections to a Redis server; see :mod:`torpor.worlds.pool`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import TypeVar

import redis

from torpor.model import Notice
from torpor.thread_start import in_thread
from torpor.worlds.pool import Operation, StorePool
from torpor.worlds.redis.connection import Connection, UnknownError
from torpor.worlds.redis.faults import failure_of
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.memory import Memory
from torpor.worlds.redis.store import Origins, Store
from torpor.worlds.redis.url import Settings

T = TypeVar("T")


class Pool(StorePool[Store]):
    """
    Some connections.

    Args:
        settings: where to.
        size: how many there are at most.
        url: of the world, without its password.
        whose: tells this world's news from those of others.
        tell: is called after a change, on any thread.
    """

    def __init__(self, settings: Settings, size: int, url: str, whose: str, tell: Callable[[Notice], None]) -> None:
        self._settings = settings
        self._whose = whose
        self._keys = Keys(settings.name)
        super().__init__(size, url, tell)

    def _begin(self) -> None:
        self._origins = Origins()
        self._memory = Memory()
        super()._begin()

    def _new_store(self) -> Store:
        notes = self._keys.of("notes", self._whose)
        connection = Connection(self._settings, self._given_up, notes, self._memory.answered)
        return Store(connection, self._keys, self._url, self._origins, self._whose, self._memory)

    async def open(self, prepare: Callable[[Store], object]) -> None:
        """
        Connect, and do what is to be done before anything else.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """
        self._begin()

        def connect() -> None:
            store = self._idle.get()
            try:
                _ = store.connection.client
                prepare(store)
            except (redis.RedisError, OSError) as error:
                store.connection.drop()
                raise failure_of(error, self._url, "opening it") from error
            finally:
                self._idle.put(store)

        await in_thread(f"opening world {self._url}", connect)
        self._pid = os.getpid()

    async def close(self) -> None:
        """Finish what was begun, and let go."""
        self._pid = 0
        self._given_up.set()
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get().connection.close()

    def _carry_out(self, store: Store, operation: Operation[Store, T], about: str) -> tuple[T, Notice | None]:
        try:
            return operation(store)
        except UnknownError as error:
            raise self._unknown(about, error) from error
        except Exception as error:
            failure = failure_of(error, self._url, about)
            if failure is not error:
                raise failure from error
            raise
        finally:
            store.begin()
