"""
A thread that waits for a coroutine, and does meanwhile what has to be done in that very thread.

Connections to databases may belong to the thread that made them, while an application lives on an event loop in
another one. So the coroutine hands back what touches such a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, TypeVar

from torpor.thread_start import in_thread

T = TypeVar("T")

_Job = Callable[[], None]
_waiting: ContextVar[SimpleQueue[_Job | None] | None] = ContextVar("torpor-calling-thread", default=None)


def wait_here(work: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop) -> T:
    """
    Carry a coroutine out on an event loop of another thread, and return its result.

    What it has done by :func:`in_calling_thread` is done here.
    """
    jobs: SimpleQueue[_Job | None] = SimpleQueue()

    async def told() -> T:
        _waiting.set(jobs)
        return await work

    future = asyncio.run_coroutine_threadsafe(told(), loop)
    future.add_done_callback(lambda _: jobs.put(None))
    while (job := jobs.get()) is not None:
        job()
    return future.result()


async def in_calling_thread(function: Callable[[], T]) -> T:
    """Return what *function* returns, called in the thread that waits for this, or here when none does."""
    jobs = _waiting.get()
    if jobs is None:
        return function()
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if answer.done():  # who asked may have been cancelled
            return
        if error is None:
            answer.set_result(value)  # type: ignore[arg-type]  # it is one when there is no error
        else:
            answer.set_exception(error)

    def job() -> None:
        try:
            value = function()
        except BaseException as error:  # noqa: BLE001  # whatever it is, who asked gets it
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, value, None)

    jobs.put(job)
    return await answer


def is_waited_for() -> bool:
    """Return whether a thread waits for what is done here."""
    return _waiting.get() is not None


async def to_its_end(work: Callable[[], T], what: str) -> T:
    """
    Do *work* in a thread, and let nobody go before it is done, who is cancelled either: what it uses is in use.

    Args:
        work: is called.
        what: it does, for messages.

    Raises:
        HostError: no thread could be started.
    """
    doing = asyncio.ensure_future(in_thread(what, work))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        raise
