"""
Threads for work inside VMs, off the event loop.

A hop to such a thread and back is on the path of every step, so this is a bare queue: `run_in_executor` makes two
futures and takes several locks for each call, and costs about three times as much.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class VmThreads:
    """
    A fixed number of threads that take work from one queue.

    Args:
        count: how many VMs may run at the same moment.
    """

    def __init__(self, count: int) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [threading.Thread(target=self._serve, name=f"torpor-vm-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run *work* in a VM thread and return what it returns, or raise what it raises.

        A cancelled caller is let go only when the work has ended, so that nobody touches a VM that still runs.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                settle, outcome = _succeed, work(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001  # whoever waits gets it
                settle, outcome = _fail, error  # type: ignore[assignment]  # each goes with its own settler
            try:
                loop.call_soon_threadsafe(settle, answer, outcome)
            except RuntimeError:
                return  # the loop was closed while the VM ran: nobody waits any more

        self._queue.put(job)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            await asyncio.wait([answer])
            raise

    def shutdown(self) -> None:
        """Let the threads end once the queue is empty."""
        for _ in self._threads:
            self._queue.put(None)

    def _serve(self) -> None:
        while (job := self._queue.get()) is not None:
            job()


def _succeed(answer: asyncio.Future[Any], value: Any) -> None:
    if not answer.done():  # whoever waited may have been cancelled
        answer.set_result(value)


def _fail(answer: asyncio.Future[Any], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
