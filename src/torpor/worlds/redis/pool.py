"""
Connections and the threads that use them: each operation is carried out on one, and its result goes back to its event
loop.

While nobody waits for a connection, a thread that has no event loop may use one itself: that saves the way there and
back.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import Any, TypeVar

import redis

from torpor.errors import UsageError, WorldError
from torpor.model import Notice
from torpor.thread_start import in_thread, starting_thread
from torpor.worlds.redis.connection import Connection, UnknownError
from torpor.worlds.redis.faults import failure_of
from torpor.worlds.redis.keys import Keys
from torpor.worlds.redis.store import Origins, Store
from torpor.worlds.redis.url import Settings

T = TypeVar("T")

Operation = Callable[[Store], tuple[T, Notice | None]]
"""Returns its result, and what to tell listeners."""


class Pool:
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
        self._size = size
        self._url = url
        self._whose = whose
        self._tell = tell
        self._pid = 0
        self._begin()

    def _begin(self) -> None:
        self._given_up = threading.Event()
        self._waiting = 0  # operations that no thread has begun
        self._counting = threading.Lock()
        self._idle: LifoQueue[Store] = LifoQueue()
        keys, origins = Keys(self._settings.name), Origins()
        notes = keys.of("notes", self._whose)
        for _ in range(self._size):
            connection = Connection(self._settings, self._given_up, notes)
            self._idle.put(Store(connection, keys, self._url, origins, self._whose))
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="Redis")

    @property
    def is_open(self) -> bool:
        """Whether operations can be submitted in this process."""
        return self._pid == os.getpid()

    async def open(self, prepare: Callable[[Store], object]) -> None:
        """
        Connect, and do what is to be done before anything else.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """
        self._begin()  # after a fork what there was may be in any state

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

    def submit(self, operation: Operation[T], about: str) -> asyncio.Future[T]:
        """
        Have *operation* carried out, which *about* names in errors, and return the future of its result.

        Raises:
            UsageError: the world is not open in this process.
        """
        if not self.is_open:
            raise self._not_open()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._counting:
            self._waiting += 1
        with starting_thread(about):
            self._threads.submit(self._work, operation, about, loop, future)
        return future

    def at_once(self, operation: Operation[T], about: str) -> tuple[T] | None:
        """
        Carry *operation* out in the calling thread and return its result in a tuple.

        Returns None when all connections are in use, or somebody waits for one.

        Raises:
            TorporError: as the future of :meth:`submit`.
        """
        if not self.is_open or self._waiting:
            return None
        try:
            store = self._idle.get_nowait()
        except Empty:
            return None
        try:
            value, notice = self._carry_out(store, operation, about)
        finally:
            self._idle.put(store)
        if notice is not None:
            self._tell(notice)
        return (value,)

    def _work(
        self, operation: Operation[Any], about: str, loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]
    ) -> None:
        store = self._idle.get()
        with self._counting:
            self._waiting -= 1
        value: Any = None
        notice: Notice | None = None
        error: BaseException | None = None
        try:
            value, notice = self._carry_out(store, operation, about)
        except BaseException as raised:  # noqa: BLE001  # whatever it is, the caller gets it
            error = raised
        self._idle.put(store)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, future, value, error)
        if notice is not None:
            self._tell(notice)

    def _carry_out(self, store: Store, operation: Operation[T], about: str) -> tuple[T, Notice | None]:
        """
        Carry an operation out.

        Raises:
            Exception: what it raised, in our words.
        """
        try:
            return operation(store)
        except UnknownError as error:
            raise WorldError(
                f"{about} in world {self._url}: the connection was lost before the answer, and the server cannot "
                f"be asked whether it is stored ({error}); look before it is tried again"
            ) from error
        except Exception as error:
            failure = failure_of(error, self._url, about)
            if failure is not error:
                raise failure from error
            raise
        finally:
            store.begin()

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self._url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self._url} is not open; await its open() first")


def _settle(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
    """Give a result, or an error, to who waits for it."""
    if future.done():  # its caller may have been cancelled
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
