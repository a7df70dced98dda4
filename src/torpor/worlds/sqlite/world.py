"""The SQLite world: each method hands a plain function to a connection thread and waits for its result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from torpor.errors import LimitExceededError
from torpor.model import (
    Commit,
    Committed,
    Event,
    Hook,
    LogEntry,
    NewRun,
    Run,
    RunFilter,
    RunState,
    Snapshot,
    Step,
    StepOutcome,
    Task,
    WorkerRow,
)
from torpor.world import Capabilities, Unsubscribe
from torpor.worlds.notifier import Listener, Notifier
from torpor.worlds.sqlite import blobs, hooks, queue, runs, schema, turns
from torpor.worlds.sqlite.reader import Reader
from torpor.worlds.sqlite.store import Store
from torpor.worlds.sqlite.url import parse
from torpor.worlds.sqlite.writer import LISTEN_MS, Writer

BLOB_BYTES_MAX: Final = 900_000_000
"""SQLite's own limit is 1 000 000 000 bytes a row."""

_log = logging.getLogger("torpor.worlds")

_CAPABILITIES: Final = Capabilities(durable=True, shared=True, listen_ms=2 * LISTEN_MS, blob_bytes_max=BLOB_BYTES_MAX)


class SqliteWorld:
    """
    A world in a SQLite file, for any number of processes on one machine.

    Args:
        url: see :mod:`torpor.worlds.sqlite.url`.

    Raises:
        ConfigurationError: the URL makes no sense.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._settings = parse(url)
        self._notifier = Notifier()
        self._writer = Writer(self._connect, url, self._notifier)
        self._reader = Reader(self._connect_to_read, url, self._notifier)
        self._opening = asyncio.Lock()

    @property
    def url(self) -> str:
        return self._url

    @property
    def capabilities(self) -> Capabilities:
        return _CAPABILITIES

    async def open(self) -> None:
        async with self._opening:
            if not self._writer.is_open:
                made = self._relative_new_file()
                await self._writer.start()
                if made is not None:  # in another folder than before, it looks as if every run were gone
                    _log.warning("made a new world in %s: %s is relative to the working folder", made, self._url)
            if not self._reader.is_open:
                await self._reader.start()

    async def close(self) -> None:
        async with self._opening:
            if self._reader.is_open:
                await self._reader.stop()
            if self._writer.is_open:
                await self._writer.stop()

    def subscribe(self, listener: Listener) -> Unsubscribe:
        unsubscribe = self._notifier.subscribe(listener)
        self._writer.listen()
        return unsubscribe

    def _relative_new_file(self) -> Path | None:
        """Return the whole path of the file if it is not there yet and the URL names it by a relative one."""
        file = Path(self._settings.path)
        return None if file.is_absolute() or file.exists() else file.absolute()

    def _connect(self) -> Store:
        return schema.connect(self._settings, self._url)

    def _connect_to_read(self) -> Store:
        store = self._connect()
        store.db.execute("PRAGMA query_only = ON")
        return store

    # Runs

    async def create_run(self, new: NewRun) -> Run:
        return await self._writer.submit(lambda store: runs.create(store, new), f"creation of run {new.id}")

    async def get_run(self, run_id: str) -> Run:
        return await self._reader.submit(lambda store: store.run(run_id)[1], f"reading of run {run_id}")

    async def list_runs(self, where: RunFilter) -> list[Run]:
        return await self._reader.submit(lambda store: runs.find(store, where), "listing of runs")

    async def runs_by_key(self, *, live: bool) -> dict[str, int]:
        return await self._reader.submit(lambda store: runs.by_key(store, live=live), "counting of runs by key")

    async def cancel_run(self, run_id: str, reason: str, at: int) -> Run:
        return await self._writer.submit(
            lambda store: runs.cancel(store, run_id, reason, at), f"cancellation of run {run_id}"
        )

    # Events

    async def events(self, run_id: str, *, after: int = 0, limit: int | None = None) -> list[Event]:
        return await self._reader.submit(
            lambda store: runs.events(store, run_id, after, limit), f"reading of the log of run {run_id}"
        )

    async def steps(self, run_id: str) -> list[Step]:
        return await self._reader.submit(
            lambda store: runs.steps(store, run_id), f"reading of the steps of run {run_id}"
        )

    async def log_entries(self, run_id: str, *, after: int | None = None) -> list[LogEntry]:
        return await self._reader.submit(
            lambda store: runs.log_entries(store, run_id, after), f"reading of the log lines of run {run_id}"
        )

    # Snapshots

    async def snapshot(self, run_id: str) -> Snapshot | None:
        return await self._reader.submit(
            lambda store: turns.snapshot(store, store.key_of(run_id)), f"reading of the snapshot of run {run_id}"
        )

    async def delete_snapshot(self, run_id: str) -> None:
        await self._writer.submit(
            lambda store: turns.delete_snapshot(store, run_id), f"deletion of the snapshot of run {run_id}"
        )

    # Hooks

    async def hook(self, token: str) -> Hook:
        return await self._reader.submit(lambda store: hooks.of_token(store, token), f"reading of hook {token!r}")

    async def hooks(self, run_id: str) -> list[Hook]:
        return await self._reader.submit(
            lambda store: hooks.of_run(store, run_id), f"reading of the hooks of run {run_id}"
        )

    async def resume_hook(
        self, token: str, payload: bytes, resume_id: str, at: int, *, run_id: str | None = None
    ) -> Hook:
        return await self._writer.submit(
            lambda store: hooks.resume(store, token, payload, resume_id, at, run_id), f"resumption of hook {token!r}"
        )

    # Blobs

    async def put_blob(self, key: str, data: bytes) -> None:
        if len(data) > BLOB_BYTES_MAX:
            raise LimitExceededError(
                f"blob {key} has {len(data)} bytes, world {self._url} stores up to {BLOB_BYTES_MAX}; split it"
            )
        await self._writer.submit(lambda store: blobs.put(store, key, data), f"storing of blob {key}")

    async def blob(self, key: str) -> bytes | None:
        return await self._reader.submit(lambda store: blobs.get(store, key), f"reading of blob {key}")

    # Queue

    async def heartbeat(self, worker: WorkerRow) -> None:
        await self._writer.submit(lambda store: queue.heartbeat(store, worker), f"heartbeat of worker {worker.id}")

    async def workers(self) -> list[WorkerRow]:
        return await self._reader.submit(queue.workers, "listing of workers")

    async def claim(
        self,
        worker_id: str,
        at: int,
        *,
        turns: int,
        steps: int,
        guests: Collection[str],
        keys: Collection[str] = ("",),
    ) -> list[Task]:
        return await self._writer.submit(
            lambda store: queue.claim(store, worker_id, at, turns, steps, guests, keys), f"claim of worker {worker_id}"
        )

    async def next_ready_at(
        self, *, guests: Collection[str], steps: bool = True, keys: Collection[str] = ("",)
    ) -> int | None:
        return await self._reader.submit(
            lambda store: queue.next_ready_at(store, guests=guests, steps=steps, keys=keys), "reading of the queue"
        )

    async def release(self, worker_ids: Sequence[str], at: int) -> int:
        names = tuple(worker_ids)
        return await self._writer.submit(
            lambda store: queue.release(store, names, at), f"release of workers {', '.join(names)}"
        )

    # Turns

    async def load(self, run_id: str) -> RunState:
        return await self._reader.submit(lambda store: turns.load(store, run_id), f"loading of run {run_id}")

    async def commit(self, commit: Commit) -> Committed:
        return await self._writer.submit(lambda store: turns.commit(store, commit), f"commit of run {commit.run_id}")

    async def snooze(self, run_id: str, worker_id: str, epoch: int, until: int) -> None:
        await self._writer.submit(
            lambda store: queue.snooze(store, run_id, worker_id, epoch, until), f"snooze of run {run_id}"
        )

    async def finish_step(self, outcome: StepOutcome) -> None:
        await self._writer.submit(
            lambda store: turns.finish_step(store, outcome),
            f"outcome of step {outcome.step_id} of run {outcome.run_id}",
        )
