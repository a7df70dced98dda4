"""
Threads for work inside VMs, off the event loop.

A hop to such a thread and back is on the path of every step, so this is a bare queue: `run_in_executor` makes two
futures and takes several locks for each call, and costs about three times as much.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, ParamSpec, TypeVar, cast

from torpor.errors import HostError
from torpor.thread_start import starting_thread
from torpor.vm.interrupts import obey

P = ParamSpec("P")
T = TypeVar("T")


class VmThreads:
    """
    A fixed number of threads that take work from one queue.

    Args:
        count: how many VMs may run at the same moment.

    Raises:
        HostError: they cannot be started.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._ending = threading.Lock()
        self._alive = 0
        try:
            for number in range(count):
                with starting_thread(f"starting {count} threads for VMs"):
                    threading.Thread(target=self._serve, name=f"torpor-vm-{number}", daemon=True).start()
                self._alive += 1
        except HostError:
            self.shutdown()
            raise

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run *work* in a VM thread and return what it returns, or raise what it raises.

        For a cancelled caller guest code is ended, within some milliseconds. It is let go only when the work has ended,
        so that nobody touches a VM that still runs.
        """
        job = _Job(functools.partial(work, *args, **kwargs), asyncio.get_running_loop())
        self._begin(job)
        try:
            return cast("T", await job.answer)
        except asyncio.CancelledError:
            await job.cancel()
            raise

    def submit(self, work: Callable[[], None]) -> None:
        """Run *work* in a VM thread some time, or here once the threads have ended; nobody waits for it."""
        self._begin(_Job(work, asyncio.get_running_loop()))

    def shutdown(self) -> None:
        """Let the threads end once the queue is empty."""
        self._queue.put(None)

    def _begin(self, job: _Job) -> None:
        with self._ending:
            if self._alive:
                self._queue.put(job)
                return
        job.carry_out()

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None or (job := self._last()) is not None:
            job.carry_out()

    def _last(self) -> _Job | None:
        """Return a job that came after the end of the queue, or None when this thread is to end."""
        with self._ending:
            try:
                job = self._queue.get_nowait()
            except Empty:
                job = None
                self._alive -= 1
            self._queue.put(None)  # for the next thread that looks
        return job


class _Job:
    """Work on its way to a VM thread, and what came of it on its way back."""

    __slots__ = ("_cancelled", "_ended", "_loop", "_work", "answer")

    def __init__(self, work: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self._work = work
        self._loop = loop
        self._cancelled = False
        self._ended: bool | asyncio.Future[None] = False
        self.answer: asyncio.Future[Any] = loop.create_future()

    def carry_out(self) -> None:
        """Do the work; called in a VM thread."""
        value, error = None, None
        obey(self._is_cancelled)
        try:
            if not self._cancelled:
                value = self._work()
        except BaseException as problem:  # noqa: BLE001  # whoever waits gets it
            error = problem
        try:
            self._loop.call_soon_threadsafe(self._settle, value, error)
        except RuntimeError:
            return  # the loop was closed while the VM ran: nobody waits any more

    async def cancel(self) -> None:
        """Have the work end, whose answer nobody wants any more, and return once it has."""
        self._cancelled = True
        if self._ended is False:
            self._ended = self._loop.create_future()
            await asyncio.shield(self._ended)

    def _is_cancelled(self) -> bool:
        return self._cancelled

    def _settle(self, value: Any, error: BaseException | None) -> None:
        if isinstance(self._ended, asyncio.Future):
            self._ended.set_result(None)
        self._ended = True
        if self.answer.done():  # its caller was cancelled
            return
        if error is None:
            self.answer.set_result(value)
        else:
            self.answer.set_exception(error)
