"""
The two threads behind a SQLite world, each with a connection of its own.

The *writer* takes all operations that have come together and makes one transaction of them, so that concurrent runs
share a commit's wait for the disk. Nobody is told of success before the COMMIT. Its group runs without savepoints:
nearly all refusals come before an operation's first write and disturb nobody; when one comes later, the whole group
is rolled back and its operations are run again, each in a transaction of its own.

The *reader* runs reads in transactions too, so that each answer is from one moment.

Between operations the writer looks every :data:`LISTEN_MS` whether another process has written (``data_version``
changes for others' commits only), while somebody is subscribed.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from torpor.errors import UsageError
from torpor.model import Notice
from torpor.worlds.bell import Bell
from torpor.worlds.sqlite.faults import world_error
from torpor.worlds.sqlite.store import Store

LISTEN_MS: Final = 10
GROUP_OPS_MAX: Final = 256
"""Operations that share a transaction; the others wait for the next one."""

T = TypeVar("T")


class Job:
    """An operation on its way through a lane, and back to who waits for it."""

    __slots__ = ("about", "error", "future", "notice", "operation", "value")

    def __init__(self, operation: Callable[[Store], Any] | None, about: str, future: asyncio.Future[Any]) -> None:
        self.operation = operation  # None asks the lane to close
        self.about = about
        self.future = future
        self.value: Any = None
        self.notice: Notice | None = None
        self.error: BaseException | None = None


class Lane:
    """
    A thread with a connection, working through a queue of operations.

    Args:
        connect: opens the connection; called on the lane's thread.
        url: of the world, for messages.
        bell: is rung after a change.
    """

    def __init__(self, connect: Callable[[], Store], url: str, bell: Bell) -> None:
        self.url = url
        self.bell = bell
        self._connect = connect
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._pid = 0

    @property
    def is_open(self) -> bool:
        """Whether operations can be submitted in this process."""
        return self._pid == os.getpid()

    async def start(self) -> None:
        """
        Connect.

        Raises:
            ConfigurationError, WorldError: what connecting raised.
        """
        self._queue = SimpleQueue()  # after a fork the old one may be in any state
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        threading.Thread(target=self._main, args=(opened,), name=type(self).__name__, daemon=True).start()
        await opened
        self._pid = os.getpid()

    async def stop(self) -> None:
        """Finish what is queued and let go of the connection."""
        last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(Job(None, "closing", last))
        self._pid = 0
        await last

    def _submit(self, operation: Callable[[Store], Any], about: str) -> asyncio.Future[Any]:
        if not self.is_open:
            raise self._not_open()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(Job(operation, about, future))
        return future

    def _main(self, opened: asyncio.Future[None]) -> None:
        first = Job(None, "opening", opened)
        try:
            store = self._connect()
            self._begin(store)
        except Exception as error:  # noqa: BLE001  # whatever it is, who opens the world gets it
            first.error = error
            _hand_back([first], self.bell)
            return
        _hand_back([first], self.bell)
        while True:
            jobs = [self._wait(store)]
            while len(jobs) < GROUP_OPS_MAX and jobs[-1].operation is not None and not self._queue.empty():
                jobs.append(self._queue.get_nowait())
            last = jobs.pop() if jobs and jobs[-1].operation is None else None
            if jobs:
                try:
                    self._work(store, jobs)
                except Exception as error:  # noqa: BLE001  # nobody may wait in vain, and the lane goes on
                    for job in jobs:
                        job.error = job.error or error
                _hand_back(jobs, self.bell)
            if last is not None:
                store.db.close()
                _hand_back([last], self.bell)
                return

    def _begin(self, store: Store) -> None:
        """Prepare, before anybody is told that the lane is open."""

    def _wait(self, store: Store) -> Job:
        """Return the next job, once there is one."""
        return self._queue.get()

    def _work(self, store: Store, jobs: list[Job]) -> None:
        """Carry out *jobs* and leave in each what came of it."""
        raise NotImplementedError

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self.url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self.url} is not open; await its open() first")


class Reader(Lane):
    """Carries out operations that only read."""

    def submit(self, operation: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        """
        Queue *operation*, which *about* names in errors, and return the future of its result.

        Raises:
            UsageError: the lane is not open in this process.
        """
        return self._submit(operation, about)

    def _work(self, store: Store, jobs: list[Job]) -> None:
        store.db.execute("BEGIN")
        for job in jobs:
            try:
                job.value = _operation(job)(store)
            except sqlite3.Error as error:
                job.error = _translated(error, self.url, job)
            except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
                job.error = error
        _roll_back(store)


class Writer(Lane):
    """Carries out operations that change something, in groups; each returns its result and what to tell listeners."""

    def __init__(self, connect: Callable[[], Store], url: str, bell: Bell) -> None:
        super().__init__(connect, url, bell)
        self._version = 0
        self._looked_at = 0.0

    def submit(self, operation: Callable[[Store], tuple[T, Notice | None]], about: str) -> asyncio.Future[T]:
        """
        Queue *operation*, which *about* names in errors, and return the future of its result.

        The operation is a function of the store alone: it may be run twice.

        Raises:
            UsageError: the lane is not open in this process.
        """
        return self._submit(operation, about)

    def listen(self) -> None:
        """Begin to look for others' changes, now that somebody is subscribed."""
        self._queue.put(Job(_nothing, "listening", asyncio.get_running_loop().create_future()))

    def _begin(self, store: Store) -> None:
        self._version = _data_version(store)

    def _wait(self, store: Store) -> Job:
        while self.bell:
            self._look(store)
            try:
                return self._queue.get(timeout=LISTEN_MS / 1000)
            except Empty:
                continue
        return self._queue.get()

    def _work(self, store: Store, jobs: list[Job]) -> None:
        db = store.db
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            for job in jobs:
                job.error = _translated(error, self.url, job)
            return
        for job in jobs:
            if not self._try(store, job):
                _roll_back(store)
                if len(jobs) > 1:
                    self._work_singly(store, jobs)
                return
        try:
            db.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(store)
            for job in jobs:
                job.error = job.error or _translated(error, self.url, job)

    def _work_singly(self, store: Store, jobs: list[Job]) -> None:
        for job in jobs:
            job.value = job.notice = job.error = None
            self._work(store, [job])

    def _try(self, store: Store, job: Job) -> bool:
        """Return whether the transaction is none the worse for *job*: it succeeded, or was refused without a trace."""
        changes = store.db.total_changes
        try:
            job.value, job.notice = _operation(job)(store)
        except sqlite3.Error as error:
            job.error = _translated(error, self.url, job)
            return False  # SQLite may have ended the transaction, or left it in doubt
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
            job.error = error
            return store.db.total_changes == changes
        return True

    def _look(self, store: Store) -> None:
        """Tell listeners if another connection has changed the file since the last look."""
        now = time.monotonic()
        if now - self._looked_at < LISTEN_MS / 1000:
            return
        self._looked_at = now
        try:
            version = _data_version(store)
        except sqlite3.Error:
            return  # a hint less; the next operation meets the same trouble and says so
        if version != self._version:
            self.bell.ring(Notice(None, work=True, ended=True))
        self._version = version


