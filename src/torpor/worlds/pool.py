"""
Connections of a world with a server, and the threads that use them: each operation is carried out on one, and its
result goes back to its event loop.

While nobody waits for a connection, a thread that has no event loop may use one itself: that saves the way there and
back.
"""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any, Generic, TypeVar

from torpor.errors import UsageError, WorldError
from torpor.model import Notice
from torpor.thread_start import in_thread, starting_thread

S = TypeVar("S")
T = TypeVar("T")

Operation = Callable[[S], tuple[T, Notice | None]]
"""Returns its result, and what to tell listeners. It may be carried out more than once."""

Settled = tuple[asyncio.Future[Any], Any, BaseException | None]
"""A future, and its result or its error."""


class StorePool(ABC, Generic[S]):
    """
    Some connections, each with what operations need of it.

    Args:
        size: how many there are at most.
        url: of the world, without its password.
        tell: is called after a change, on any thread.
    """

    def __init__(self, size: int, url: str, tell: Callable[[Notice], None]) -> None:
        self._size = size
        self._url = url
        self._tell = tell
        self._pid = 0
        self._begin()

    @abstractmethod
    def _new_store(self) -> S:
        """Return a store whose connection is made when it is first needed."""

    @abstractmethod
    def _carry_out(self, store: S, operation: Operation[S, T], about: str) -> tuple[T, Notice | None]:
        """
        Carry an operation out, as often as it takes.

        Raises:
            Exception: what it raised, in our words.
        """

    @abstractmethod
    def _connect(self, store: S) -> None:
        """
        Make a store's connection, and do not wait for a server that is not there.

        Raises:
            Exception: what the driver raised.
        """

    @abstractmethod
    def _let_go_of(self, store: S) -> None:
        """Close a store's connection."""

    @abstractmethod
    def _failure_of(self, error: Exception, about: str) -> Exception:
        """Return an error in our words, or the same if it is in them already."""

    @property
    def _is_waited_for(self) -> bool:
        """Whether somebody waits for a connection."""
        return self._waiting > 0

    def _begin(self) -> None:
        """Begin anew: after a fork what there was may be in any state."""
        self._given_up = threading.Event()
        self._waiting = 0  # operations that no thread has begun
        self._counting = threading.Lock()
        self._idle: LifoQueue[S] = LifoQueue()
        for _ in range(self._size):
            self._idle.put(self._new_store())
        self._threads = ThreadPoolExecutor(self._size, thread_name_prefix=type(self).__module__.split(".")[-2])

    def _give_back(self, store: S) -> None:
        """Let others have a connection."""
        self._idle.put(store)

    @property
    def is_open(self) -> bool:
        """Whether operations can be submitted in this process."""
        return self._pid == os.getpid()

    async def open(self, prepare: Callable[[S], object]) -> None:
        """
        Connect, and do what is to be done before anything else.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """
        self._begin()

        def connect() -> None:
            store = self._idle.get()
            is_ready = False
            try:
                with self._in_our_words("opening it"):
                    self._connect(store)
                    self._carry_out(store, lambda opened: (prepare(opened), None), "opening it")
                is_ready = True
            finally:
                if not is_ready:
                    self._let_go_of(store)
                self._give_back(store)

        await in_thread(f"opening world {self._url}", connect)
        self._pid = os.getpid()

    async def close(self) -> None:
        """Finish what was begun, and let go."""
        self._pid = 0
        self._given_up.set()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._threads.shutdown()
        while not self._idle.empty():
            self._let_go_of(self._idle.get())

    def submit(self, operation: Operation[S, T], about: str) -> asyncio.Future[T]:
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

    def at_once(self, operation: Operation[S, T], about: str) -> tuple[T] | None:
        """
        Carry *operation* out in the calling thread and return its result in a tuple.

        Returns None when all connections are in use, or somebody waits for one.

        Raises:
            TorporError: as the future of :meth:`submit`.
        """
        if not self.is_open or self._is_waited_for:
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
        operation: Operation[S, Any],
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
        settle(loop, [(future, value, error)])
        if notice is not None:
            self._tell(notice)

    @contextmanager
    def _in_our_words(self, about: str) -> Iterator[None]:
        """Say of what is raised in the block what was being done."""
        try:
            yield
        except Exception as error:
            failure = self._failure_of(error, about)
            if failure is not error:
                raise failure from error
            raise

    def _unknown(self, about: str, why: object) -> WorldError:
        return WorldError(
            f"{about} in world {self._url}: the connection was lost before the answer, and the server cannot "
            f"be asked whether it is stored ({why}); look before it is tried again"
        )

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self._url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self._url} is not open; await its open() first")


def settle(loop: asyncio.AbstractEventLoop, settled: Iterable[Settled]) -> None:
    """Give results, or errors, to those on an event loop who wait for them."""

    def give() -> None:
        for future, value, error in settled:
            if future.done():  # its caller may have been cancelled
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    with suppress(RuntimeError):  # the loop is closed: nobody waits any more
        loop.call_soon_threadsafe(give)
