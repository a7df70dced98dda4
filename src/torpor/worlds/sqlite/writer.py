"""
The connection thread for operations that change something.

The writer takes all operations that have come together and makes one transaction of them, so that concurrent runs
share a commit's wait for the disk; what comes while another process writes belongs to them, too (0090). Nobody is told
of success before the COMMIT. A group runs without savepoints: nearly all refusals come before an operation's first
write and disturb nobody; when one comes later, the whole group is rolled back and its operations are run again, each in
a transaction of its own.

While somebody is subscribed the writer looks between groups whether another process has committed (``data_version``
changes for others' commits only). A commit is written to the log first and seen once it is on the disk. So after
:mod:`.watch` has told of a writing the writer looks at once and then ever less often, and every :data:`QUIET_MS` while
the log is quiet. A commit of its own is no news, and what was written before that can be seen then; it looks twice
after it, since a writing that followed may have been forgotten with its own. Where nobody tells, it looks every
:data:`LISTEN_MS`, and so it does while its own work lasts.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import time
from collections.abc import Callable
from queue import Empty
from typing import Final, TypeVar

from torpor.model import Notice
from torpor.worlds.notifier import Notifier
from torpor.worlds.sqlite.beginning import begin_writing, take_patience
from torpor.worlds.sqlite.committing import Committing
from torpor.worlds.sqlite.connection import ConnectionThread, Job, add_nobody, tell
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.watch import REST_MS, Watch, watch

SOON_MS: Final = 1
LISTEN_MS: Final = 10
QUIET_MS: Final = 10_000
STIRRED_MS: Final = 300
"""How long after a writing the log counts as being written."""

assert REST_MS < STIRRED_MS, "a writing is told while it is looked for, whatever was written just before it"

_OTHERS: Final = (SOON_MS, 2)
_OWN: Final = (16, 8)
"""When to look after a writing: after so many milliseconds, and then each time after so many times as long."""

T = TypeVar("T")


class Writer(ConnectionThread):
    """Carries out operations in groups; each returns its result and what to tell listeners."""

    def __init__(self, connect: Callable[[], Store], url: str, notifier: Notifier) -> None:
        super().__init__(connect, url, notifier)
        self._committing: Committing
        self._version = 0
        self._patience_seconds = 0.0  # with another process that writes
        self._look_from = 0.0
        self._stirred_at = -math.inf  # by others
        self._committed_at = -math.inf
        self._wakes_at = math.inf  # when it will look next while it sleeps
        self._watch: Watch | None = None
        self._is_able_now = False  # to read what it could not read before

    def submit(
        self,
        operation: Callable[[Store], tuple[T, Notice | None]],
        about: str,
        lasts: Callable[[T], bool] | None = None,
    ) -> asyncio.Future[T]:
        """
        Queue *operation*, which *about* names in errors, and return the future of its result.

        The operation is a function of the store alone: it may be run twice. *lasts* says of its result whether a
        failure of power must not undo it, as it must none without that.

        Raises:
            UsageError: the connection thread is not open in this process.
        """
        return self._submit(operation, about, lasts)

    def at_once(self, operation: Callable[[Store], tuple[T, Notice | None]], about: str) -> tuple[T] | None:
        """
        Carry *operation* out in the calling thread, in a transaction of its own, and return its result in a tuple.

        Returns None when the writer has others' operations to do: then it is better off among them.

        Raises:
            TorporError: as the future of :meth:`submit`.
        """
        job = self._at_once(operation, about)
        if job is None:
            return None
        if job.error is not None:
            raise job.error
        tell(job, self._notifier)
        if math.inf > self._wakes_at > time.monotonic() + _OWN[0] / 1000:
            self._queue.put(Job(_nothing, "looking sooner", None))  # what others wrote may have been forgotten with it
        return (job.value,)

    def listen(self) -> None:
        """Begin to look for others' changes, now that somebody is subscribed."""
        self._stirred_at = time.monotonic()
        self._queue.put(Job(_nothing, "listening", None))

    def _written(self) -> float:
        """
        Look what was written to the log, if it was not just now written here: then the next look is soon anyway.

        Returns how many seconds that is away; until then it need not be told.
        """
        until = self._committed_at + _OWN[0] / 1000 - time.monotonic()
        if until < 0:
            self.listen()
        return until

    def _begin(self, store: Store) -> None:
        self._version = _data_version(store)
        self._patience_seconds = take_patience(store.db)
        self._committing = Committing(store)
        self._watch = watch(store.file.path.with_name(f"{store.file.path.name}-wal"), self._written)

    def _end(self) -> None:
        self._committing.close()
        if self._watch is not None:
            self._watch.close()

    def _wait(self, store: Store) -> Job:
        while self._notifier:
            with self._using:
                self._look(store)
                now = time.monotonic()
                pause = max(self._pause_ms() / 1000, self._look_from - now)
                self._wakes_at = now + pause
            try:
                return self._queue.get(timeout=pause)
            except Empty:
                continue
            finally:
                self._wakes_at = math.inf
        return self._queue.get()

    def _pause_ms(self) -> float:
        """Return how long to wait before the next look: the longer, the longer ago the log was written."""
        if self._watch is None:
            return LISTEN_MS
        now = time.monotonic()
        return min(_pause_ms(now - self._stirred_at, *_OTHERS), _pause_ms(now - self._committed_at, *_OWN))

    def _look(self, store: Store) -> None:
        """Tell listeners if another connection has changed the file since the last look."""
        now = time.monotonic()
        if now < self._look_from:
            return
        is_stirred = now < self._stirred_at + STIRRED_MS / 1000
        self._look_from = now + (SOON_MS if is_stirred and self._queue.empty() else LISTEN_MS) / 1000
        try:
            version = _data_version(store)
        except sqlite3.Error:
            return  # a hint less; the next operation meets the same trouble and says so
        if version != self._version:
            self._stirred_at = now
            self._look_from = now + REST_MS / 1000  # who is told looks around, which is not for free
            self._notifier.notify(Notice(None, work=True, ended=True, written=True, hooked=True))
        self._version = version

    def _work(self, store: Store, jobs: list[Job], add_waiting: Callable[[], None]) -> None:
        first = next((job for job in jobs if job.operation is not _nothing), None)
        if first is None:
            return
        try:
            store.file.check(self._url, first.about)
            is_open = self._committing.prepare(lasts=any(map(_may_last, jobs)))
            begin_writing(store.db, self._patience_seconds)
            if is_open:
                add_waiting()
            whole = all(self._try(store, job) for job in jobs)
            if whole:
                store.db.execute("COMMIT")
                self._committed()
            if whole and not is_open and any(map(_does_last, jobs)):
                self._committing.synchronize()
        except sqlite3.Error as error:
            _roll_back(store)
            for job in jobs:  # the refused ones too: they were refused for what is not stored now
                job.error = self._failure(error, job)
            return
        if not whole:
            _roll_back(store)
            if len(jobs) > 1 or self._is_able_now:
                self._is_able_now = False
                self._work_singly(store, jobs)

    def _committed(self) -> None:
        if self._watch is not None:
            self._watch.forget()
            self._committed_at, self._stirred_at = time.monotonic(), -math.inf

    def _work_singly(self, store: Store, jobs: list[Job]) -> None:
        for job in jobs:
            job.value = job.notice = job.error = None
            self._work(store, [job], add_nobody)

    def _try(self, store: Store, job: Job) -> bool:
        """Return whether the transaction is none the worse for *job*: it succeeded, or was refused without a trace."""
        changes = store.db.total_changes
        try:
            job.value, job.notice = self._carry_out(store, job)
        except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
            job.error = self._failure(error, job)
            self._is_able_now |= self._copes(store, error)
            # After an error of its own SQLite may have ended the transaction, or left it in doubt.
            return not isinstance(error, sqlite3.Error) and store.db.total_changes == changes
        return True


def _data_version(store: Store) -> int:
    (version,) = store.db.execute("PRAGMA data_version").fetchone()
    return int(version)


def _pause_ms(seconds: float, first: int, factor: int) -> float:
    """Return how long to wait before the next look, so long after a writing."""
    ms = 1000 * seconds
    pause_ms = max(first, (factor - 1) * ms)
    return pause_ms if ms + pause_ms < STIRRED_MS else QUIET_MS


def _nothing(_store: Store) -> tuple[None, None]:
    return None, None


def _roll_back(store: Store) -> None:
    if store.db.in_transaction:
        store.db.execute("ROLLBACK")
    store.forget()


def _may_last(job: Job) -> bool:
    return job.lasts is None and job.operation is not _nothing


def _does_last(job: Job) -> bool:
    """Return whether what a job has done lasts: what listeners are told does, too."""
    return job.lasts is not None and job.error is None and (job.notice is not None or job.lasts(job.value))
