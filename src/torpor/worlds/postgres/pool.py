"""
Connections and the threads that use them: each operation is carried out on one, and its result goes back to its event
loop.

Who lost its connection is carried out again on a new one, unless it is not known whether it is stored; so is who met
somebody else at the same rows. While nobody waits for a connection, a thread that has no event loop may use one itself:
that saves the way there and back.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import Any, Final, TypeVar

import psycopg

from torpor.errors import UsageError, WorldError
from torpor.model import Notice
from torpor.thread_start import in_thread, starting_thread
from torpor.worlds.notifier import Notifier
from torpor.worlds.postgres.connection import Connection, LostError, UndoneError
from torpor.worlds.postgres.faults import failure_of, may_go_again
from torpor.worlds.postgres.listening import TOLD, told
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.url import Settings

T = TypeVar("T")

Operation = Callable[[Store], tuple[T, Notice | None]]
"""Returns its result, and what to tell listeners. It may be carried out more than once."""

_TRIES_MAX: Final = 20


class Pool:
    """
    Some connections.

    Args:
        settings: where to.
        size: how many there are at most.
        url: of the world, without its password.
        notifier: is told after a change.
        origin: of the notifications that other processes are told by.
    """

    def __init__(self, settings: Settings, size: int, url: str, notifier: Notifier, origin: str) -> None:
        self._settings = settings
        self._size = size
        self._url = url
        self._notifier = notifier
        self._origin = origin
        self._pid = 0
        self._begin()

    def _begin(self) -> None:
        self._given_up = threading.Event()
        self._waiting = 0  # operations that no thread has begun
        self._counting = threading.Lock()
        self._idle: LifoQueue[Store] = LifoQueue()
        for _ in range(self._size):
            self._idle.put(Store(Connection(self._settings, self._given_up), self._url))
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix="Postgres")

    @property
    def is_open(self) -> bool:
        """Whether operations can be submitted in this process."""
        return self._pid == os.getpid()

    async def open(self, settings: Settings, prepare: Callable[[Connection], object]) -> None:
        """
        Connect, and do what is to be done before anything else.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """
        self._settings = settings
        self._begin()  # after a fork what there was may be in any state

        def connect() -> None:
            store = self._idle.get()
            try:
                store.connection.try_to_connect()
                prepare(store.connection)
            except BaseException as error:
                store.connection.drop()
                if isinstance(error, psycopg.Error):
                    raise failure_of(error, self._url, "opening it") from error
                raise
            finally:
                self._give_back(store)

        await in_thread(f"opening world {self._url}", connect)
        self._pid = os.getpid()

    async def close(self) -> None:
        """Finish what was begun, and let go."""
        self._pid = 0
        self._given_up.set()
        await asyncio.to_thread(self._threads.shutdown)
        while not self._idle.empty():
            self._idle.get().connection.drop()

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
            self._notifier_told(notice)
            self._tell_others(store, notice)
        finally:
            self._give_back(store)
        return (value,)

    def _work(
        self,
        operation: Operation[Any],
        about: str,
        loop: asyncio.AbstractEventLoop,
        future: asyncio.Future[Any],
    ) -> None:
        store = self._idle.get()
        with self._counting:
            self._waiting -= 1
        notice: Notice | None = None
        try:
            value, notice = self._carry_out(store, operation, about)
        except BaseException as error:  # noqa: BLE001  # whatever it is, the caller gets it
            settle = _settling(future, None, error)
        else:
            settle = _settling(future, value, None)
        with suppress(RuntimeError):  # its loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle)
        self._notifier_told(notice)
        self._tell_others(store, notice)
        self._give_back(store)

    def _give_back(self, store: Store) -> None:
        store.connection.reset()
        self._idle.put(store)

    def _carry_out(self, store: Store, operation: Operation[T], about: str) -> tuple[T, Notice | None]:
        """
        Carry an operation out, as often as it takes.

        Raises:
            Exception: what it raised, in our words.
        """
        for left in reversed(range(_TRIES_MAX)):
            try:
                return operation(store)
            except UndoneError as error:
                if not left or self._given_up.is_set():
                    cause = error.__cause__
                    assert isinstance(cause, psycopg.Error), "it says what happened"
                    raise failure_of(cause, self._url, about) from cause
            except psycopg.Error as error:
                again = may_go_again(error) or store.connection.is_lost(error)
                store.connection.reset()
                store.routes.forget()
                if not left or not again or self._given_up.is_set():
                    raise failure_of(error, self._url, about) from error
            except LostError as error:
                store.connection.drop()
                raise WorldError(
                    f"{about} in world {self._url}: the connection was lost before the answer, and the server cannot "
                    f"be asked whether it is stored ({error.__cause__}); look before it is tried again"
                ) from error
            except Exception as error:
                failure = failure_of(error, self._url, about)
                if failure is not error:
                    raise failure from error
                raise
        raise AssertionError("the last try returns or raises")

    def _notifier_told(self, notice: Notice | None) -> None:
        if notice is not None:
            self._notifier.notify(notice)

    def _tell_others(self, store: Store, notice: Notice | None) -> None:
        """
        Notify other processes, in a transaction of its own, which waits for no disk: those that notify are stored one
        after the other.
        """
        text = "" if notice is None else told(notice, self._origin)
        if text:
            with suppress(psycopg.Error):  # they look for themselves, too
                store.connection.rows(TOLD, text)

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self._url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self._url} is not open; await its open() first")


def _settling(future: asyncio.Future[Any], value: Any, error: BaseException | None) -> Callable[[], None]:
    def settle() -> None:
        if future.done():  # its caller may have been cancelled
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)

    return settle
