"""Connections to a Redis server; see :mod:`torpor.worlds.pool`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from torpor.model import Notice
from torpor.worlds.pool import Operation
from torpor.worlds.redis import together, workers
from torpor.worlds.redis.answers import carry_out, converse
from torpor.worlds.redis.connection import Connection, UnknownError
from torpor.worlds.redis.faults import failure_of
from torpor.worlds.redis.fences import Fences
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.memory import Memory
from torpor.worlds.redis.store import Origins, Store
from torpor.worlds.redis.url import Settings
from torpor.worlds.server_times import Times
from torpor.worlds.sharing import Shared, SharingPool

T = TypeVar("T")

_REST_SECONDS: Final = 0.001
_REST_SECONDS_MAX: Final = 0.003


class Pool(SharingPool[Store]):
    """
    Some connections.

    Args:
        settings: where to.
        size: how many there are at most.
        url: of the world, without its password.
        whose: tells this world's news from those of others.
        tell: is called after a change, on any thread.
        times: what decides about time.
    """

    def __init__(
        self, settings: Settings, size: int, url: str, whose: str, tell: Callable[[Notice], None], times: Times
    ) -> None:
        self._settings = settings
        self._times = times
        self._whose = whose
        self._keys = Keys(settings.name)
        super().__init__(size, url, tell)

    def _begin(self) -> None:
        self._origins = Origins()
        self._memory = Memory()
        self._fences = Fences()
        super()._begin()

    def _new_store(self) -> Store:
        notes = self._keys.of("notes", self._whose)
        connection = Connection(self._settings, self._given_up, notes, self._memory)
        connection.give_up = lambda: workers.give_up(self._store_of(connection), self._times)
        return self._store_of(connection)

    def _store_of(self, connection: Connection) -> Store:
        return Store(connection, self._keys, self._url, self._origins, self._whose, self._memory, self._fences)

    def _connect(self, store: Store) -> None:
        _ = store.connection.client

    def _let_go_of(self, store: Store) -> None:
        store.connection.close()

    def _failure_of(self, error: Exception, about: str) -> Exception:
        if isinstance(error, UnknownError):
            return self._unknown(about, error)
        return failure_of(error, self._url, about)

    def _alone(self, store: Store, each: Shared) -> tuple[Any, Notice | None]:
        return carry_out(store, lambda store: converse(store, each.begin()))

    def _rest_seconds(self, count: int) -> float:
        # The server is so quick that nobody would gather. Who is alone waits for nobody.
        return min((count - 1) * _REST_SECONDS, _REST_SECONDS_MAX)

    def _carry_out_together(self, store: Store, shared: Sequence[Shared]) -> None:
        together.carry_out(store, shared, self._failure_of)

    def _carry_out(self, store: Store, operation: Operation[Store, T], about: str) -> tuple[T, Notice | None]:
        try:
            with self._in_our_words(about):
                return operation(store)
        finally:
            store.begin()
