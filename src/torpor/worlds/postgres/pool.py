"""
Connections to a Postgres server; see :mod:`torpor.worlds.pool`.

Operations that may share a transaction wait for each other: while some are under way, others gather, and one thread
takes all that have come together. So a worker's concurrent commits are one round trip and one wait for the disk.

Who lost its connection is carried out again on a new one, unless it is not known whether it is stored; so is who met
somebody else at the same rows.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg

from torpor.model import Notice
from torpor.thread_start import in_thread, starting_thread
from torpor.worlds import requests
from torpor.worlds.pool import Operation, Settled, StorePool, settle
from torpor.worlds.postgres.connection import Connection, LostError, UndoneError
from torpor.worlds.postgres.faults import failure_of, may_go_again
from torpor.worlds.postgres.store import Store
from torpor.worlds.postgres.together import Shared, carry_out
from torpor.worlds.postgres.url import Settings

T = TypeVar("T")

_TRIES_MAX: Final = 20
_TOGETHER_MAX: Final = 100


class Pool(StorePool[Store]):
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
        super().__init__(size, url, tell)

    def _begin(self) -> None:
        super()._begin()
        self._shared: deque[Shared] = deque()
        self._is_sharing = False  # a thread takes what is in it

    def _new_store(self) -> Store:
        return Store(Connection(self._settings, self._given_up), self._url)

    @property
    def _is_waited_for(self) -> bool:
        return self._is_sharing or super()._is_waited_for

    async def open(self, settings: Settings, prepare: Callable[[Connection], object]) -> None:
        """
        Connect, and do what is to be done before anything else.

        Raises:
            ConfigurationError, WorldError: there is no such server, or it refuses.
        """
        self._settings = settings
        self._begin()

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
            settle(loop, settled)
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
                each.error = self._unknown(each.about, error.__cause__) if isinstance(error, LostError) else error
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

    def _carry_out(self, store: Store, operation: Operation[Store, T], about: str) -> tuple[T, Notice | None]:
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
                raise self._unknown(about, error.__cause__) from error
            except Exception as error:
                failure = failure_of(error, self._url, about)
                if failure is not error:
                    raise failure from error
                raise
        raise AssertionError("the last try returns or raises")
