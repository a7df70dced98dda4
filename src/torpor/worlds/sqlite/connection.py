"""
A thread with a connection of its own, working through a queue of operations; :mod:`.writer` and :mod:`.reader` are two.

What has come together is taken as one group, and its results go back to each event loop in one call. While the thread
has nothing to do, others may use its connection for one operation: that saves them the way there and back.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any, Final

from torpor.errors import UsageError
from torpor.model import Notice
from torpor.thread_start import starting_thread
from torpor.worlds.notifier import Notifier
from torpor.worlds.sqlite.faults import decode_damaged, failure_of, is_undecodable
from torpor.worlds.sqlite.store import Store

GROUP_OPS_MAX: Final = 256
"""Operations that share a transaction; the others wait for the next one."""

_forks = 0  # above this process; to ask the system which process this is costs each operation a call


def _forked() -> None:
    global _forks  # noqa: PLW0603  # one process, one number
    _forks += 1


os.register_at_fork(after_in_child=_forked)


class Job:
    """An operation on its way through a connection thread, and back to who waits for it."""

    __slots__ = ("about", "error", "future", "lasts", "notice", "operation", "value")

    def __init__(
        self,
        operation: Callable[[Store], Any] | None,
        about: str,
        future: asyncio.Future[Any] | None,
        lasts: Callable[[Any], bool] | None = None,
    ) -> None:
        self.operation = operation  # None asks the connection thread to close
        self.about = about
        self.future = future  # None when nobody waits
        self.lasts = lasts  # says of its value whether that must outlast a power failure; None when any must
        self.value: Any = None
        self.notice: Notice | None = None
        self.error: BaseException | None = None


class ConnectionThread:
    """
    The thread and its queue; what is done with a group is for the subclass to say.

    Args:
        connect: opens the connection; called on that thread.
        url: of the world, for messages.
        notifier: is told after a change.
    """

    def __init__(self, connect: Callable[[], Store], url: str, notifier: Notifier) -> None:
        self._connect = connect
        self._url = url
        self._notifier = notifier
        self._queue: SimpleQueue[Job] = SimpleQueue()
        self._pid = self._forks = 0
        self._store: Store | None = None
        self._last: Job | None = None  # which asks to close
        self._using = threading.Lock()  # the store

    @property
    def is_open(self) -> bool:
        """Whether operations can be submitted in this process."""
        return bool(self._pid) and self._forks == _forks

    async def start(self) -> None:
        """
        Connect.

        Raises:
            ConfigurationError, WorldError: what connecting raised.
            HostError: no thread can be started.
        """
        self._queue, self._using = SimpleQueue(), threading.Lock()  # after a fork the old ones may be in any state
        self._last = None
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with starting_thread(f"opening world {self._url}"):
            threading.Thread(target=self._main, args=(opened,), name=type(self).__name__, daemon=True).start()
        try:
            await opened
        except asyncio.CancelledError:
            self._close()
            raise
        self._pid, self._forks = os.getpid(), _forks

    async def stop(self) -> None:
        """Finish what is queued and let go of the connection."""
        self._pid = 0
        await self._close()

    def _close(self) -> asyncio.Future[None]:
        last: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put(Job(None, "closing", last))
        return last

    def _submit(
        self, operation: Callable[[Store], Any], about: str, lasts: Callable[[Any], bool] | None = None
    ) -> asyncio.Future[Any]:
        """
        Queue *operation*, which *about* names in errors, and return the future of its result.

        Raises:
            UsageError: the connection thread is not open in this process.
        """
        if not self.is_open:
            raise self._not_open()
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.put(Job(operation, about, future, lasts))
        return future

    def hand_in(self, operation: Callable[[Store], Any], about: str, future: asyncio.Future[Any]) -> bool:
        """Queue *operation* from any thread for a future that is there already; return whether that could be done."""
        if self.is_open:
            self._queue.put(Job(operation, about, future))
            return True
        return False

    def _at_once(self, operation: Callable[[Store], Any], about: str) -> Job | None:
        """Carry *operation* out in the calling thread and return its job, None while the connection thread has work."""
        if not self._queue.empty() or not self._using.acquire(blocking=False):
            return None
        try:
            store = self._store
            if store is None or not self.is_open:
                return None
            job = Job(operation, about, None)
            self._work_through(store, [job], add_nobody)
        finally:
            self._using.release()
        return job

    def _main(self, opened: asyncio.Future[None]) -> None:
        first = Job(None, "opening", opened)
        try:
            store = self._connect()
            self._begin(store)
        except Exception as error:  # noqa: BLE001  # whatever it is, who opens the world gets it
            first.error = error
            _hand_back([first], self._notifier)
            return
        self._store = store
        _hand_back([first], self._notifier)
        while (last := self._last) is None:
            self._work_on_group(store, self._wait(store))
        self._end()
        # All that was told of is in the file or its log: what fails now, such as the clearing of the log on a full
        # disk, is done by whoever opens the file next.
        with self._using, suppress(sqlite3.Error):
            self._store = None
            store.db.close()
        _hand_back([last], self._notifier)

    def _work_on_group(self, store: Store, first: Job) -> None:
        jobs: list[Job] = []
        self._add(jobs, first)
        self._add_waiting(jobs)
        with self._using:
            self._work_through(store, jobs, partial(self._add_waiting, jobs))
        _hand_back(jobs, self._notifier)

    def _add_waiting(self, jobs: list[Job]) -> None:
        """Let what waits in the queue belong to the group of *jobs*; called on the connection thread."""
        while len(jobs) < GROUP_OPS_MAX and self._last is None and not self._queue.empty():
            self._add(jobs, self._queue.get_nowait())

    def _add(self, jobs: list[Job], job: Job) -> None:
        if job.operation is None:
            self._last = job
        else:
            jobs.append(job)

    def _work_through(self, store: Store, jobs: list[Job], add_waiting: Callable[[], None]) -> None:
        try:
            self._work(store, jobs, add_waiting)
        except Exception as error:  # noqa: BLE001  # nobody may wait in vain, and the connection thread goes on
            for job in jobs:
                job.error = self._failure(error, job)

    def _begin(self, store: Store) -> None:
        """Prepare, before anybody is told that the connection thread is open."""

    def _end(self) -> None:
        """Let go of what :meth:`_begin` prepared."""

    def _wait(self, store: Store) -> Job:
        """Return the next job, once there is one."""
        return self._queue.get()

    def _work(self, store: Store, jobs: list[Job], add_waiting: Callable[[], None]) -> None:
        """Carry out *jobs*, if any, and leave in each what came of it; those that wait may be added before."""
        raise NotImplementedError

    def _carry_out(self, store: Store, job: Job) -> Any:
        assert job.operation is not None, "a connection thread's last job is not carried out"
        return job.operation(store)

    def _copes(self, store: Store, error: Exception) -> bool:
        """Return whether an operation may do better now: it met a damaged text, which is readable from now on."""
        if not is_undecodable(error) or store.db.text_factory is decode_damaged:
            return False
        store.db.text_factory = decode_damaged
        return True

    def _failure(self, error: Exception, job: Job) -> Exception:
        """Return what the caller of *job* gets for *error*."""
        failure = failure_of(error, self._url, job.about)
        if failure is not error:
            failure.__cause__ = error
        return failure

    def _not_open(self) -> UsageError:
        if self._pid:
            return UsageError(
                f"world {self._url} was opened in process {self._pid} and is used in its fork {os.getpid()}; "
                "await its open() there too, for connections of the fork's own"
            )
        return UsageError(f"world {self._url} is not open; await its open() first")


def add_nobody() -> None:
    """Add nobody to a group."""


def _hand_back(jobs: list[Job], notifier: Notifier) -> None:
    """Give all results back in one call on each event loop that waits for some."""
    loops: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        if job.future is not None:
            loops.setdefault(job.future.get_loop(), []).append(job)
    for loop, its in loops.items():
        try:
            loop.call_soon_threadsafe(_settle, its, notifier)
        except RuntimeError:  # the loop is closed: nobody waits any more, but others may listen
            for job in its:
                tell(job, notifier)


def _settle(jobs: list[Job], notifier: Notifier) -> None:
    for job in jobs:
        if job.future is not None and not job.future.done():  # its caller may have been cancelled
            if job.error is None:
                job.future.set_result(job.value)
            else:
                job.future.set_exception(job.error)
        tell(job, notifier)


def tell(job: Job, notifier: Notifier) -> None:
    """Tell listeners of what a job has changed."""
    if job.error is None and job.notice is not None:
        notifier.notify(job.notice)
