"""The connection thread for operations that only read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from torpor.worlds.sqlite.connection import ConnectionThread, Job
from torpor.worlds.sqlite.store import Store

T = TypeVar("T")


class Reader(ConnectionThread):
    """Runs each group in a transaction, so that every answer is from one moment."""

    def submit(self, operation: Callable[[Store], T], about: str) -> asyncio.Future[T]:
        """
        Queue *operation*, which *about* names in errors, and return the future of its result.

        Raises:
            UsageError: the connection thread is not open in this process.
        """
        return self._submit(operation, about)

    def _again(self, store: Store, job: Job, error: Exception) -> None:
        """Carry a job out once more if that may help; else its caller gets the error."""
        try:
            if not self._copes(store, error):
                raise error
            job.value = self._carry_out(store, job)
        except Exception as problem:  # noqa: BLE001  # as above
            job.error = self._failure(problem, job)

    def _work(self, store: Store, jobs: list[Job], add_waiting: Callable[[], None]) -> None:
        store.db.execute("BEGIN")
        try:
            for job in jobs:
                try:
                    job.value = self._carry_out(store, job)
                except Exception as error:  # noqa: BLE001  # whatever it is, the caller gets it
                    self._again(store, job, error)
        finally:
            if store.db.in_transaction:  # an error may have ended it
                store.db.execute("COMMIT")
