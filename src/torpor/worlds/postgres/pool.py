"""
Connections and the threads that use them: each operation is carried out on one, and its result goes back to its event
loop.

Operations that may share a transaction wait for each other: while some are under way, others gather, and one thread
takes all that have come together. So a worker's concurrent commits are one round trip and one wait for the disk.

Who lost its connection is carried out again on a new one, unless it is not known whether it is stored; so is who met
somebody else at the same rows. While nobody waits for a connection, a thread that has no event loop may use one itself:
that saves the way there and back.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from queue import Empty, LifoQueue
from typing import Any, Final, TypeVar

import psycopg

from torpor.errors import UsageError, WorldError
from torpor.model import Notice
from torpor.thread_start import in_thread, starting_thread
from torpor.worlds import requests
from torpor.worlds.postgres.connection import Connection, LostError, UndoneError
from torpor.worlds.postgres.faults import failure_of, may_go_again
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.together import Shared, carry_out
from torpor.worlds.postgres.url import Settings

T = TypeVar("T")

Operation = Callable[[Store], tuple[T, Notice | None]]
"""Returns its result, and what to tell listeners. It may be carried out more than once."""

Settled = tuple[asyncio.Future[Any], Any, BaseException | None]
"""A future, and its result or its error."""

_TRIES_MAX: Final = 20
_TOGETHER_MAX: Final = 100


class Pool:
    """
    Some connections.

    Args:
        settings: where to.
        size: how many there are at most.
        url: of the world, without its password.
        tell: is called after a change, on any thread.
    """

    def __init__(self, settings: Settings, size: int, url: str, tell: Callable[[Notice], None]) -> None:
        self._settings = settings
        self._size = size
        self._url = url
        self._tell = tell
        self._pid = 0
        self._begin()

    def _begin(self) -> None:
        self._given_up = threading.Event()
        self._waiting = 0  # operations that no thread has begun
        self._counting = threading.Lock()
        self._shared: deque[Shared] = deque()
        self._is_sharing = False  # a thread takes what is in it
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

    def share(self, shared: Shared) -> bool:
        """Have an operation carried out with others, from any thread; return whether that can be done."""
        if not self.is_open:
            return False
        with self._counting:
            self._shared.append(shared)
            begins, self._is_sharing = not self._is_sharing, True
        if begins:
            with starting_thread(shared.about):
                self._threads.submit(self._work_together)
        return True

    def submit_shared(self, begin: Callable[[], requests.Operation[T]], run_id: str, about: str) -> asyncio.Future[T]:
        """
        Do as :meth:`submit`, with others.

        Args:
            begin: begins the operation, each time anew.
            run_id: of the only run that it locks.
            about: names it in errors.

        Raises:
            UsageError: the world is not open in this process.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self.share(Shared(begin, run_id, about, future)):
            raise self._not_open()
        return future

    def at_once(self, operation: Operation[T], about: str) -> tuple[T] | None:
        """
        Carry *operation* out in the calling thread and return its result in a tuple.

        Returns None when all connections are in use, or somebody waits for one.

        Raises:
            TorporError: as the future of :meth:`submit`.
        """
        if not self.is_open or self._waiting or self._is_sharing:
            return None
        try:
            store = self._idle.get_nowait()
        except Empty:
            return None
        try:
            value, notice = self._carry_out(store, operation, about)
        finally:
            self._give_back(store)
        if notice is not None:
            self._tell(notice)
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
        value: Any = None
        notice: Notice | None = None
        error: BaseException | None = None
        try:
            value, notice = self._carry_out(store, operation, about)
        except BaseException as raised:  # noqa: BLE001  # whatever it is, the caller gets it
            error = raised
        self._give_back(store)
        _settle(loop, [(future, value, error)])
        if notice is not None:
            self._tell(notice)

    def _work_together(self) -> None:
        store = self._idle.get()
        while True:
            with self._counting:
                shared = [self._shared.popleft() for _ in range(min(len(self._shared), _TOGETHER_MAX))]
                self._is_sharing = bool(shared)
            if not shared:
                break
            self._share_out(store, shared)
        self._give_back(store)

    def _share_out(self, store: Store, shared: list[Shared]) -> None:
        self._carry_out_together(store, shared)
        loops: dict[asyncio.AbstractEventLoop, list[Settled]] = {}
        for each in shared:
            if not each.is_single:
                loops.setdefault(each.future.get_loop(), []).append((each.future, each.value, each.error))
        for loop, settled in loops.items():
            _settle(loop, settled)
        for each in shared:
            if each.is_single:
                self._have_carried_out(each)
            elif each.error is None and each.notice is not None:
                self._tell(each.notice)

    def _carry_out_together(self, store: Store, shared: list[Shared]) -> None:
        """Carry operations out in one transaction, or in two if that cannot be, and so on; but not what is single."""
        if len(shared) == 1:
            [each] = shared
            try:
                each.value, each.notice = self._carry_out(store, each.alone, each.about)
            except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
                each.error = error
            store.connection.reset()
            return
        try:
            if carry_out(store, shared):
                return
        except Exception as error:  # noqa: BLE001  # as above
            for each in shared:
                each.error = self._unknown(each.about, error) if isinstance(error, LostError) else error
            store.connection.reset()
            return
        rest = [each for each in shared if not each.is_single]
        parts = [rest] if len(rest) < len(shared) else [rest[: len(rest) // 2], rest[len(rest) // 2 :]]
        for part in filter(None, parts):
            self._carry_out_together(store, part)

    def _have_carried_out(self, each: Shared) -> None:
        """Let another thread carry out alone what cannot share."""
        with self._counting:
            self._waiting += 1
        work = functools.partial(self._work, each.alone, each.about, each.future.get_loop(), each.future)
        try:
            self._threads.submit(work)
        except RuntimeError:  # the world is being closed
            threading.Thread(target=work).start()

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
                raise self._unknown(about, error) from error
            except Exception as error:
                failure = failure_of(error, self._url, about)
                if failure is not error:
                    raise failure from error
                raise
        raise AssertionError("the last try returns or raises")

    def _unknown(self, about: str, error: LostError) -> WorldError:
        return WorldError(
            f"{about} in world {self._url}: the connection was lost before the answer, and the server cannot "
            f"be asked whether it is stored ({error.__cause__}); look before it is tried again"
        )

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self._url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self._url} is not open; await its open() first")


def _settle(loop: asyncio.AbstractEventLoop, settled: Iterable[Settled]) -> None:
    """Give results, or errors, to those on an event loop who wait for them."""

    def settle() -> None:
        for future, value, error in settled:
            if future.done():  # its caller may have been cancelled
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(settle)
