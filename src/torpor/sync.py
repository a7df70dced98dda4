"""
The front door for scripts that are not asynchronous.

::

    with SyncTorpor(app) as torpor:
        run = torpor.start("checkout", "o-1", 4200)
        print(run.result(timeout=60))
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Literal, ParamSpec, Self, TypeVar, overload

from torpor.app import Torpor
from torpor.attributes import Attributes
from torpor.calling_thread import running_loop, wait_here
from torpor.codec.crypto.keys import Keyring
from torpor.durations import Duration, When
from torpor.engine.stream_reading import Attempts, StreamChunk, Until
from torpor.engine.streams import PAGE_CHUNKS, ChunkPage, ReadableStream, StreamInfo
from torpor.errors import HostError, UsageError
from torpor.health import Health
from torpor.hook_info import HookInfo
from torpor.lifecycle import RunStatus
from torpor.model import Event, LogEntry, Runtime, StepInfo
from torpor.model.tenants import Quotas
from torpor.moments import Difference, Moment
from torpor.run_handle import Code, RunHandle
from torpor.run_info import RunInfo
from torpor.sync_plans import SyncQueues, SyncSchedules
from torpor.sync_tenants import SyncTenant
from torpor.thread_start import starting_thread
from torpor.worker_processes import Processes
from torpor.workflow import Workflow

P = ParamSpec("P")
T = TypeVar("T")


class SyncTorpor:
    """
    An application behind blocking calls; an event loop of its own runs in a background thread.

    Args:
        app: the application; it must not be open in another event loop.
        worker: run a worker in the background too.
        processes: in so many processes of its own; see :meth:`torpor.app.Torpor.worker`.
        loop: an event loop that runs in another thread and has the application open, to be used instead; no ``with``
            block is needed then.
    """

    def __init__(
        self,
        app: Torpor,
        *,
        worker: bool = False,
        processes: Processes | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = app
        self._with_worker = worker
        self._processes = processes
        self._is_guest = loop is not None
        self._loop = loop or asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="torpor-sync", daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> Self:
        if self._is_guest:
            return self
        try:
            with starting_thread("starting the event loop of a SyncTorpor"):
                self._thread.start()
        except HostError:
            self._loop.close()
            raise
        try:
            self.wait(self._open())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_guest:
            return
        try:
            self.wait(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @overload
    def start(self, workflow: Workflow[P, T], /, *args: P.args, **kwargs: P.kwargs) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, run_id: str, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, runtime: Runtime, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, at: datetime | str, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, delay: Duration, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, queue: str, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, priority: int, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, deadline: When, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, attributes: Attributes, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(self, workflow: Workflow[..., T], /, *args: Any, connection: object, **kwargs: Any) -> SyncRun[T]: ...

    @overload
    def start(
        self,
        workflow: str,
        /,
        *args: Any,
        run_id: str | None = ...,
        runtime: Runtime | None = ...,
        at: datetime | str | None = ...,
        delay: Duration | None = ...,
        queue: str = ...,
        queue_key: str = ...,
        priority: int = ...,
        deadline: When | None = ...,
        attributes: Attributes | None = ...,
        connection: object = ...,
        **kwargs: Any,
    ) -> SyncRun[Any]: ...

    def start(self, workflow: Any, /, *args: Any, **kwargs: Any) -> SyncRun[Any]:
        """See :meth:`torpor.app.Torpor.start`."""
        return SyncRun(self, self.wait(self._app.start(workflow, *args, **kwargs)))

    def run(self, run_id: str) -> SyncRun[Any]:
        """See :meth:`torpor.app.Torpor.run`."""
        return SyncRun(self, self._app.run(run_id))

    def list_runs(
        self,
        *,
        status: RunStatus | None = None,
        workflow: str | None = None,
        attributes: Mapping[str, str] | None = None,
        before: str | None = None,
        limit: int = 50,
    ) -> list[RunInfo]:
        """See :meth:`torpor.app.Torpor.list_runs`."""
        return self.wait(
            self._app.list_runs(status=status, workflow=workflow, attributes=attributes, before=before, limit=limit)
        )

    def get_hook(self, token: str) -> HookInfo[SyncRun[Any]]:
        """See :meth:`torpor.app.Torpor.get_hook`."""
        found = self.wait(self._app.get_hook(token))
        return found.of(SyncRun(self, found.run))

    def resume_hook(
        self,
        token: str | HookInfo[Any],
        payload: Any = None,
        *,
        resume_id: str | None = None,
        wait: Duration | None = None,
        connection: object = None,
    ) -> SyncRun[Any]:
        """See :meth:`torpor.app.Torpor.resume_hook`."""
        resumed = self._app.resume_hook(token, payload, resume_id=resume_id, wait=wait, connection=connection)
        return SyncRun(self, self.wait(resumed))

    def send(
        self,
        run: SyncRun[Any] | str,
        name: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the word
        connection: object = None,
    ) -> None:
        """See :meth:`torpor.app.Torpor.send`."""
        to = run if isinstance(run, str) else run.id
        self.wait(self._app.send(to, name, payload, id=id, connection=connection))

    def health(self, queue: str = "", *, timeout: Duration = 30.0) -> Health:
        """See :meth:`torpor.app.Torpor.health`."""
        return self.wait(self._app.health(queue, timeout=timeout))

    def cancel(self, run_ids: Sequence[str], reason: str = "", *, force: bool = False) -> list[str]:
        """See :meth:`torpor.app.Torpor.cancel`."""
        return self.wait(self._app.cancel(run_ids, reason, force=force))

    def cancel_runs(
        self, *, status: RunStatus | None = None, workflow: str | None = None, reason: str = "", force: bool = False
    ) -> list[str]:
        """See :meth:`torpor.app.Torpor.cancel_runs`."""
        return self.wait(self._app.cancel_runs(status=status, workflow=workflow, reason=reason, force=force))

    def import_run(self, file: str | Path, *, paused: bool = False) -> SyncRun[Any]:
        """See :meth:`torpor.client.Client.import_run`."""
        return SyncRun(self, self.wait(self._app.import_run(file, paused=paused)))

    @property
    def schedules(self) -> SyncSchedules[SyncRun[Any]]:
        """See :attr:`torpor.app.Torpor.schedules`."""
        return SyncSchedules(self, self._app.schedules, lambda handle: SyncRun(self, handle))

    def tenant(
        self,
        name: str,
        *,
        quotas: Quotas | None = None,
        allow: Sequence[str | Callable[..., Any]] | None = None,
        keys: str | Keyring | None = None,
    ) -> SyncTenant[SyncRun[Any]]:
        """See :meth:`torpor.app.Torpor.tenant`."""
        found = self._app.tenant(name, quotas=quotas, allow=allow, keys=keys)
        return SyncTenant(self, found, lambda handle: SyncRun(self, handle))

    @property
    def queues(self) -> SyncQueues:
        """See :attr:`torpor.app.Torpor.queues`."""
        return SyncQueues(self, self._app.queues)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """
        Run a coroutine in the background loop and return its result; what touches a connection is done here.

        Raises:
            UsageError: the loop does not run: the ``with`` block has not begun, or is over; or this is its own thread.
        """
        if not (self._loop.is_running() if self._is_guest else self._thread.is_alive()):
            work.close()
            raise UsageError("a SyncTorpor works inside its `with` block only; do this there")
        if self._loop is running_loop():
            work.close()
            raise UsageError("a SyncTorpor blocks, and this thread runs its event loop: await the application here")
        return wait_here(work, self._loop)

    def iterate(self, values: AsyncIterator[T]) -> Iterator[T]:
        """Yield what an iterator yields in the background loop."""

        async def next_value() -> tuple[T, ...]:
            async for value in values:
                return (value,)
            return ()

        while found := self.wait(next_value()):
            yield found[0]

    async def _open(self) -> None:
        await self._stack.enter_async_context(self._app)
        if self._processes is not None:
            await self._stack.enter_async_context(self._app.worker(processes=self._processes))
        elif self._with_worker:
            await self._stack.enter_async_context(self._app.worker())


class SyncRun(Generic[T]):
    """A run behind blocking calls; see :class:`torpor.run_handle.RunHandle`."""

    def __init__(self, front: SyncTorpor, handle: RunHandle[T]) -> None:
        self._front = front
        self._handle = handle
        self.id = handle.id

    def __repr__(self) -> str:
        return f"SyncRun({self.id!r})"

    def info(self) -> RunInfo:
        return self._front.wait(self._handle.info())

    def status(self) -> RunStatus:
        return self._front.wait(self._handle.status())

    def result(self, *, timeout: float | None = None) -> T:
        return self._front.wait(self._handle.result(timeout=timeout))

    def cancel(self, reason: str = "", *, force: bool = False) -> None:
        self._front.wait(self._handle.cancel(reason, force=force))

    def resolve(self, op: int | str, value: Any = None, *, failed: str | None = None) -> None:
        self._front.wait(self._handle.resolve(op, value, failed=failed))

    def send(
        self,
        name: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the word
        connection: object = None,
    ) -> None:
        self._front.wait(self._handle.send(name, payload, id=id, connection=connection))

    def pause(self) -> None:
        self._front.wait(self._handle.pause())

    def export(self, file: str | Path, *, whole: bool = False, encrypt: bool = False) -> None:
        self._front.wait(self._handle.export(file, whole=whole, encrypt=encrypt))

    def unpause(self) -> None:
        self._front.wait(self._handle.unpause())

    def wake_up(self, ids: Collection[str] | None = None) -> list[str]:
        return self._front.wait(self._handle.wake_up(ids))

    def retry(self) -> None:
        self._front.wait(self._handle.retry())

    def rerun(self, *, run_id: str | None = None) -> SyncRun[T]:
        return SyncRun(self._front, self._front.wait(self._handle.rerun(run_id=run_id)))

    def query(self, query: str | Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return self._front.wait(self._handle.query(query, *args, **kwargs))

    def at(self, seq: int) -> Moment:
        return self._front.wait(self._handle.at(seq))

    def difference(self, before: int, after: int) -> Difference:
        return self._front.wait(self._handle.difference(before, after))

    def fork(
        self,
        *,
        at: int,
        results: Mapping[int, Any] | None = None,
        code: Code | Literal["newest"] | None = None,
        take_over: bool = False,
        run_id: str | None = None,
    ) -> SyncRun[T]:
        work = self._handle.fork(at=at, results=results, code=code, take_over=take_over, run_id=run_id)
        return SyncRun(self._front, self._front.wait(work))

    def set_attributes(self, attributes: Attributes) -> None:
        self._front.wait(self._handle.set_attributes(attributes))

    def events(self, *, after: int = 0, limit: int | None = None) -> list[Event]:
        return self._front.wait(self._handle.events(after=after, limit=limit))

    def steps(self) -> list[StepInfo]:
        return self._front.wait(self._handle.steps())

    def logs(self, *, after: int | None = None) -> list[LogEntry]:
        return self._front.wait(self._handle.logs(after=after))

    def stream(
        self, name: str = "", *, start: int = 0, until: Until = "end", attempts: Attempts = "all"
    ) -> SyncStream[Any]:
        """Return one of the run's streams, to read it with ``for``; see :meth:`torpor.run_handle.RunHandle.stream`."""
        return SyncStream(self._front, self._handle.stream(name, start=start, until=until, attempts=attempts))

    def streams(self) -> list[StreamInfo]:
        return self._front.wait(self._handle.streams())

    def write(self, value: Any, name: str = "") -> None:
        """Write a value to one of the run's streams, and wait until it is stored."""

        async def write() -> None:
            await self._handle.writable(name).write(value)

        self._front.wait(write())

    def close_stream(self, name: str = "") -> None:
        """Close one of the run's streams."""

        async def close() -> None:
            await self._handle.writable(name).close()

        self._front.wait(close())


class SyncStream(Generic[T]):
    """A stream behind blocking calls: iterate it; see :class:`torpor.ReadableStream`."""

    def __init__(self, front: SyncTorpor, stream: ReadableStream[T]) -> None:
        self._front = front
        self._stream = stream

    def __repr__(self) -> str:
        return f"SyncStream({self._stream.run_id!r}, {self._stream.name!r})"

    def __iter__(self) -> Iterator[T]:
        return self._front.iterate(aiter(self._stream))

    def chunks(self) -> Iterator[StreamChunk]:
        return self._front.iterate(self._stream.chunks())

    def page(self, *, start: int | None = None, limit: int = PAGE_CHUNKS) -> ChunkPage:
        return self._front.wait(self._stream.page(start=start, limit=limit))

    def tail_index(self) -> int:
        return self._front.wait(self._stream.tail_index())

    def info(self) -> StreamInfo:
        return self._front.wait(self._stream.info())