def _operation(job: Job) -> Callable[[Store], Any]:
    assert job.operation is not None, "a lane's last job is not carried out"
    return job.operation


def _data_version(store: Store) -> int:
    (version,) = store.db.execute("PRAGMA data_version").fetchone()
    return int(version)


def _nothing(_store: Store) -> tuple[None, None]:
    return None, None


def _translated(error: sqlite3.Error, url: str, job: Job) -> Exception:
    trouble = world_error(error, url, job.about)
    trouble.__cause__ = error
    return trouble


def _roll_back(store: Store) -> None:
    if store.db.in_transaction:
        store.db.execute("ROLLBACK")
    store.forget_labels()


def _hand_back(jobs: list[Job], bell: Bell) -> None:
    """Give all results back in one call on each event loop that waits for some."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, its in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, its, bell)
        except RuntimeError:  # the loop is closed: nobody waits any more, but others may listen
            for job in its:
                if job.notice is not None:
                    bell.ring(job.notice)


def _settle(jobs: list[Job], bell: Bell) -> None:
    for job in jobs:
        if not job.future.done():  # its caller may have been cancelled
            if job.error is None:
                job.future.set_result(job.value)
            else:
                job.future.set_exception(job.error)
        if job.notice is not None and job.error is None:
            bell.ring(job.notice)
